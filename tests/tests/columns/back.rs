//! The way back where it is not a straight one: other words than the way forward had, one column of two, a table that is gone.

use std::time::Duration;

use lifeboat_core::{Kind, Result};
use lifeboat_rotate::sweep::{self, AcceptList, Limits, Phase, Summary, SweepOptions, Target};
use lifeboat_tests::session::Held;
use lifeboat_tests::{Major, run};

use crate::world::{NEW, OLD, Plain, World, job, keyring, same, small, target};

const TABLE: &str = "id int PRIMARY KEY, value text";

/// Values that are bound to their rows' tenants.
fn bound() -> World<'static> {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, value text, tenant text DEFAULT 'acme'");
    world.target.aad = "{tenant}/{id}".parse().unwrap();
    let old = keyring(&world.target, OLD);
    for id in 0..40 {
        let value = old.encrypt(b"bound", format!("acme/{id}").as_bytes()).unwrap();
        world.database.psql(&format!("INSERT INTO secrets VALUES ({id}, '{}')", value.text().unwrap()));
    }
    world
}

/// How many values a key opens in their rows.
fn opens(world: &World, secret: &str) -> usize {
    let keyring = keyring(&world.target, secret);
    let open = |line: &&str| {
        let (aad, value) = line.split_once('|').unwrap();
        keyring.open(&[Some(value.as_bytes())], aad.as_bytes()).is_ok()
    };
    world.database.psql("SELECT tenant || '/' || id, value FROM secrets").lines().filter(open).count()
}

fn phases(world: &World) -> Vec<Phase> {
    world.status().targets.iter().map(|target| target.phase).collect()
}

#[test]
fn a_rollback_that_says_another_aad_is_refused() {
    let mut world = bound();
    world.run_to_the_end(&small());
    let aad = std::mem::replace(&mut world.target.aad, "".parse().unwrap());
    let error = world.rollback(&small()).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    assert!(error.to_string().ends_with("which began with the AAD {tenant}/{id}"), "{error}");
    assert_eq!(phases(&world), [Phase::Swept]);
    world.target.aad = aad;
    assert!(world.rollback(&small()).unwrap().is_clean());
    assert_eq!(opens(&world, OLD), 40);
}

#[test]
fn a_rollback_is_not_over_while_values_open_by_neither_key_that_did_before() {
    let world = bound();
    world.database.psql("UPDATE secrets SET value = 'never encrypted' WHERE id = 39");
    world.run(&small()).unwrap();
    world.database.psql("UPDATE secrets SET tenant = 'sold' WHERE id < 3");
    let back = world.rollback(&small()).unwrap();
    assert!(!back.is_clean() && !back.targets[0].complete, "{back:?}");
    assert_eq!((phases(&world), opens(&world, OLD)), (vec![Phase::Swept], 36));
    world.database.psql("UPDATE secrets SET tenant = 'acme'");
    let back = world.rollback(&small()).unwrap();
    assert!(back.targets[0].complete, "plaintext is under no key: {back:?}");
    assert_eq!((phases(&world), opens(&world, OLD)), (vec![Phase::RolledBack], 39));
}

/// A list that gives rows up.
fn accept(ids: impl IntoIterator<Item = u32>) -> SweepOptions {
    let lines: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    SweepOptions { accept: AcceptList::parse(&lines.join("\n")).unwrap(), ..small() }
}

#[test]
fn rows_that_were_given_up_on_the_way_forward_hide_none_that_is_lost_since() {
    let world = bound();
    world.database.psql("UPDATE secrets SET tenant = 'gone' WHERE id < 3");
    for (forward, back) in [(accept(0..3), accept(0..3)), (small(), accept(0..3)), (accept(0..3), small())] {
        world.run(&forward).unwrap();
        world.database.psql("UPDATE secrets SET tenant = 'sold' WHERE id BETWEEN 10 AND 12");
        assert!(!world.rollback(&back).unwrap().targets[0].complete);
        assert_eq!((phases(&world), opens(&world, OLD)), (vec![Phase::Swept], 34));
        world.database.psql("UPDATE secrets SET tenant = 'acme' WHERE tenant = 'sold'");
        assert!(world.rollback(&back).unwrap().targets[0].complete);
        assert_eq!((phases(&world), opens(&world, OLD)), (vec![Phase::RolledBack], 37));
    }
}

