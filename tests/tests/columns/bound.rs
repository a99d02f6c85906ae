//! Values that are bound to something which the rotation's own writing changes: they would open no more.

use lifeboat_core::{Error, Kind, Result};
use lifeboat_rotate::sweep::{self, Declared, Mode, Phase, Summary, SweepOptions, Target};
use lifeboat_tests::{Major, run};

use crate::world::{NEW, OLD, OTHER, World, cut_over, encrypted, job, keyring, keys, mode, small, target};

/// Counts the writes of a row, as `updated_at` tells their time.
const COUNTED: &str = "
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.version := OLD.version + 1; RETURN NEW; END $$;
CREATE TRIGGER counted BEFORE UPDATE ON secrets FOR EACH ROW EXECUTE FUNCTION counted()";

/// The same afterwards: when the row was written, or when that is to be committed.
const COUNTED_AFTERWARDS: [&str; 2] = [
    "CREATE TRIGGER counted AFTER UPDATE OF value ON secrets FOR EACH ROW",
    "CREATE CONSTRAINT TRIGGER counted AFTER UPDATE OF value ON secrets DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
];
const COUNTS: &str = "
CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE public.secrets SET version = version + 1 WHERE id = NEW.id; RETURN NULL; END $$";

/// Values that are bound to their rows' versions.
fn versioned() -> World<'static> {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, value text, version int DEFAULT 1");
    world.target.aad = "{id}:{version}".parse().unwrap();
    for id in 0..20 {
        insert(&world, id, OLD);
    }
    world
}

fn insert(world: &World, id: u32, secret: &str) {
    let value = keyring(&world.target, secret).encrypt(b"bound", format!("{id}:1").as_bytes()).unwrap();
    world.database.psql(&format!("INSERT INTO secrets VALUES ({id}, '{}')", value.text().unwrap()));
}

/// It is refused, and everything is as it was.
fn refused(world: &World, case: &str, deed: impl Fn() -> Result<Summary>) -> Error {
    let before = contents(world);
    let error = deed().unwrap_err();
    assert!(error.help().unwrap().contains("nothing was changed"), "{case}: {}", error.chain());
    assert_eq!(contents(world), before, "{case}");
    error
}

#[test]
fn one_transaction_sees_what_a_trigger_does_after_its_rows_were_written() {
    for trigger in COUNTED_AFTERWARDS {
        let world = versioned();
        let counts = format!("{trigger} EXECUTE FUNCTION counted()");
        world.database.psql(&format!("{COUNTS}; {counts}"));
        let error = refused(&world, trigger, || world.run(&mode(Mode::Offline)));
        assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
        assert!(error.chain().contains("of 20 values 0 open afterwards"), "{}", error.chain());
        world.database.psql("DROP TRIGGER counted ON secrets");
        world.run_to_the_end(&mode(Mode::Offline));
        world.database.psql(&counts);
        refused(&world, trigger, || world.rollback(&small()));
        world.database.psql("DROP TRIGGER counted ON secrets");
        assert!(world.rollback(&small()).unwrap().is_clean());
    }
}

#[test]
fn what_is_put_in_place_or_back_is_what_stays_there() {
    for trigger in COUNTED_AFTERWARDS {
        let world = versioned();
        world.database.psql(COUNTS);
        assert!(world.run(&mode(Mode::Staged)).unwrap().is_clean());
        let counts = format!("{trigger} WHEN (NEW.id = 100) EXECUTE FUNCTION counted()");
        world.database.psql(&counts.replace("100", "7"));
        let error = refused(&world, trigger, || world.run(&cut_over()));
        assert_eq!(error.kind(), Kind::Integrity, "{}", error.chain());
        world.database.psql("DROP TRIGGER counted ON secrets");
        assert!(world.run(&cut_over()).unwrap().is_clean());
        // Of what the application has written since, nothing was kept.
        insert(&world, 100, NEW);
        world.database.psql(&counts);
        let error = refused(&world, trigger, || world.rollback(&small()));
        assert!(error.chain().contains("of 21 values 20 open afterwards"), "{}", error.chain());
        world.database.psql("DROP TRIGGER counted ON secrets");
        assert!(world.rollback(&small()).unwrap().is_clean());
    }
}

fn contents(world: &World) -> String {
    world.database.psql("SELECT string_agg(t::text, ' ' ORDER BY id) FROM secrets t")
}

