//! A trigger keeps in another table what a row was: that is under the key that the rotation leaves.

use lifeboat_core::Kind;
use lifeboat_rotate::sweep::{self, Mode, SweepOptions};
use lifeboat_tests::session::Held;
use lifeboat_tests::{Major, run};

use crate::world::{NEW, OLD, World, job, mode, same, small, target};

/// Keeps what a row was.
const KEPT: &str = "
CREATE FUNCTION kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO public.history VALUES (OLD.id, OLD.value); RETURN NULL; END $$;
CREATE TRIGGER kept AFTER UPDATE ON secrets FOR EACH ROW EXECUTE FUNCTION kept()";

/// The second table has nothing when its turn comes, and what the first one's rows were behind it.
#[test]
fn one_transaction_sees_what_a_trigger_puts_into_a_table_that_had_nothing() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 20);
    world.database.psql(&format!("CREATE TABLE history (id int PRIMARY KEY, value text); {KEPT}"));
    let targets = [target("history", "value"), world.target.clone()];
    let error = run(sweep::run(&world.settings(), &targets, &mode(Mode::Offline), &job())).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{}", error.chain());
    assert!(error.chain().contains("20 more do not than before"), "{}", error.chain());
    same(&world.opened(OLD), &plain, "plaintexts");
    assert_eq!(world.database.psql("SELECT count(*) FROM history"), "0");
}

#[test]
fn no_rollback_is_over_while_a_trigger_has_filled_a_table_that_was_swept_before() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 20);
    world.database.psql("CREATE TABLE history (id int PRIMARY KEY, value text)");
    let targets = [target("history", "value"), world.target.clone()];
    assert!(run(sweep::run(&world.settings(), &targets, &small(), &job())).unwrap().is_clean());
    world.database.psql(KEPT);
    let back = || run(sweep::rollback(&world.settings(), &targets, &small(), &job())).unwrap();
    let summary = back();
    assert!(!summary.is_clean() && summary.targets[0].left == 20, "it holds values under the new key: {summary:?}");
    assert!(back().is_clean());
    same(&world.opened(OLD), &plain, "plaintexts");
    world.database.psql("DROP TRIGGER kept ON secrets; DELETE FROM secrets; INSERT INTO secrets TABLE history");
    same(&world.opened(OLD), &plain, "what the trigger kept");
}

/// What the sweep's own transactions wrote is not opened again, and this is not what it wrote.
#[test]
fn what_a_trigger_of_one_child_keeps_in_another_is_not_taken_for_rewritten() {
    let world = World::new(Major::V18, "id int, value text");
    world.database.psql("CREATE TABLE history () INHERITS (secrets); CREATE TABLE live () INHERITS (secrets)");
    for id in 0..20 {
        world.database.psql(&format!("INSERT INTO live VALUES ({id}, '{}')", world.encrypted(OLD, "a plaintext")));
    }
    let options = SweepOptions { jobs: Some(1), ..small() };
    world.run_to_the_end(&options);
    world.database.psql(&KEPT.replace("ON secrets", "ON live"));
    assert!(world.rollback(&options).unwrap().is_clean());
    assert_eq!(world.database.psql("SELECT count(*) FROM history"), "20");
    assert_eq!(world.opened(NEW).len(), 0, "it is over, and the new key may go");
}

/// What is written behind the look that ended the other table's way back nobody would take back.
#[test]
fn no_rollback_of_one_table_is_over_while_a_trigger_of_another_has_rows_to_come() {
    for history_is_first in [true, false] {
        let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 20);
        world.database.psql("CREATE TABLE history (id int PRIMARY KEY, value text)");
        let mut targets = [target("history", "value"), world.target.clone()];
        if !history_is_first {
            targets.reverse();
        }
        assert!(run(sweep::run(&world.settings(), &targets, &small(), &job())).unwrap().is_clean());
        world.database.psql(KEPT);
        let back = || run(sweep::rollback(&world.settings(), &targets, &small(), &job())).unwrap();
        let held = Held::new(&world.database, "BEGIN; SELECT 1 FROM secrets WHERE id = 7 FOR UPDATE");
        let summary = back();
        assert!(summary.targets.iter().all(|target| !target.complete), "{summary:?}");
        held.release();
        let clean = (0..3).find(|_| back().is_clean());
        assert!(clean.is_some(), "the same command ends it");
        world.database.psql("DROP TRIGGER kept ON secrets; DELETE FROM secrets; INSERT INTO secrets TABLE history");
        same(&world.opened(OLD), &plain, "what the trigger kept");
    }
}
