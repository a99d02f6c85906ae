//! A sweep that waits for others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lifeboat_core::Job;
use lifeboat_core::monitor::{Event, Monitor};
use lifeboat_rotate::sweep::{self, Limits, SweepOptions};
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::session::wait_for;
use lifeboat_tests::{Major, Postgres, run};
use tokio_util::sync::CancellationToken;

use crate::world::{NEW, OLD, World, plain, same, small};

/// Keeps warnings.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Monitor for Warnings {
    fn event(&self, event: &Event<'_>) {
        if let Event::Warning(text) = event {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}

#[test]
fn a_standby_that_lags_behind_is_waited_for() {
    let primary = Postgres::start(Major::V15, &Options::default());
    let world = World::on(&primary, "id int PRIMARY KEY, value text");
    let plain = plain(300);
    world.fill(OLD, &plain);
    let standby = primary.standby(&Options::default());
    let follows = "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'";
    wait_for(&world.database, follows);
    standby.psql("postgres", "SELECT pg_wal_replay_pause()");
    world.database.psql("CREATE TABLE more AS SELECT generate_series(1, 1000)");
    wait_for(&world.database, "SELECT replay_lag > interval '1 s' FROM pg_stat_replication");

    let warnings = Arc::new(Warnings::default());
    let job = Job::new(warnings.clone(), CancellationToken::new());
    let limits = Limits { replication_lag: Some(Duration::from_millis(500)), ..Limits::default() };
    let options = SweepOptions { limits, ..small() };
    let (settings, targets) = (world.settings(), world.targets());
    std::thread::scope(|scope| {
        let sweep = scope.spawn(|| run(sweep::run(&settings, targets, &options, &job)));
        std::thread::sleep(Duration::from_secs(2));
        assert!(!sweep.is_finished() && world.opened(NEW).is_empty(), "it does not wait");
        standby.psql("postgres", "SELECT pg_wal_replay_resume()");
        assert!(sweep.join().unwrap().unwrap().is_clean());
    });
    let said = warnings.0.lock().unwrap().join("; ");
    assert!(said.contains("the sweep waits: a standby is") && said.contains("s behind"), "{said}");
    same(&world.opened(NEW), &plain, "plaintexts");
}
