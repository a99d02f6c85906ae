//! What a rotation does not begin with, and says what to do about.

use lifeboat_core::Kind;
use lifeboat_rotate::sweep::{Mode, SweepOptions};
use lifeboat_tests::{Major, run};

use crate::world::{NEW, OLD, OTHER, World, job, keys, mode, same, small};

const TABLE: &str = "id int PRIMARY KEY, value text";

fn nothing_was_begun(world: &World) {
    let begun = "SELECT CASE WHEN to_regclass('lifeboat_rotate.rotation') IS NULL THEN 0 ELSE 1 END";
    assert_eq!(world.database.psql(begun), "0");
}

#[test]
fn one_key_for_both_is_refused() {
    let (mut world, plain) = World::with_rows(Major::V18, TABLE, 10);
    world.target.keys = keys(OLD, OLD);
    assert!(world.run(&small()).unwrap_err().chain().contains("old and new key are the same"));
    same(&world.opened(OLD), &plain, "plaintexts");
    nothing_was_begun(&world);
}

#[test]
fn two_layouts_of_one_column_are_refused_before_anything_is_begun() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 10);
    let mut other = world.target.clone();
    other.layout = "base64(iv ct tag)".parse().unwrap();
    let targets = [world.target.clone(), other];
    let error = run(lifeboat_rotate::sweep::run(&world.settings(), &targets, &small(), &job())).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage, "{}", error.chain());
    same(&world.opened(OLD), &plain, "plaintexts");
    nothing_was_begun(&world);
}

#[test]
fn a_new_key_that_was_not_confirmed_is_refused() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 10);
    let expected = vec!["0123456789abcdef".to_owned()];
    let error = world.run(&SweepOptions { expected_new: expected, ..small() }).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongKey);
    assert!(error.to_string().contains("0123456789abcdef was confirmed"), "{error}");
    same(&world.opened(OLD), &plain, "plaintexts");
}

#[test]
fn another_new_key_at_resume_is_refused_and_the_expected_one_named() {
    let (mut world, _) = World::with_rows(Major::V18, TABLE, 300);
    world.run(&SweepOptions { max_passes: 1, ..small() }).unwrap();
    let before = world.opened(NEW);
    let expected = world.target.keyring().unwrap().primary().fingerprint().to_owned();
    for (old, new, which) in [(OLD, OTHER, "new"), (NEW, OTHER, "new")] {
        world.target.keys = keys(old, new);
        let error = world.run(&small()).unwrap_err();
        assert_eq!(error.kind(), Kind::WrongKey);
        assert!(error.to_string().contains(&format!("its {which} key is {expected}")), "{error}");
    }
    world.target.keys = keys(OTHER, NEW);
    assert!(world.run(&small()).unwrap_err().to_string().contains("its old key is"));
    world.target.keys = keys(OLD, NEW);
    assert_eq!(world.run(&mode(Mode::Offline)).unwrap_err().kind(), Kind::Policy, "another mode");
    assert_eq!(world.opened(NEW), before);
}

#[test]
fn a_book_of_another_format_is_neither_read_nor_written() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 10);
    world.run(&SweepOptions { dry_run: false, max_passes: 1, ..small() }).unwrap();
    world.database.psql("UPDATE lifeboat_rotate.format SET format = 2");
    let book = "SELECT string_agg(r::text, ' ') FROM lifeboat_rotate.rotation r";
    let before = world.database.psql(book);
    let (settings, job) = (world.settings(), job());
    let errors = [
        world.run(&small()).unwrap_err(),
        world.rollback(&small()).unwrap_err(),
        world.finalize(&small()).unwrap_err(),
        run(lifeboat_rotate::sweep::status(&settings, &job)).unwrap_err(),
        run(lifeboat_rotate::sweep::plan(&settings, world.targets(), &small(), &job)).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
        assert!(error.chain().contains("which has the format 2"), "{}", error.chain());
    }
    assert_eq!(world.database.psql(book), before);
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn a_column_that_is_too_short_for_the_new_keys_id_is_refused() {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, value varchar(80)");
    world.target.layout = "kid \":\" base64(iv tag ct)".parse().unwrap();
    let with_id = |id: &str, secret: &str| {
        let mut source = crate::world::source(secret);
        source.id = Some(id.to_owned());
        source
    };
    let pair = |new: &str| lifeboat_rotate::sweep::KeyPair { old: with_id("k1", OLD), new: with_id(new, NEW) };
    world.target.keys = std::sync::Arc::new(pair("k2026-november-the-twenty-second"));
    let keyring =
        lifeboat_rotate::Keyring::new(world.target.layout.clone(), world.target.keys.old.derive().unwrap()).unwrap();
    let value = keyring.encrypt(b"0123456789", b"").unwrap();
    world.database.psql(&format!("INSERT INTO secrets VALUES (1, '{}')", value.text().unwrap()));
    world.database.psql("CREATE DOMAIN short AS varchar(81); CREATE DOMAIN shorter AS short");
    for (of, takes) in [("varchar(80)", 80), ("shorter", 81), ("name", 63)] {
        world.database.psql(&format!("ALTER TABLE secrets ALTER value TYPE {of}"));
        let error = world.run(&small()).unwrap_err();
        assert_eq!(error.kind(), Kind::Policy, "{of}");
        let expected = format!("value of public.secrets takes {takes} characters");
        assert!(error.help().unwrap().contains(&expected), "{of}: {:?}", error.help());
    }
    assert_eq!(world.database.psql("SELECT value FROM secrets"), value.text().unwrap());
    world.target.keys = std::sync::Arc::new(pair("k2"));
    world.run_to_the_end(&small());
}

