//! A sweep that waits for others.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lifeboat_core::Job;
use lifeboat_core::monitor::{Event, Monitor};
use lifeboat_rotate::sweep::{self, Limits, SweepOptions};
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::session::{Busy, wait_for};
use lifeboat_tests::{Major, Postgres, run};
use tokio_util::sync::CancellationToken;

use crate::world::{NEW, OLD, Plain, World, plain, same, small};
use crate::writers::Writer;

/// Keeps what is said.
#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Monitor for Said {
    fn event(&self, event: &Event<'_>) {
        if let Event::Warning(text) | Event::Step(text) = event {
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
    let follows = "SELECT count(*) > 0 FROM pg_stat_replication WHERE state = 'streaming'";
    wait_for(&world.database, follows);
    standby.psql("postgres", "SELECT pg_wal_replay_pause()");
    world.database.psql("CREATE TABLE more AS SELECT generate_series(1, 1000)");
    wait_for(&world.database, "SELECT replay_lag > interval '1 s' FROM pg_stat_replication");

    let heard = Arc::new(Said::default());
    let job = Job::new(heard.clone(), CancellationToken::new());
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
    let said = heard.0.lock().unwrap().join("; ");
    assert!(said.contains("the sweep waits: a standby is") && said.contains("s behind"), "{said}");
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn a_vacuum_at_work_on_the_table_is_waited_for_unless_it_shall_not_be() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", ROWS);
    // A tenth of a second for each page or so: more than a minute, in which a sweep that does not wait is through.
    let database = &world.database.name;
    for setting in ["vacuum_cost_limit = 1", "vacuum_cost_delay = 100"] {
        world.database.psql(&format!("ALTER DATABASE \"{database}\" SET {setting}"));
    }
    let vacuum = Busy::new(&world.database, "VACUUM secrets");
    wait_for(&world.database, IS_AT_WORK);
    let heard = Arc::new(Said::default());
    let job = Job::new(heard.clone(), CancellationToken::new());
    let limits = |patience| Limits { autovacuum: Duration::from_secs(patience), ..Limits::default() };
    let (settings, targets) = (world.settings(), world.targets());
    let at_most = |patience| SweepOptions { limits: limits(patience), jobs: Some(1), ..small() };

    std::thread::scope(|scope| {
        let options = SweepOptions { max_passes: 1, ..at_most(60) };
        let (settings, job) = (&settings, &job);
        let sweep = scope.spawn(move || run(sweep::run(settings, targets, &options, job)));
        std::thread::sleep(Duration::from_millis(1500));
        assert!(!sweep.is_finished() && world.opened(NEW).is_empty(), "it does not wait");
        world.database.psql(CANCEL);
        assert!(!vacuum.ends_well());
        assert_eq!(sweep.join().unwrap().unwrap().targets[0].counts.rotated, ROWS as u64);
    });
    let said = heard.0.lock().unwrap().join("; ");
    assert!(said.contains("the sweep waits: vacuum is at work on public.secrets"), "{said}");

    let vacuum = Busy::new(&world.database, "VACUUM secrets");
    wait_for(&world.database, IS_AT_WORK);
    assert!(world.run(&at_most(0)).unwrap().is_clean());
    world.database.psql(CANCEL);
    assert!(!vacuum.ends_well(), "the sweep waited for it to end");
    same(&world.opened(NEW), &plain, "plaintexts");
}

const ROWS: usize = 16_000;

/// Whether vacuum is at work in the database.
const IS_AT_WORK: &str = "SELECT count(*) > 0 FROM pg_stat_progress_vacuum WHERE datname = current_database()";

/// Ends it.
const CANCEL: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_progress_vacuum WHERE datname = current_database()";

#[test]
fn beside_others_who_write_one_session_works_at_a_time() {
    let server = Postgres::start(Major::V15, &Options::default());
    let world = World::on(&server, "id bigint PRIMARY KEY, value text");
    let plain = plain(6000);
    world.fill(OLD, &plain);
    let heard = Arc::new(Said::default());
    let job = Job::new(heard.clone(), CancellationToken::new());
    // Long enough to look around.
    let limits = Limits { pause: Duration::from_millis(40), ..Limits::default() };
    let options = SweepOptions { limits, batch_rows: Some(100), jobs: Some(2), ..SweepOptions::default() };
    let others = "make room: others write";

    let application = Writer::start(&world, NEW, 0..50, &Plain::new(), Duration::from_millis(2));
    application.wait_for(1);
    let settings = world.settings();
    assert!(run(sweep::run(&settings, world.targets(), &options, &job)).unwrap().is_clean());
    let said = std::mem::take(&mut *heard.0.lock().unwrap()).join("; ");
    assert!(said.contains(others), "{said}");
    assert!(run(sweep::verify(&settings, world.targets(), &options, &job)).unwrap().passed());
    let said = std::mem::take(&mut *heard.0.lock().unwrap()).join("; ");
    assert!(said.contains(others), "a snapshot is looked around before: {said}");
    let written = application.stop();
    same(&world.opened(NEW), &plain.into_iter().chain(written).collect(), "plaintexts");

    run(sweep::rollback(&settings, world.targets(), &options, &job)).unwrap();
    let said = heard.0.lock().unwrap().join("; ");
    assert!(!said.contains(others), "nobody else is there: {said}");
}
