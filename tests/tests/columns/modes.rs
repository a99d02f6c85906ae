//! The life of a rotation in every mode: from the plan to the record that is left of it.

use lifeboat_core::Kind;
use lifeboat_rotate::sweep::{AcceptList, Direction, Mode, Phase, SweepOptions};
use lifeboat_tests::Major;

use crate::world::{NEW, OLD, OTHER, World, cut_over, mode, same, small};

const TABLE: &str = "id int PRIMARY KEY, value text";

#[test]
fn online_runs_verifies_finalizes_and_leaves_a_record() {
    let (world, plain) = World::with_rows(Major::V15, TABLE, 500);
    let plan = world.plan();
    assert_eq!(plan.refusals().count(), 0, "{plan:?}");
    assert_eq!(plan.targets[0].sample.counts.rotated, 500);
    assert!(world.status().targets.is_empty(), "a plan writes nothing");
    assert!(!world.verify(&small()).passed());

    world.run_to_the_end(&small());
    let status = world.status().targets.remove(0);
    assert_eq!((status.phase, status.rotated), (Phase::Swept, 500));
    let finalized = world.finalize(&small()).unwrap();
    assert_eq!(finalized.targets[0].rotated, 500);
    assert_eq!(finalized.targets[0].verification.counts.already_new, 500);
    let status = world.status().targets.remove(0);
    assert_eq!((status.phase, status.rotated, status.direction), (Phase::Finalized, 500, Direction::Forward));
    same(&world.opened(NEW), &plain, "plaintexts");
    let left = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
                WHERE relnamespace = 'lifeboat_rotate'::regnamespace AND relkind = 'r'";
    assert_eq!(world.database.psql(left), "format part rotation");
    assert_eq!(world.database.psql("SELECT count(*) FROM lifeboat_rotate.part"), "0");
    assert_eq!(world.finalize(&small()).unwrap_err().kind(), Kind::Policy, "it is over");
    assert_eq!(world.rollback(&small()).unwrap_err().kind(), Kind::Policy, "it is over");
}

#[test]
fn a_rotation_that_is_not_through_is_not_finalized() {
    let (world, _) = World::with_rows(Major::V18, TABLE, 300);
    assert_eq!(world.finalize(&small()).unwrap_err().kind(), Kind::Policy);
    world.run(&SweepOptions { max_passes: 1, ..small() }).unwrap();
    let error = world.finalize(&small()).unwrap_err();
    assert!(error.to_string().contains("not through"), "{}", error.chain());
}

#[test]
fn online_is_rolled_back_by_the_same_sweep() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 400);
    world.run_to_the_end(&small());
    let summary = world.rollback(&small()).unwrap();
    assert_eq!(summary.targets[0].counts.rotated, 400);
    same(&world.opened(OLD), &plain, "plaintexts");
    assert_eq!(world.status().targets[0].phase, Phase::RolledBack);
    world.run_to_the_end(&small());
    same(&world.opened(NEW), &plain, "and forward again");
}

#[test]
fn staged_prepares_beside_the_table_and_puts_in_place_in_one_transaction() {
    let (world, plain) = World::with_rows(Major::V15, TABLE, 700);
    assert_eq!(world.run(&cut_over()).unwrap_err().kind(), Kind::Policy, "nothing is prepared");
    let summary = world.run(&mode(Mode::Staged)).unwrap();
    assert!(summary.is_clean() && !summary.cut_over, "{summary:?}");
    assert_eq!(summary.targets[0].counts.rotated, 700);
    same(&world.opened(OLD), &plain, "plaintexts");
    assert_eq!(world.status().targets[0].phase, Phase::Prepared);
    assert_eq!(world.finalize(&small()).unwrap_err().kind(), Kind::Policy);

    let summary = world.run(&cut_over()).unwrap();
    assert_eq!(summary.targets[0].counts.rotated, 700);
    same(&world.opened(NEW), &plain, "plaintexts");
    assert_eq!(world.run(&cut_over()).unwrap_err().kind(), Kind::Policy, "it is in place");
    world.finalize(&small()).unwrap();
    assert_eq!(world.database.psql("SELECT count(*) FROM pg_class WHERE relname LIKE 'shadow%'"), "0");
}