#[test]
fn a_rollback_of_a_rotation_that_was_cut_short_ends_by_a_list_of_all_that_does_not_open() {
    let world = bound();
    world.database.psql(
        "UPDATE secrets SET tenant = 'gone' WHERE id < 3;
         CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'stop' USING ERRCODE = 'XX000'; END $$;
         CREATE TRIGGER fail BEFORE UPDATE ON secrets FOR EACH ROW WHEN (OLD.id = 30) EXECUTE FUNCTION fail()",
    );
    world.run(&SweepOptions { jobs: Some(1), batch_rows: Some(10), ..small() }).unwrap_err();
    assert_ne!(opens(&world, NEW), 0, "it wrote something");
    world.database.psql("DROP TRIGGER fail ON secrets");
    assert!(!world.rollback(&small()).unwrap().targets[0].complete, "nobody knows which did not open before");
    assert!(!world.rollback(&accept(0..2)).unwrap().targets[0].complete);
    assert_eq!((phases(&world), opens(&world, OLD)), (vec![Phase::Swept], 37));
    assert!(world.rollback(&accept(0..3)).unwrap().is_clean());
    assert_eq!(phases(&world), [Phase::RolledBack]);
}

#[test]
fn a_rollback_of_two_columns_goes_on_when_one_of_them_is_back() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text, second text", 60);
    world.database.psql("UPDATE secrets SET second = value; UPDATE secrets SET value = NULL WHERE id = 7");
    let targets = [world.target.clone(), target("secrets", "second")];
    let options = SweepOptions {
        limits: Limits { lock_timeout: Duration::from_millis(50), ..Limits::default() },
        max_passes: 2,
        ..small()
    };
    let run_both = || run(sweep::run(&world.settings(), &targets, &small(), &job()));
    let back = || -> Result<Summary> { run(sweep::rollback(&world.settings(), &targets, &options, &job())) };
    assert!(run_both().unwrap().is_clean());
    let held = Held::new(&world.database, "BEGIN; SELECT 1 FROM secrets WHERE id = 7 FOR UPDATE");
    let half = back().unwrap();
    assert_eq!(half.targets.iter().map(|target| target.complete).collect::<Vec<_>>(), [true, false], "{half:?}");
    held.release();
    assert_eq!(phases(&world), [Phase::RolledBack, Phase::Sweeping]);
    let rest = back().unwrap();
    assert!(rest.is_clean(), "{rest:?}");
    assert_eq!(rest.targets.iter().map(|target| target.target.as_str()).collect::<Vec<_>>(), ["public.secrets.second"]);
    assert_eq!(phases(&world), [Phase::RolledBack; 2]);
    let seconds = second(&world, &targets[1]);
    same(&seconds, &plain, "the second column");
    let again = back().unwrap_err();
    assert!(again.kind() == Kind::Policy && again.to_string().ends_with("it is rolled back already"), "{again}");
    assert!(!again.help().unwrap().contains("rotate"), "{:?}", again.help());
    assert!(run_both().unwrap().is_clean(), "and it may begin anew");
}

#[test]
fn a_rollback_of_two_columns_takes_back_the_one_that_was_begun() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text, second text", 60);
    let targets = [target("secrets", "second"), world.target.clone()];
    let back = || -> Result<Summary> { run(sweep::rollback(&world.settings(), &targets, &small(), &job())) };
    assert!(back().unwrap_err().to_string().ends_with("none is under way"));
    world.run_to_the_end(&small());
    let summary = back().unwrap();
    assert!(summary.is_clean() && summary.targets.len() == 1, "{summary:?}");
    same(&world.opened(OLD), &plain, "plaintexts");
    assert_eq!(phases(&world), [Phase::RolledBack]);
}

