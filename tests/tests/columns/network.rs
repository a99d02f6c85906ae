//! Connections that are cut while a sweep is at work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lifeboat_rotate::sweep::{self, Limits, SweepOptions};
use lifeboat_tests::relay::Relay;
use lifeboat_tests::servers::pgbouncer::PgBouncer;
use lifeboat_tests::session::wait_for;
use lifeboat_tests::{Major, Postgres, run};

use crate::world::{NEW, OLD, World, inconsiderate, job, same, settings, small};

#[test]
fn a_sweep_outlives_its_connections() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 6000);
    let relay = Relay::to(Postgres::shared(Major::V18).port());
    let mut settings = world.settings();
    settings.hosts[0].port = relay.port();
    let limits = Limits { pause: Duration::from_millis(10), ..inconsiderate() };
    let options = SweepOptions { limits, batch_rows: Some(30), jobs: Some(2), ..SweepOptions::default() };
    let over = AtomicBool::new(false);
    let (summary, cuts) = std::thread::scope(|scope| {
        let cutter = scope.spawn(|| {
            let mut cuts = 0;
            // Not before the workers are there: whoever begins without a connection ends at once, and rightly.
            wait_for(&world.database, "SELECT to_regclass('lifeboat_rotate.part') IS NOT NULL");
            wait_for(&world.database, "SELECT coalesce(sum(rotated), 0) > 50 FROM lifeboat_rotate.part");
            while !over.load(Ordering::Relaxed) && cuts < 8 {
                std::thread::sleep(Duration::from_millis(400));
                cuts += relay.cut();
            }
            cuts
        });
        let summary = run(sweep::run(&settings, world.targets(), &options, &job()));
        over.store(true, Ordering::Relaxed);
        (summary, cutter.join().unwrap())
    });
    assert!(cuts >= 4, "only {cuts} connections were cut");
    let summary = summary.unwrap();
    assert!(summary.is_clean(), "{summary:?}");
    same(&world.opened(NEW), &plain, "plaintexts");
    assert_eq!(summary.targets[0].counts.rotated, 6000, "each is counted once");
    assert!(world.verify(&small()).passed());
}

/// Each transaction may be another server process's: neither the lock that admits one run nor what a session has set would hold.
#[test]
fn a_pooler_in_transaction_mode_is_refused_before_anything_is_read() {
    let (world, plain) = World::with_rows(Major::V15, "id int PRIMARY KEY, value text", 20);
    let pooler = PgBouncer::before(Postgres::shared(Major::V15), "transaction", "");
    let error =
        run(sweep::run(&settings(&pooler.dsn(&world.database)), world.targets(), &small(), &job())).unwrap_err();
    assert!(error.chain().contains("a connection pooler in transaction mode"), "{}", error.chain());
    same(&world.opened(OLD), &plain, "plaintexts");
    assert!(world.status().targets.is_empty());
}
