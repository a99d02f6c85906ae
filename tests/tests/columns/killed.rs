//! `kill -9` anywhere in a run, then the run again.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat_rotate::sweep::Mode;
use lifeboat_tests::Major;
use lifeboat_tests::kills::kill_at_random_moments;
use lifeboat_tests::sweep::long;

use crate::world::{NEW, OLD, World, cut_over, mode, same, small};

const ROWS: usize = 2000;

fn start(world: &World, mode: &str, old: &str, new: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rotate-columns"));
    command.args([&world.database.dsn(), mode, old, new]).stdin(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
}

/// Whether the kill cut the run short.
fn kill_after(mut child: Child, moment: Duration) -> bool {
    let began = Instant::now();
    while began.elapsed() < moment {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "the run failed by itself");
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

fn kills() -> u32 {
    if long() { 100 } else { 8 }
}

/// How long a run takes that nobody kills.
fn span(kind: &str) -> Duration {
    let (world, _) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", ROWS);
    let began = Instant::now();
    assert!(start(&world, kind, OLD, NEW).wait().unwrap().success());
    began.elapsed()
}

#[test]
fn a_killed_run_goes_on_and_loses_nothing() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", ROWS);
    let cell = std::cell::Cell::new((OLD, NEW));
    kill_at_random_moments("rotate-columns", kills(), span("online"), |moment| {
        let (old, new) = cell.get();
        let cut = kill_after(start(&world, "online", old, new), moment);
        // Whatever was done, every value opens to its first plaintext, by one of the two keys.
        let (mut both, under_new) = (world.opened(old), world.opened(new));
        assert!(under_new.keys().all(|id| !both.contains_key(id)), "a value under both keys");
        both.extend(under_new);
        same(&both, &plain, "by both keys");
        if !cut {
            // It was through: on to the next rotation, back to the first key.
            let world =
                World { database: world.database.server.adopt(&world.database.name), target: world.target.clone() };
            let mut world = std::mem::ManuallyDrop::new(world);
            world.target.keys = crate::world::keys(old, new);
            world.finalize(&small()).unwrap();
            cell.set((new, old));
        }
        cut
    });
    let (old, new) = cell.get();
    assert!(start(&world, "online", old, new).wait().unwrap().success());
    same(&world.opened(new), &plain, "plaintexts");
    let rotated: u64 =
        world.database.psql("SELECT rotated FROM lifeboat_rotate.rotation ORDER BY id DESC LIMIT 1").parse().unwrap();
    let in_pass: u64 =
        world.database.psql("SELECT coalesce(sum(rotated), 0) FROM lifeboat_rotate.part").parse().unwrap();
    assert_eq!(rotated + in_pass, ROWS as u64, "none was rotated twice");
}

#[test]
fn a_killed_preparation_goes_on_and_changes_nothing_of_the_application() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", ROWS);
    let span = span("staged");
    let mut landed = 0;
    for moment in [0.2, 0.3, 0.5, 0.7, 0.8, 0.9] {
        landed += u32::from(kill_after(start(&world, "staged", OLD, NEW), span.mul_f64(moment)));
        same(&world.opened(OLD), &plain, "plaintexts");
    }
    assert!(landed > 0, "no run was killed");
    assert!(world.run(&mode(Mode::Staged)).unwrap().is_clean());
    world.run(&cut_over()).unwrap();
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn a_killed_transaction_has_written_nothing() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", ROWS);
    let span = span("offline");
    let mut landed = 0;
    for moment in [0.2, 0.5, 0.7, 0.9] {
        if kill_after(start(&world, "offline", OLD, NEW), span.mul_f64(moment)) {
            landed += 1;
            lifeboat_tests::session::wait_for(
                &world.database,
                "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lifeboat/rotate'",
            );
            let opened = world.opened(OLD);
            assert!(opened == plain || opened.is_empty() && world.opened(NEW) == plain, "all or nothing");
        }
    }
    assert!(landed > 0, "no run was killed");
    if !world.opened(OLD).is_empty() {
        world.run(&mode(Mode::Offline)).unwrap();
    }
    same(&world.opened(NEW), &plain, "plaintexts");
}
