//! Other sessions in the way: rows that are held, changed or deleted between reading and writing, deadlocks.

use std::time::Duration;

use lifeboat_rotate::sweep::{Limits, Mode, SweepOptions};
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
    // The sweep has row 0 and lingers; somebody has row 1 and asks for row 0; then the sweep asks for row 1, and is the one who finds out.
    world.database.psql(&format!(
        "ALTER TABLE secrets ADD touched int DEFAULT 0; ALTER DATABASE \"{}\" SET deadlock_timeout = '10ms';
         CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$;
         CREATE TRIGGER linger BEFORE UPDATE OF value ON secrets FOR EACH ROW WHEN (OLD.id = 0) EXECUTE FUNCTION linger()",
        world.database.name
    ));
    let lingers = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lifeboat/rotate' AND wait_event = 'PgSleep'";
    let crossing = format!(
        "SET deadlock_timeout = '20s'; SET statement_timeout = '60s'; SET application_name = 'crossing'; DO $$ BEGIN
             UPDATE secrets SET touched = 1 WHERE id = 1;
             WHILE NOT EXISTS ({lingers}) LOOP PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); END LOOP;
             UPDATE secrets SET touched = 1 WHERE id = 0; END $$"
    );
    let busy = Busy::new(&world.database, &crossing);
    let has_a_row = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'crossing' AND wait_event = 'PgSleep'";
    wait_for(&world.database, has_a_row);
    world.run_to_the_end(&patient());
    assert!(busy.ends_well(), "the sweep gave way");
    wait_for(&world.database, "SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = current_database()");
    same(&world.opened(NEW), &plain, "plaintexts");
    assert_eq!(world.database.psql("SELECT sum(touched) FROM secrets"), "2");
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
        assert!(error.help().unwrap().contains("pg_terminate_backend"), "{:?}", error.help());
        assert!(world.status().running);
        held.release();
        assert!(sweep.join().unwrap().is_clean());
    });
    assert!(!world.status().running);
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn a_trigger_that_touches_other_rows_does_not_undo_what_is_one_transaction() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 300);
    world.database.psql(
        "ALTER TABLE secrets ADD touched int DEFAULT 0;
         CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             UPDATE public.secrets SET touched = touched + 1 WHERE id = NEW.id + 150; RETURN NULL; END $$;
         CREATE TRIGGER touch AFTER UPDATE ON secrets FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION touch()",
    );
    let offline = SweepOptions { mode: Some(Mode::Offline), ..small() };
    let summary = world.run(&offline).unwrap();
    assert!(summary.is_clean() && summary.targets[0].counts.rotated == 300, "{summary:?}");
    same(&world.opened(NEW), &plain, "plaintexts");
    assert_eq!(world.database.psql("SELECT sum(touched) FROM secrets"), "150");
}