/// The longest value may be one that the rotation itself made longer.
#[test]
fn a_rotation_goes_on_and_back_though_its_own_values_have_filled_the_column() {
    let mut world = World::new(Major::V18, "id int PRIMARY KEY, value text");
    world.target.layout = "kid \":\" base64(iv tag ct)".parse().unwrap();
    let with_id = |id: &str, secret: &str| {
        let mut source = crate::world::source(secret);
        source.id = Some(id.to_owned());
        source
    };
    world.target.keys =
        std::sync::Arc::new(lifeboat_rotate::sweep::KeyPair { old: with_id("k1", OLD), new: with_id("k-26", NEW) });
    let keyring =
        lifeboat_rotate::Keyring::new(world.target.layout.clone(), world.target.keys.old.derive().unwrap()).unwrap();
    let insert = |ids: std::ops::Range<u32>| {
        for id in ids {
            let value = keyring.encrypt(b"0123456789", b"").unwrap();
            world.database.psql(&format!("INSERT INTO secrets VALUES ({id}, '{}')", value.text().unwrap()));
        }
    };
    insert(0..20);
    let width = 2 + world.database.psql("SELECT max(length(value)) FROM secrets").parse::<u32>().unwrap();
    world.database.psql(&format!("ALTER TABLE secrets ALTER value TYPE varchar({width})"));
    assert!(world.run(&small()).unwrap().is_clean());
    insert(20..30);
    assert!(world.plan().refusals().next().is_none(), "{:?}", world.plan());
    let summary = world.run(&small()).unwrap();
    assert!(summary.is_clean() && summary.targets[0].written == 10, "{summary:?}");
    assert!(world.rollback(&small()).unwrap().is_clean());
    assert_eq!(world.database.psql("SELECT count(*) FROM secrets WHERE value LIKE 'k1:%'"), "30");
}

#[test]
fn views_unknown_names_and_other_types_are_refused() {
    let (mut world, _) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text, number int", 10);
    world.database.psql("CREATE VIEW seen AS SELECT * FROM secrets");
    let mut refused = |table: &str, column: &str, kind: Kind| {
        world.target.table = table.parse().unwrap();
        world.target.column = Some(column.to_owned());
        assert_eq!(world.run(&small()).unwrap_err().kind(), kind, "{table}.{column}");
    };
    refused("seen", "value", Kind::Policy);
    refused("nowhere", "value", Kind::NotFound);
    refused("secrets", "nothing", Kind::NotFound);
    refused("secrets", "number", Kind::Policy);
    world.target.column = Some("value".to_owned());
    world.database.psql("ALTER TABLE secrets RENAME TO \"Secrets\"");
    world.target.table = "Secrets".parse().unwrap();
    let error = world.run(&small()).unwrap_err();
    assert!(error.help().unwrap().contains("there is public.\"Secrets\": write it so"), "{}", error.chain());
    world.target.table = "\"Secrets\"".parse().unwrap();
    world.target.key_columns = Some(vec!["number".to_owned()]);
    assert_eq!(world.run(&small()).unwrap_err().kind(), Kind::Policy, "number is no key");
}