#[test]
fn staged_is_rolled_back_before_and_after_it_is_in_place() {
    let (world, mut plain) = World::with_rows(Major::V18, TABLE, 300);
    let before = world.database.psql("SELECT md5(string_agg(value, '' ORDER BY id)) FROM secrets");
    let now = |world: &World| world.database.psql("SELECT md5(string_agg(value, '' ORDER BY id)) FROM secrets");
    world.run(&mode(Mode::Staged)).unwrap();
    world.rollback(&small()).unwrap();
    assert_eq!(now(&world), before);

    world.run(&mode(Mode::Staged)).unwrap();
    world.run(&cut_over()).unwrap();
    same(&world.opened(NEW), &plain, "plaintexts");
    // The application writes under its new key, then the operator changes his mind.
    let value = world.encrypted(NEW, "written since");
    world.database.psql(&format!("UPDATE secrets SET value = '{value}' WHERE id = 7"));
    plain.insert("7".to_owned(), "written since".to_owned());
    let summary = world.rollback(&small()).unwrap();
    assert_eq!(summary.targets[0].counts.rotated, 300, "{summary:?}");
    same(&world.opened(OLD), &plain, "plaintexts");
    let kept = "SELECT count(*) FROM pg_class WHERE relname LIKE 'shadow%'";
    assert_eq!(world.database.psql(kept), "0");
}

#[test]
fn offline_rewrites_everything_or_nothing() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 300);
    world.database.psql("INSERT INTO secrets VALUES (1000, 'a password somebody typed')");
    let error = world.run(&mode(Mode::Offline)).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy);
    assert!(error.help().unwrap().contains("public.secrets 1000: plaintext"), "{:?}", error.help());
    same(&world.opened(OLD), &plain, "nothing was written");

    let accept = AcceptList::parse("1000\n").unwrap();
    let summary = world.run(&SweepOptions { accept: accept.clone(), ..mode(Mode::Offline) }).unwrap();
    assert_eq!((summary.targets[0].counts.rotated, summary.targets[0].failures.accepted), (300, 1));
    same(&world.opened(NEW), &plain, "plaintexts");
    world.rollback(&SweepOptions { accept, ..small() }).unwrap();
    same(&world.opened(OLD), &plain, "plaintexts");
}

#[test]
fn rows_that_can_never_be_opened_are_accepted_by_name_and_recorded() {
    let (world, _) = World::with_rows(Major::V18, TABLE, 50);
    world.database.psql("UPDATE secrets SET value = 'lost' WHERE id IN (3, 4)");
    let summary = world.run(&small()).unwrap();
    assert!(summary.targets[0].complete && !summary.is_clean());
    let error = world.finalize(&small()).unwrap_err();
    assert!(error.help().unwrap().contains("public.secrets 3: plaintext"), "{:?}", error.help());
    let half = SweepOptions { accept: AcceptList::parse("3").unwrap(), ..small() };
    assert_eq!(world.finalize(&half).unwrap_err().kind(), Kind::Policy);
    let whole = SweepOptions { accept: AcceptList::parse("[public.secrets]\n3\n[\"4\"]\n").unwrap(), ..small() };
    world.finalize(&whole).unwrap();
    assert_eq!(world.status().targets[0].accepted, 2);
    assert_eq!(world.database.psql("SELECT value FROM secrets WHERE id = 3"), "lost");
}