#[test]
fn values_that_are_bound_to_what_a_trigger_changes_stay_as_they_are_in_every_mode() {
    let world = versioned();
    world.database.psql(COUNTED);
    let before = contents(&world);
    for options in [mode(Mode::Online), mode(Mode::Offline)] {
        let error = world.run(&options).unwrap_err();
        assert!(error.chain().contains("changes what is written, or a column of the AAD"), "{}", error.chain());
        assert_eq!(contents(&world), before, "{:?}", options.mode);
        world.rollback(&small()).unwrap();
    }
    assert!(world.run(&mode(Mode::Staged)).unwrap().is_clean());
    let error = world.run(&cut_over()).unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity, "{}", error.chain());
    assert_eq!(contents(&world), before, "staged");
}

#[test]
fn a_plan_names_triggers_that_change_afterwards_what_values_are_bound_to() {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, value text, version int DEFAULT 1");
    world.database.psql(&format!("INSERT INTO secrets VALUES (1, '{}', 1)", plain_value(&world)));
    world.database.psql(
        "CREATE FUNCTION after() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER after AFTER UPDATE ON secrets FOR EACH ROW EXECUTE FUNCTION after()",
    );
    let told = |world: &World| world.plan().targets[0].remarks.join("\n");
    let fires = "the trigger after of public.secrets fires for every row that is written";
    assert!(told(&world).contains(fires) && !told(&world).contains("AAD"), "{}", told(&world));
    world.target.aad = "{id}:{version}".parse().unwrap();
    let names = "make sure that it does not change id and version, which the AAD is made of";
    assert!(told(&world).contains(names), "{}", told(&world));
}

#[test]
fn values_that_are_bound_to_what_is_written_with_them_are_refused() {
    for (aad, layout) in [
        ("{key_id}", "columns{value: base64(iv tag ct), key_id: kid}"),
        ("{id}/{nonce}", "columns{value: base64(ct tag), nonce: hex(iv)}"),
    ] {
        let mut world = World::new(Major::V18, "id int PRIMARY KEY, value text, key_id text, nonce text");
        world.database.psql(&format!("INSERT INTO secrets VALUES (1, '{}', 'k1', '00')", plain_value(&world)));
        world.target.column = None;
        world.target.layout = layout.parse().unwrap();
        world.target.aad = aad.parse().unwrap();
        let mut keys = (*world.target.keys).clone();
        if world.target.layout.has_key_id() {
            (keys.old.id, keys.new.id) = (Some("k1".to_owned()), Some("k2".to_owned()));
        }
        world.target.keys = std::sync::Arc::new(keys);
        let before = contents(&world);
        for asked in [Mode::Online, Mode::Staged, Mode::Offline] {
            let error = world.run(&mode(asked)).unwrap_err();
            assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
            assert!(error.help().unwrap().contains("which the rotation itself rewrites"), "{:?}", error.help());
        }
        assert!(world.plan().refusals().any(|refusal| refusal.contains(&format!("the AAD {aad} is made of"))));
        assert_eq!(contents(&world), before, "{aad}");
    }
}

/// Two columns, the second of which is bound to what the first one holds.
fn chained() -> (World<'static>, [Target; 2]) {
    let world = World::new(Major::V18, "id int PRIMARY KEY, value text, body text");
    let mut body = target("secrets", "body");
    body.aad = "{value}".parse().unwrap();
    for id in 0..20 {
        let value = plain_value(&world);
        let bound = keyring(&body, OLD).encrypt(b"bound", value.as_bytes()).unwrap();
        world.database.psql(&format!("INSERT INTO secrets VALUES ({id}, '{value}', '{}')", bound.text().unwrap()));
    }
    let value = world.target.clone();
    (world, [value, body])
}

fn refused_as_bound(world: &World, targets: &[Target], asked: Mode) {
    let before = contents(world);
    let error = run(sweep::run(&world.settings(), targets, &mode(asked), &job())).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    let why =
        "the AAD {value} of public.secrets.body is made of value, which the rotation of public.secrets.value rewrites";
    assert!(error.chain().contains(why), "{}", error.chain());
    let plan = run(sweep::plan(&world.settings(), targets, &mode(asked), &job())).unwrap();
    assert!(plan.refusals().any(|refusal| refusal.contains(why)), "{plan:?}");
    assert_eq!(contents(world), before, "{asked:?}");
}

#[test]
fn values_that_are_bound_to_what_another_rotation_writes_are_refused() {
    let (world, [value, body]) = chained();
    for targets in [[value.clone(), body.clone()], [body, value]] {
        for asked in [Mode::Online, Mode::Staged, Mode::Offline] {
            refused_as_bound(&world, &targets, asked);
        }
    }
    assert!(world.status().targets.is_empty(), "nothing was begun");
}