#[test]
fn a_trigger_that_changes_or_drops_what_is_written_is_found_out() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 30);
    world.database.psql(
        "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.value := lower(NEW.value); RETURN NEW; END';
         CREATE TRIGGER other BEFORE UPDATE ON secrets FOR EACH ROW EXECUTE FUNCTION other()",
    );
    assert!(world.plan().targets[0].triggers[0].before);
    let error = world.run(&small()).unwrap_err();
    assert!(error.chain().contains("a trigger changes what is written"), "{}", error.chain());
    same(&world.opened(OLD), &plain, "plaintexts");
    world
        .database
        .psql("CREATE OR REPLACE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
    let summary = world.run(&SweepOptions { max_passes: 2, ..small() }).unwrap();
    assert!(!summary.is_clean() && summary.targets[0].overtaken > 0, "{summary:?}");
    same(&world.opened(OLD), &plain, "plaintexts");
    world
        .database
        .psql("CREATE OR REPLACE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'");
    world.run_to_the_end(&small());
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn a_rule_that_rewrites_updates_is_refused_in_every_mode_and_on_the_way_back() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 10);
    world.database.psql("CREATE TABLE history (id int, value text)");
    let kept = "CREATE RULE kept AS ON UPDATE TO secrets DO ALSO INSERT INTO history VALUES (OLD.id, OLD.value)";
    let dropped = "CREATE RULE kept AS ON UPDATE TO secrets WHERE OLD.id = 3 DO INSTEAD NOTHING";
    let expected = "ALTER TABLE public.secrets DISABLE RULE \"kept\"";
    for rule in [kept, dropped] {
        world.database.psql(rule);
        for asked in [Mode::Online, Mode::Staged, Mode::Offline] {
            let error = world.run(&mode(asked)).unwrap_err();
            assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
            assert!(error.help().unwrap().contains(expected), "{:?}", error.help());
        }
        assert!(world.plan().refusals().any(|refusal| refusal.contains(expected)));
        nothing_was_begun(&world);
        world.database.psql("DROP RULE kept ON secrets");
    }
    world.database.psql(&format!("{kept}; {expected}"));
    world.run_to_the_end(&mode(Mode::Offline));
    world.database.psql("ALTER TABLE secrets ENABLE RULE kept");
    let error = world.rollback(&small()).unwrap_err();
    assert!(error.help().unwrap().contains(expected), "{}", error.chain());
    same(&world.opened(NEW), &plain, "nothing was taken back");
    world.database.psql(expected);
    assert!(world.rollback(&small()).unwrap().is_clean());
    assert_eq!(world.database.psql("SELECT count(*) FROM history"), "0");
}

#[test]
fn a_table_whose_rows_lie_partly_elsewhere_is_refused() {
    let (world, _) = World::with_rows(Major::V18, TABLE, 10);
    world.database.psql(
        "ALTER TABLE secrets RENAME TO here; CREATE TABLE secrets (id int, value text) PARTITION BY RANGE (id);
         ALTER TABLE here ALTER id TYPE int; ALTER TABLE secrets ATTACH PARTITION here FOR VALUES FROM (0) TO (1000);
         CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER far FOREIGN DATA WRAPPER nothing;
         CREATE FOREIGN TABLE there PARTITION OF secrets FOR VALUES FROM (1000) TO (2000) SERVER far",
    );
    let error = world.run(&small()).unwrap_err();
    assert!(error.help().unwrap().contains("public.there belongs to the table"), "{}", error.chain());
    let plan = world.plan();
    assert!(plan.refusals().any(|refusal| refusal.contains("public.there")), "{plan:?}");
    nothing_was_begun(&world);
}

#[test]
fn a_value_never_names_its_own_row() {
    let (mut world, plain) = World::with_rows(Major::V18, "id int, value text NOT NULL UNIQUE", 30);
    world.database.psql("INSERT INTO secrets VALUES (100, 'typed')");
    let summary = world.run(&small()).unwrap();
    let shown = serde_json::to_string(&summary).unwrap();
    assert!(summary.targets[0].failures.total == 1 && !shown.contains("typed"), "{shown}");
    same(&world.opened(NEW), &plain, "plaintexts");
    world.target.key_columns = Some(vec!["value".to_owned()]);
    let error = world.run(&small()).unwrap_err();
    assert!(error.to_string().contains("which is the value"), "{}", error.chain());
}

#[test]
fn a_generated_column_and_a_published_table_whose_rows_have_no_identity_are_refused() {
    let refused = |world: &World, expected: &str| {
        let error = world.run(&small()).unwrap_err();
        assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
        assert!(error.help().unwrap().contains(expected), "{:?}", error.help());
        let plan = world.plan();
        assert!(plan.refusals().any(|refusal| refusal.contains(expected)), "{plan:?}");
        nothing_was_begun(world);
    };
    let stored = "id int PRIMARY KEY, typed text, value text GENERATED ALWAYS AS (typed) STORED";
    let world = World::new(Major::V18, stored);
    world.database.psql(&format!("INSERT INTO secrets (id, typed) VALUES (1, '{}')", world.encrypted(OLD, "a")));
    refused(&world, "value of public.secrets is generated: rotate the column that it is made of");

    let (world, plain) = World::with_rows(Major::V15, "id int NOT NULL, value text", 10);
    world.database.psql("CREATE PUBLICATION inserts FOR TABLE secrets WITH (publish = 'insert')");
    assert_eq!(world.plan().refusals().count(), 0, "updates are not published");
    world.database.psql("CREATE PUBLICATION everything FOR TABLE secrets");
    refused(&world, "ALTER TABLE public.secrets REPLICA IDENTITY FULL");
    world.database.psql("ALTER TABLE secrets REPLICA IDENTITY FULL");
    world.run_to_the_end(&small());
    same(&world.opened(NEW), &plain, "plaintexts");
}
