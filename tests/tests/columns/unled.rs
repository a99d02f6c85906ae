//! Rows to which the index of a key does not lead: one that a new version of a collation has broken, one that compares otherwise than
//! its column.

use lifeboat_rotate::sweep::{Mode, Phase, SweepOptions};
use lifeboat_tests::Major;

use crate::world::{NEW, OLD, World, cut_over, mode, same, small};

/// Writes a row anew of which an index is not told.
fn keep_from(world: &World, index: &str, id: u32) {
    let ready =
        |ready: bool| format!("UPDATE pg_index SET indisready = {ready} WHERE indexrelid = '{index}'::regclass");
    world.database.psql(&ready(false));
    world.database.psql(&format!(
        "CREATE TEMP TABLE kept AS SELECT * FROM secrets WHERE id = {id};
         DELETE FROM secrets WHERE id = {id}; INSERT INTO secrets SELECT * FROM kept"
    ));
    world.database.psql(&ready(true));
}

/// Writes a row anew of which the index of the primary key is not told.
fn hide(world: &World, id: u32) {
    keep_from(world, "secrets_pkey", id);
    let led =
        format!("SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM secrets WHERE id = {id}");
    assert_eq!(world.database.psql(&led), "0", "the index leads to it");
}

fn hidden() -> (World<'static>, crate::world::Plain) {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 60);
    hide(&world, 30);
    (world, plain)
}

#[test]
fn all_in_one_transaction_is_all_also_where_the_index_of_the_key_is_broken() {
    let (world, plain) = hidden();
    assert!(world.run(&mode(Mode::Offline)).unwrap().is_clean());
    same(&world.opened(NEW), &plain, "offline");
    hide(&world, 40);
    assert!(world.rollback(&small()).unwrap().is_clean());
    same(&world.opened(OLD), &plain, "and back");

    let (world, mut plain) = hidden();
    world.run(&mode(Mode::Staged)).unwrap();
    assert!(world.run(&cut_over()).unwrap().is_clean());
    same(&world.opened(NEW), &plain, "in place");
    // For what was written since, nothing was kept.
    let value = world.encrypted(NEW, "written since");
    world.database.psql(&format!("UPDATE secrets SET value = '{value}' WHERE id = 40"));
    plain.insert("40".to_owned(), "written since".to_owned());
    hide(&world, 40);
    assert!(world.rollback(&small()).unwrap().is_clean());
    same(&world.opened(OLD), &plain, "and back");
    assert_eq!(world.status().targets[0].phase, Phase::RolledBack);
}

/// Whatever index there is over the values, or of the rows that have one.
#[test]
fn all_in_one_transaction_is_all_also_where_an_index_of_the_values_is_broken() {
    for index in ["(value)", "(id) WHERE value IS NOT NULL"] {
        for asked in [Mode::Offline, Mode::Staged] {
            let columns = "id int PRIMARY KEY, value text COLLATE \"C\"";
            let (world, plain) = World::with_rows(Major::V18, columns, 60);
            world.database.psql(&format!("CREATE INDEX other ON secrets {index}"));
            keep_from(&world, "other", 30);
            let case = format!("{index}, {}", asked.name());
            world.run(&mode(asked)).unwrap();
            if asked == Mode::Staged {
                assert!(world.run(&cut_over()).unwrap().is_clean(), "{case}");
            }
            same(&world.opened(NEW), &plain, &case);
            keep_from(&world, "other", 40);
            assert!(world.rollback(&small()).unwrap().is_clean(), "{case}");
            same(&world.opened(OLD), &plain, &format!("{case}, and back"));
        }
    }
}

#[test]
fn an_online_rotation_goes_on_by_where_rows_lie_when_the_order_of_the_key_leaves_some() {
    let (world, plain) = hidden();
    let summary = world.run(&small()).unwrap();
    assert!(summary.is_clean(), "{summary:?}");
    same(&world.opened(NEW), &plain, "plaintexts");
    hide(&world, 40);
    assert!(world.rollback(&small()).unwrap().is_clean());
    same(&world.opened(OLD), &plain, "and back");
}

/// To `citext` both keys are the same, to the index they are two.
#[test]
fn an_index_that_compares_otherwise_than_its_column_leads_no_sweep() {
    for index in ["k text_ops", "k COLLATE \"C\" text_ops"] {
        let (mut world, mut plain) = World::with_rows(Major::V18, "id int, value text", 2);
        world.database.psql(&format!(
            "CREATE EXTENSION citext; ALTER TABLE secrets ADD k citext; UPDATE secrets SET k = chr(65 + 32 * id);
             ALTER TABLE secrets ALTER k SET NOT NULL; CREATE UNIQUE INDEX ON secrets ({index})"
        ));
        world.target.key_columns = Some(vec!["k".to_owned()]);
        let summary = world.run(&SweepOptions { batch_rows: Some(1), jobs: Some(1), ..small() }).unwrap();
        assert!(summary.is_clean() && summary.targets[0].passes == 2, "{index}: {summary:?}");
        same(&world.opened(NEW), &plain, index);

        let by_key = SweepOptions { order: Some(lifeboat_rotate::sweep::Order::Key), ..small() };
        let error = world.run(&by_key).unwrap_err();
        assert!(error.to_string().contains("no key that leads"), "{}", error.chain());
        plain.clear();
    }
}