#[test]
fn the_book_tells_what_values_are_bound_to_that_were_rotated_before() {
    let (world, [value, body]) = chained();
    let [value, body] = [[value], [body]];
    // What it is bound to, nobody writes.
    assert!(run(sweep::run(&world.settings(), &body, &small(), &job())).unwrap().is_clean());
    refused_as_bound(&world, &value, Mode::Online);
    run(sweep::finalize(&world.settings(), &body, &small(), &job())).unwrap();
    refused_as_bound(&world, &value, Mode::Offline);
    world.database.psql("ALTER TABLE secrets DROP body");
    world.run_to_the_end(&small());
}

#[test]
fn what_values_were_bound_to_does_not_hold_for_ever() {
    let (world, [value, mut body]) = chained();
    let bodies = std::slice::from_ref(&body);
    assert!(run(sweep::run(&world.settings(), bodies, &small(), &job())).unwrap().is_clean());
    run(sweep::finalize(&world.settings(), bodies, &small(), &job())).unwrap();
    // The application writes each anew.
    body.aad = "{id}".parse().unwrap();
    for id in 0..20 {
        let anew = keyring(&body, OLD).encrypt(b"bound", id.to_string().as_bytes()).unwrap();
        world.database.psql(&format!("UPDATE secrets SET body = '{}' WHERE id = {id}", anew.text().unwrap()));
    }
    let error = world.run(&small()).unwrap_err();
    let way_out = "When the AAD of public.secrets.body is another one by now, name both in one command";
    assert!(error.help().unwrap().contains(way_out), "{:?}", error.help());
    assert!(run(sweep::run(&world.settings(), &[value, body], &small(), &job())).unwrap().is_clean());
}

#[test]
fn a_rotation_that_was_taken_back_does_not_hide_what_one_before_it_was_bound_to() {
    let (world, [value, body]) = chained();
    let (value, once, mut again) = ([value], [body.clone()], [body]);
    assert!(run(sweep::run(&world.settings(), &once, &small(), &job())).unwrap().is_clean());
    run(sweep::finalize(&world.settings(), &once, &small(), &job())).unwrap();
    again[0].keys = keys(NEW, OTHER);
    assert!(run(sweep::run(&world.settings(), &again, &small(), &job())).unwrap().is_clean());
    run(sweep::rollback(&world.settings(), &again, &small(), &job())).unwrap();
    assert_eq!(world.status().targets[0].phase, Phase::RolledBack, "it is the newest");
    refused_as_bound(&world, &value, Mode::Online);
}

/// Values that no rotation knows of.
fn declared(body: &Target) -> SweepOptions {
    let Target { table, aad, .. } = body.clone();
    SweepOptions { declared: vec![Declared { table, columns: body.value_columns(), aad }], ..small() }
}

#[test]
fn the_way_back_rewrites_nothing_that_declared_values_are_bound_to() {
    let why = "the AAD {value} of public.secrets.body is made of value, which";
    for asked in [Mode::Online, Mode::Staged, Mode::Offline] {
        let (world, [_, body]) = chained();
        let declared = declared(&body);
        let error = world.run(&declared).unwrap_err();
        assert!(error.kind() == Kind::Policy && error.chain().contains(why), "{}", error.chain());
        assert!(world.run(&mode(asked)).unwrap().is_clean(), "nobody knew");
        if asked == Mode::Staged {
            assert!(world.rollback(&declared).unwrap().is_clean(), "nothing was in place");
            world.run(&mode(asked)).unwrap();
            assert!(world.run(&cut_over()).unwrap().is_clean());
        }
        let error = refused(&world, "declared", || world.rollback(&declared));
        assert!(error.kind() == Kind::Policy && error.chain().contains(why), "{asked:?}: {}", error.chain());
        assert!(world.rollback(&small()).unwrap().is_clean(), "{asked:?}");
    }
}

#[test]
fn a_declared_column_that_is_not_there_stands_in_no_ones_way() {
    let (world, [_, body]) = chained();
    let declared = declared(&body);
    world.database.psql("ALTER TABLE secrets DROP body");
    world.run_to_the_end(&declared);
}

#[test]
fn values_are_not_rotated_while_what_they_are_bound_to_is() {
    let (world, [value, body]) = chained();
    let [value, body] = [[value], [body]];
    assert!(run(sweep::run(&world.settings(), &value, &mode(Mode::Staged), &job())).unwrap().is_clean());
    refused_as_bound(&world, &body, Mode::Online);
    world.rollback(&small()).unwrap();
    assert!(run(sweep::run(&world.settings(), &body, &small(), &job())).unwrap().is_clean());
}

fn plain_value(world: &World) -> String {
    encrypted(&keyring(&world.target, OLD), "bound")
}

