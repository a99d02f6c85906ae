//! A server that crashes in the middle of a sweep: workers do not wait for the disk, so that it loses what they committed last.

use std::time::Duration;

use lifeboat_rotate::sweep::{Limits, SweepOptions};
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::session::wait_for;
use lifeboat_tests::{Major, Postgres};

use crate::world::{NEW, OLD, World, plain, same, small};

#[test]
fn what_a_crash_undoes_of_a_batch_it_undoes_of_its_checkpoint() {
    // What is not waited for stays in memory for long.
    let settings = vec![("wal_writer_delay", "10s".to_owned()), ("restart_after_crash", "on".to_owned())];
    let server = Postgres::start(Major::V15, &Options { settings, ..Options::default() });
    let world = World::on(&server, "id int PRIMARY KEY, value text");
    let plain = plain(4000);
    world.fill(OLD, &plain);
    let limits = Limits { pause: Duration::from_millis(20), ..Limits::default() };
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
