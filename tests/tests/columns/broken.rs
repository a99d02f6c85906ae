//! Other sessions in the way: rows that are held, changed or deleted between reading and writing, deadlocks.

use std::time::Duration;

use lifeboat_rotate::sweep::{Limits, SweepOptions};
use lifeboat_tests::Major;
use lifeboat_tests::session::{Busy, Held, wait_for};

use crate::world::{NEW, OLD, World, same, small};

const TABLE: &str = "id int PRIMARY KEY, value text";

const SWEEP_WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                           AND application_name = 'lifeboat/rotate' AND wait_event_type = 'Lock'";

fn patient() -> SweepOptions {
    let limits = Limits { lock_timeout: Duration::from_secs(20), ..Limits::default() };
    SweepOptions { limits, jobs: Some(1), ..SweepOptions::default() }
}

#[test]
fn a_value_that_is_changed_between_reading_and_writing_is_not_overwritten() {
    for columns in [TABLE, "id int, value text"] {
        let (world, mut plain) = World::with_rows(Major::V18, columns, 50);
        let value = world.encrypted(OLD, "changed meanwhile");
        let held = Held::new(
            &world.database,
            &format!("BEGIN; UPDATE secrets SET value = '{value}' WHERE id = 7; DELETE FROM secrets WHERE id = 8"),
        );
        let summary = std::thread::scope(|scope| {
            let sweep = scope.spawn(|| world.run(&patient()).unwrap());
            wait_for(&world.database, SWEEP_WAITS);
            held.commit();
            sweep.join().unwrap()
        });
        plain.insert("7".to_owned(), "changed meanwhile".to_owned());
        plain.remove("8");
        assert!(summary.is_clean(), "{columns}: {summary:?}");
        assert_eq!(summary.targets[0].overtaken, 2, "{columns}");
        same(&world.opened(NEW), &plain, columns);
    }
}

#[test]
fn a_row_that_is_held_for_long_does_not_hold_up_the_others() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 60);
    let held = Held::new(&world.database, "BEGIN; SELECT 1 FROM secrets WHERE id = 7 FOR UPDATE");
    let limits = Limits { lock_timeout: Duration::from_millis(50), ..Limits::default() };
    let summary = world.run(&SweepOptions { limits, max_passes: 2, jobs: Some(1), ..small() }).unwrap();
    assert!(!summary.is_clean() && summary.targets[0].held == 1, "{summary:?}");
    assert_eq!(world.opened(NEW).len(), 59);
    held.release();
    world.run_to_the_end(&small());
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn deadlocks_are_survived() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 400);
    world.database.psql("ALTER TABLE secrets ADD touched int DEFAULT 0");
    // Rows in the other direction, two at a time, so that each meets the sweep's batch.
    let touching = "DO $$ BEGIN FOR n IN REVERSE 398..0 LOOP BEGIN
             UPDATE secrets SET touched = 1 WHERE id = n + 1; UPDATE secrets SET touched = 1 WHERE id = n;
             EXCEPTION WHEN deadlock_detected THEN NULL; END; END LOOP; END $$";
    let busy = Busy::new(&world.database, &format!("SET deadlock_timeout = '10ms'; {touching}"));
    world.database.psql(&format!("ALTER DATABASE \"{}\" SET deadlock_timeout = '10ms'", world.database.name));
    let limits = Limits { lock_timeout: Duration::from_secs(20), ..Limits::default() };
    let options = SweepOptions { limits, batch_rows: Some(200), jobs: Some(2), ..SweepOptions::default() };
    world.run_to_the_end(&options);
    assert!(busy.ends_well());
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn serialization_failures_are_survived() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 400);
    world.database.psql(
        "CREATE SEQUENCE turn; CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('public.turn') % 3 = 0 THEN RAISE 'could not serialize access' USING ERRCODE = '40001'; END IF;
             RETURN NULL; END $$;
         CREATE TRIGGER fail AFTER UPDATE ON secrets FOR EACH STATEMENT EXECUTE FUNCTION fail()",
    );
    let database = &world.database.name;
    world.database.psql(&format!("ALTER DATABASE \"{database}\" SET default_transaction_isolation = 'serializable'"));
    let summary = world.run(&SweepOptions { batch_rows: Some(20), ..SweepOptions::default() }).unwrap();
    assert_eq!(summary.targets[0].counts.rotated, 400, "{summary:?}");
    let turns: u32 = world.database.psql("SELECT last_value FROM turn").parse().unwrap();
    assert!(turns > 25, "no statement failed: {turns}");
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn one_run_at_a_time_works_on_a_database() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 50);
    let held = Held::new(&world.database, "BEGIN; SELECT 1 FROM secrets WHERE id = 7 FOR UPDATE");
    std::thread::scope(|scope| {
        let sweep = scope.spawn(|| world.run(&patient()).unwrap());
        wait_for(&world.database, SWEEP_WAITS);
        let limits = Limits { runner: Duration::ZERO, ..Limits::default() };
        let error = world.run(&SweepOptions { limits, ..small() }).unwrap_err();
        assert_eq!(error.kind(), lifeboat_core::Kind::Locked);
        assert!(world.status().running);
        held.release();
        assert!(sweep.join().unwrap().is_clean());
    });
    assert!(!world.status().running);
    same(&world.opened(NEW), &plain, "plaintexts");
}
