//! A run that loses its leading connection, and with it the lock, while another run ends the rotation: what wakes up then writes nothing.

use std::time::Duration;

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Kind, Result};
use lifeboat_rotate::sweep::{self, Direction, Limits, Phase, Summary, SweepOptions};
use lifeboat_tests::relay::Relay;
use lifeboat_tests::session::{Held, wait_for};
use lifeboat_tests::{Major, Postgres, run};

use crate::world::{NEW, OLD, Plain, World, job, same, small};

const BOTH_WAYS: [Direction; 2] = [Direction::Forward, Direction::Back];

/// A table with a rotation yet to begin, or to be rolled back.
fn world(way: Direction) -> (World<'static>, Plain) {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 400);
    if way == Direction::Back {
        world.run_to_the_end(&small());
    }
    (world, plain)
}

/// A run, or a rollback, that takes its time: at least six seconds.
fn slowly(world: &World, way: Direction, settings: &ConnectionSettings) -> Result<Summary> {
    let limits =
        Limits { pause: Duration::from_millis(150), lock_timeout: Duration::from_secs(60), ..Limits::default() };
    let options = SweepOptions { limits, batch_rows: Some(10), jobs: Some(1), ..SweepOptions::default() };
    match way {
        Direction::Forward => run(sweep::run(settings, world.targets(), &options, &job())),
        Direction::Back => run(sweep::rollback(settings, world.targets(), &options, &job())),
    }
}

/// Waits until more than so many values are written on this way.
fn wait_until_written(world: &World, way: Direction, rows: u32) {
    wait_for(&world.database, "SELECT to_regclass('lifeboat_rotate.part') IS NOT NULL");
    let way = format!("{way:?}").to_lowercase();
    let written = format!(
        "SELECT coalesce(sum(p.rotated), 0) > {rows} FROM lifeboat_rotate.part p \
         JOIN lifeboat_rotate.rotation r ON r.id = p.rotation WHERE r.direction = '{way}'"
    );
    wait_for(&world.database, &written);
}

/// Another run takes the rotation back; after a rollback a new one begins and is through. Gives the key under which all values are then.
fn ended_by_another(world: &World, way: Direction) -> &'static str {
    world.rollback(&small()).unwrap();
    assert_eq!(world.status().targets[0].phase, Phase::RolledBack);
    if way == Direction::Forward {
        return OLD;
    }
    world.run_to_the_end(&small());
    NEW
}

/// A way to the server that can be closed, and settings that lead over it.
fn relayed(world: &World) -> (Relay, ConnectionSettings) {
    let relay = Relay::to(Postgres::shared(Major::V18).port());
    let mut settings = world.settings();
    settings.hosts[0].port = relay.port();
    (relay, settings)
}

fn is_ousted(world: &World, plain: &Plain, woken: Result<Summary>, key: &str, case: &str) {
    same(&world.opened(key), plain, case);
    let error = woken.unwrap_err();
    assert_eq!(error.kind(), Kind::Locked, "{}", error.chain());
    assert!(error.to_string().contains("another run has taken over"), "{}", error.chain());
}

#[test]
fn workers_that_outlive_their_leader_write_nothing_once_another_run_has_ended_the_rotation() {
    for way in BOTH_WAYS {
        let (world, plain) = world(way);
        let (relay, settings) = relayed(&world);
        let (woken, key) = std::thread::scope(|scope| {
            let slow = scope.spawn(|| slowly(&world, way, &settings));
            wait_until_written(&world, way, 50);
            // Its leader would be back before the other run has the lock.
            relay.refuse();
            let leader = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' \
                          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            assert_eq!(world.database.psql(leader), "1");
            let key = ended_by_another(&world, way);
            relay.reopen();
            (slow.join().unwrap(), key)
        });
        is_ousted(&world, &plain, woken, key, &format!("{way:?}"));
    }
}

#[test]
fn a_run_that_wakes_after_another_has_ended_its_rotation_begins_no_pass() {
    for way in BOTH_WAYS {
        let (world, plain) = world(way);
        let (relay, settings) = relayed(&world);
        let (woken, key) = std::thread::scope(|scope| {
            let slow = scope.spawn(|| slowly(&world, way, &settings));
            wait_until_written(&world, way, 0);
            // The end of the pass waits for this.
            let held = Held::new(&world.database, "BEGIN; SELECT 1 FROM lifeboat_rotate.rotation FOR UPDATE");
            let waits = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                         AND application_name = 'lifeboat/rotate' AND wait_event_type = 'Lock'";
            wait_for(&world.database, waits);
            assert!(relay.close() > 0);
            held.release();
            let key = ended_by_another(&world, way);
            relay.reopen();
            (slow.join().unwrap(), key)
        });
        is_ousted(&world, &plain, woken, key, &format!("{way:?}"));
    }
}