#[test]
fn no_list_gives_up_a_value_that_the_old_key_still_opens() {
    let (world, _) = World::with_rows(Major::V18, TABLE, 50);
    world.database.psql("UPDATE secrets SET value = 'lost' WHERE id = 3");
    world.run(&small()).unwrap();
    // The application has written with the old key since, in a row that the list names.
    let value = world.encrypted(OLD, "written since");
    world.database.psql(&format!("UPDATE secrets SET value = '{value}' WHERE id = 4"));
    let accept = SweepOptions { accept: AcceptList::parse("3\n4\n").unwrap(), ..small() };
    let error = world.finalize(&accept).unwrap_err();
    let help = error.help().unwrap();
    assert!(help.contains("run again") && help.contains("secrets 4") && !help.contains("secrets 3"), "{help}");
    world.run(&small()).unwrap();
    world.finalize(&accept).unwrap();
}

#[test]
fn a_path_that_leads_nowhere_is_no_proof() {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, value jsonb");
    world.target.layout = "json{smtp.pasword: base64(iv tag ct)}".parse().unwrap();
    world.database.psql("INSERT INTO secrets VALUES (1, '{\"smtp\": {\"password\": \"x\"}}'), (2, NULL)");
    let plan = world.plan();
    assert!(plan.targets[0].remarks.iter().any(|remark| remark.contains("nothing was found")), "{plan:?}");
    for dry_run in [true, false] {
        let summary = world.run(&SweepOptions { dry_run, ..small() }).unwrap();
        assert!(summary.targets[0].nothing_found && !summary.is_clean(), "{summary:?}");
    }
    let proof = world.verify(&small());
    assert!(proof.targets[0].nothing_found && !proof.passed(), "{proof:?}");
    let error = world.finalize(&small()).unwrap_err();
    assert!(error.to_string().contains("opened nothing"), "{}", error.chain());
    world.database.psql("UPDATE secrets SET value = NULL");
    assert!(world.run(&small()).unwrap().is_clean());
    assert!(world.verify(&small()).passed());
    world.finalize(&small()).unwrap();
}

#[test]
fn old_values_that_were_kept_go_only_when_they_are_back() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 60);
    world.database.psql("INSERT INTO secrets VALUES (1000, 'typed')");
    world.run(&mode(Mode::Staged)).unwrap();
    world.run(&cut_over()).unwrap();
    world.database.psql(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER keep BEFORE UPDATE ON secrets FOR EACH ROW WHEN (NEW.id = 5) EXECUTE FUNCTION keep()",
    );
    let error = world.rollback(&small()).unwrap_err();
    assert!(error.chain().contains("60 values were to be written, 59 were"), "{}", error.chain());
    same(&world.opened(NEW), &plain, "nothing was changed");
    // The application encrypts what somebody had typed, and another value is lost: they are as many as before.
    let (typed, lost) = (world.encrypted(NEW, "typed"), world.encrypted(OTHER, "lost since"));
    world.database.psql(&format!(
        "DROP TRIGGER keep ON secrets; UPDATE secrets SET value = '{typed}' WHERE id = 1000; UPDATE secrets SET value = '{lost}' WHERE id = 6"
    ));
    let error = world.rollback(&small()).unwrap_err();
    assert!(error.chain().contains("1 open by neither key, of which 0 did not before"), "{}", error.chain());
    let accept = SweepOptions { accept: AcceptList::parse("6").unwrap(), ..small() };
    world.rollback(&accept).unwrap();
    assert_eq!(world.opened(OLD).len(), 60);
}

#[test]
fn nothing_is_rolled_back_to_a_key_that_opened_nothing() {
    let (mut world, plain) = (World::new(Major::V18, TABLE), crate::world::plain(40));
    world.fill(NEW, &plain);
    let right = std::mem::replace(&mut world.target.keys, crate::world::keys(OTHER, NEW));
    world.run(&small()).unwrap();
    let error = world.rollback(&small()).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongKey, "{}", error.chain());
    same(&world.opened(NEW), &plain, "plaintexts");
    world.target.keys = right;
    world.run_to_the_end(&small());
    world.finalize(&small()).unwrap();
}