/// A role, or a database, may be one for which triggers fire that are for replicas.
#[test]
fn what_fires_on_replicas_only_is_taken_into_account() {
    let world = versioned();
    world.database.psql(&format!(
        "{COUNTS}; {} EXECUTE FUNCTION counted(); ALTER TABLE secrets ENABLE REPLICA TRIGGER counted;
         CREATE RULE kept AS ON UPDATE TO secrets DO INSTEAD NOTHING; ALTER TABLE secrets ENABLE REPLICA RULE kept",
        COUNTED_AFTERWARDS[0]
    ));
    let plan = world.plan();
    assert!(plan.targets[0].triggers.is_empty() && plan.refusals().next().is_none(), "neither fires: {plan:?}");
    let replica = format!("ALTER DATABASE \"{}\" SET session_replication_role = replica", world.database.name);
    world.database.psql(&replica);
    assert!(world.plan().refusals().any(|refusal| refusal.contains("DISABLE RULE \"kept\"")));
    world.database.psql("ALTER TABLE secrets DISABLE RULE kept");
    let error = refused(&world, "for replicas", || world.run(&mode(Mode::Offline)));
    assert!(error.chain().contains("of 20 values 0 open afterwards"), "{}", error.chain());
    world.database.psql("ALTER TABLE secrets DISABLE TRIGGER counted");
    assert!(world.plan().targets[0].triggers.is_empty());
    world.run_to_the_end(&mode(Mode::Offline));
}

#[test]
fn values_that_are_bound_to_what_the_database_makes_of_what_is_written_are_refused() {
    for major in [Major::V15, Major::V18] {
        let made = "digest text GENERATED ALWAYS AS (md5(value)) STORED";
        let mut world = World::new(major, &format!("id int PRIMARY KEY, value text, body text, {made}"));
        let mut body = target("secrets", "body");
        body.aad = "{id}/{digest}".parse().unwrap();
        let value = plain_value(&world);
        let aad = format!("1/{}", world.database.psql(&format!("SELECT md5('{value}')")));
        let bound = keyring(&body, OLD).encrypt(b"bound", aad.as_bytes()).unwrap();
        world.database.psql(&format!("INSERT INTO secrets VALUES (1, '{value}', '{}')", bound.text().unwrap()));
        let before = contents(&world);
        for asked in [Mode::Online, Mode::Staged, Mode::Offline] {
            let both = [world.target.clone(), body.clone()];
            let error = run(sweep::run(&world.settings(), &both, &mode(asked), &job())).unwrap_err();
            let why = "the AAD {id}/{digest} of public.secrets.body is made of digest, which the rotation of public.secrets.value rewrites";
            assert!(error.kind() == Kind::Policy && error.chain().contains(why), "{}", error.chain());
            assert_eq!(contents(&world), before, "{asked:?}");
        }
        assert!(run(sweep::run(&world.settings(), &[body], &small(), &job())).unwrap().is_clean());
        world.target.aad = "{digest}".parse().unwrap();
        let plan = world.plan();
        assert!(plan.refusals().any(|refusal| refusal.contains("which the rotation itself rewrites")), "{plan:?}");
    }
}

#[test]
fn what_was_put_in_place_of_nothing_is_taken_back_also_when_declared_values_are_bound_to_it() {
    let (world, [_, body]) = chained();
    world.database.psql("DELETE FROM secrets");
    assert!(world.run(&mode(Mode::Staged)).unwrap().is_clean());
    assert!(world.run(&cut_over()).unwrap().is_clean());
    assert!(world.rollback(&declared(&body)).unwrap().is_clean());
    assert_eq!(world.status().targets[0].phase, Phase::RolledBack);
}

#[test]
fn what_the_application_wrote_is_not_taken_back_either_when_declared_values_are_bound_to_it() {
    let (world, [_, body]) = chained();
    world.database.psql("CREATE TABLE all_of_it AS TABLE secrets; DELETE FROM secrets");
    assert!(world.run(&small()).unwrap().is_clean(), "it has written nothing");
    let value = world.encrypted(NEW, "written since");
    let bound = keyring(&body, NEW).encrypt(b"bound", value.as_bytes()).unwrap();
    world.database.psql(&format!(
        "INSERT INTO secrets TABLE all_of_it; INSERT INTO secrets VALUES (100, '{value}', '{}')",
        bound.text().unwrap()
    ));
    let error = refused(&world, "under the new key", || world.rollback(&declared(&body)));
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    world.database.psql("DELETE FROM secrets WHERE id = 100");
    assert!(world.rollback(&declared(&body)).unwrap().is_clean(), "nothing is to be taken back");
}
