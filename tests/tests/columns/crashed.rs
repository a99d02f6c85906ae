//! A server that crashes in the middle of a sweep: workers do not wait for the disk, so that it loses what they committed last.

use std::time::{Duration, Instant};

use lifeboat_rotate::sweep::{Limits, SweepOptions};
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::session::{Held, wait_for};
use lifeboat_tests::{Major, PATIENCE, Postgres};

use crate::world::{NEW, OLD, World, inconsiderate, plain, same, small};

#[test]
fn what_a_crash_undoes_of_a_batch_it_undoes_of_its_checkpoint() {
    // What is not waited for stays in memory for long.
    let settings = vec![("wal_writer_delay", "10s".to_owned()), ("restart_after_crash", "on".to_owned())];
    let server = Postgres::start(Major::V15, &Options { settings, ..Options::default() });
    let world = World::on(&server, "id int PRIMARY KEY, value text");
    let plain = plain(4000);
    world.fill(OLD, &plain);
    let limits = Limits { pause: Duration::from_millis(60), ..inconsiderate() };
    let options = SweepOptions { limits, batch_rows: Some(40), jobs: Some(2), ..SweepOptions::default() };
    let (before, summary) = std::thread::scope(|scope| {
        let sweep = scope.spawn(|| world.run(&options).unwrap());
        wait_for(&world.database, "SELECT to_regclass('lifeboat_rotate.part') IS NOT NULL");
        wait_for(&world.database, "SELECT sum(rotated) > 500 FROM lifeboat_rotate.part");
        let before: u64 = world.database.psql("SELECT sum(rotated) FROM lifeboat_rotate.part").parse().unwrap();
        let worker = "SELECT pid FROM pg_stat_activity WHERE application_name = 'lifeboat/rotate' \
                      AND datname = current_database() ORDER BY backend_start DESC LIMIT 1";
        let worker = world.database.psql(worker);
        let kill = std::process::Command::new("kill").args(["-9", &worker]).status().unwrap();
        assert!(kill.success());
        (before, sweep.join().unwrap())
    });
    eprintln!("crashed after {before} values");
    assert!(summary.is_clean(), "{summary:?}");
    assert!(server.log().contains("database system was not properly shut down"), "it did not crash");
    assert_eq!(summary.targets[0].counts.rotated, 4000, "each is counted once: {summary:?}");
    same(&world.opened(NEW), &plain, "plaintexts");
    assert!(world.verify(&small()).passed());
    world.finalize(&small()).unwrap();
}

/// A crash takes transactions back whose ids it then gives to others: by them nobody is known any more.
#[test]
fn after_a_crash_nothing_that_others_write_is_taken_for_the_sweeps_own() {
    let settings = vec![
        ("wal_writer_delay", "10s".to_owned()),
        ("wal_writer_flush_after", "1GB".to_owned()),
        ("restart_after_crash", "on".to_owned()),
    ];
    let server = Postgres::start(Major::V15, &Options { settings, ..Options::default() });
    let world = World::on(&server, "id int PRIMARY KEY, value text");
    let mut plain = plain(600);
    world.fill(OLD, &plain);
    world.database.psql("CHECKPOINT");
    let limits = Limits { pause: Duration::from_millis(60), lock_timeout: Duration::from_secs(60), ..inconsiderate() };
    let options = SweepOptions { limits, batch_rows: Some(10), jobs: Some(1), ..SweepOptions::default() };
    let value = world.encrypted(OLD, "written after the crash");
    let writes: String =
        (0..200).map(|id| format!("UPDATE secrets SET value = '{value}' WHERE id = {id};\n")).collect();
    let summary = std::thread::scope(|scope| {
        let sweep = scope.spawn(|| world.run(&options).unwrap());
        wait_for(&world.database, "SELECT to_regclass('lifeboat_rotate.part') IS NOT NULL");
        wait_for(&world.database, "SELECT count(*) > 0 FROM lifeboat_rotate.part");
        // The end of the pass waits for this; its batches are not on disk.
        let held = Held::new(&world.database, "BEGIN; SELECT 1 FROM lifeboat_rotate.rotation FOR UPDATE");
        let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'lifeboat/rotate' AND wait_event_type = 'Lock'";
        wait_for(&world.database, waits);
        assert_eq!(world.opened(NEW).len(), 600, "the pass is over");
        let holder = world.database.psql("SELECT pid FROM pg_stat_activity WHERE application_name = 'held'");
        let kill = std::process::Command::new("kill").args(["-9", &holder]).status().unwrap();
        assert!(kill.success());
        drop(held);
        let recovers = Instant::now();
        while !server.log().contains("database system was not properly shut down") {
            assert!(recovers.elapsed() < PATIENCE, "it did not crash");
            std::thread::sleep(Duration::from_millis(5));
        }
        while !server.try_psql(&world.database.name, "SELECT 1").status.success() {
            std::thread::sleep(Duration::from_millis(5));
        }
        // The leader comes back a second after the crash, and has all of its work before it once more.
        assert!(world.database.feed(writes.as_bytes()).status.success());
        sweep.join().unwrap()
    });
    plain.extend((0..200).map(|id| (id.to_string(), "written after the crash".to_owned())));
    assert!(summary.is_clean(), "{summary:?}");
    assert!(summary.targets[0].passes >= 4, "the crash took nothing back: {summary:?}");
    same(&world.opened(NEW), &plain, "a value is under the old key, and the run says it is done");
}