#[test]
fn rotations_of_two_columns_begin_together_or_not_at_all() {
    let (world, _) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text, second text", 60);
    world.run_to_the_end(&small());
    world.rollback(&small()).unwrap();
    world.database.psql("ALTER TABLE lifeboat_rotate.rotation ADD CHECK (columns <> '{second}')");
    let targets = [world.target.clone(), target("secrets", "second")];
    run(sweep::run(&world.settings(), &targets, &small(), &job())).unwrap_err();
    assert_eq!(phases(&world), [Phase::RolledBack], "none was begun");
}

#[test]
fn a_rollback_that_took_nothing_back_ends_by_a_list_of_all_that_does_not_open() {
    let world = bound();
    world.run(&small()).unwrap();
    world.database.psql("UPDATE secrets SET tenant = 'sold'");
    assert!(!world.rollback(&small()).unwrap().targets[0].complete);
    assert!(!world.rollback(&small()).unwrap().targets[0].complete, "it has written nothing on the way back");
    assert!(world.rollback(&accept(0..40)).unwrap().is_clean());
    assert_eq!(phases(&world), [Phase::RolledBack]);
}

fn second(world: &World, target: &Target) -> Plain {
    let keyring = keyring(target, OLD);
    let open = |line: &str| {
        let (id, value) = line.split_once('|').unwrap();
        let opened = keyring.open(&[Some(value.as_bytes())], b"").unwrap();
        (id.to_owned(), String::from_utf8(opened.plaintext().to_vec()).unwrap())
    };
    world.database.psql("SELECT id, second FROM secrets").lines().map(open).collect()
}

#[test]
fn a_rotation_whose_table_is_gone_can_be_ended_and_one_whose_table_was_renamed_wants_its_name_back() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 30);
    world.run_to_the_end(&small());
    world.database.psql("ALTER TABLE secrets RENAME TO former");
    let error = world.rollback(&small()).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    assert!(error.to_string().ends_with("its table is public.former now"), "{error}");
    assert_eq!(phases(&world), [Phase::Swept]);
    world.database.psql("DROP TABLE former");
    let ended = world.rollback(&small()).unwrap();
    assert_eq!((ended.gone.as_slice(), ended.targets.len()), (["public.secrets.value".to_owned()].as_slice(), 0));
    assert_eq!(phases(&world), [Phase::RolledBack]);
    world.database.psql(&format!("CREATE TABLE secrets ({TABLE})"));
    world.fill(OLD, &plain);
    world.run_to_the_end(&small());
    same(&world.opened(NEW), &plain, "a table of the same name begins anew");
}

#[test]
fn a_rotation_whose_column_is_gone_wants_its_name_back_or_an_empty_one_in_its_place() {
    let (world, plain) = World::with_rows(Major::V15, TABLE, 30);
    world.run_to_the_end(&small());
    for gone in ["RENAME COLUMN value TO former", "DROP COLUMN former"] {
        world.database.psql(&format!("ALTER TABLE secrets {gone}"));
        let error = world.rollback(&small()).unwrap_err();
        assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
        assert!(error.to_string().ends_with("public.secrets has no column value now"), "{error}");
        assert!(error.help().unwrap().contains("add an empty column"), "{}", error.chain());
        assert_eq!(phases(&world), [Phase::Swept]);
    }
    world.database.psql("ALTER TABLE secrets ADD COLUMN value text");
    assert!(world.rollback(&small()).unwrap().is_clean());
    assert_eq!(phases(&world), [Phase::RolledBack]);
    world.database.psql("DELETE FROM secrets");
    world.fill(OLD, &plain);
    world.run_to_the_end(&small());
    same(&world.opened(NEW), &plain, "the new column begins anew");
}
