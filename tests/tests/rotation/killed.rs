//! `kill -9` at random moments: every backup opens then, and the next run finishes.

use std::time::{Duration, Instant};

use lifeboat_core::store::layout::BackupPath;
use lifeboat_tests::Files;
use lifeboat_tests::kills::kill_at_random_moments;
use lifeboat_tests::sweep::long;
use rustix::process::Signal;

use crate::world::{World, copy, without_wraps};

/// Runs `line` on a copy of the store `pristine`, kills it, judges what is left, and lets the next run finish: a hundred
/// times in all tests when sweeps run whole.
fn kill(test: &str, world: &World, line: &str, left: impl Fn(&World), finished: impl Fn(&World)) {
    let (pristine, store) = (world.path("pristine"), world.path("a"));
    copy(&store, &pristine);
    let span = length(world, line);
    finished(world);
    kill_at_random_moments(test, if long() { 34 } else { 10 }, span, |moment| {
        copy(&pristine, &store);
        let cut_short = world.rotate(line).spawn().kill_after(moment);
        left(world);
        world.rotate(line).run().expect(0);
        finished(world);
        cut_short
    });
}

/// How long a run takes that nobody kills: the shortest of three, for the tests beside this one slow it down.
fn length(world: &World, line: &str) -> Duration {
    let run = || {
        copy(&world.path("pristine"), &world.path("a"));
        let began = Instant::now();
        world.rotate(line).run().expect(0);
        began.elapsed()
    };
    (0..3).map(|_| run()).min().unwrap_or_default()
}

/// The times of backups, each once: what is written anew has the time of the old one.
fn times(paths: &[BackupPath]) -> usize {
    let mut times: Vec<_> = paths.iter().map(|path| path.id.start()).collect();
    times.dedup();
    times.len()
}

fn same_data(world: &World, before: &Files) {
    assert_eq!(without_wraps(&world.files("a")), *before, "a body or a manifest changed");
}

#[test]
fn a_killed_rewrap_leaves_every_backup_openable_and_the_next_one_finishes() {
    let world = World::with_backups(80);
    let before = without_wraps(&world.files("a"));
    let left = |world: &World| {
        assert_eq!(world.proven(&["old"]).len(), 80);
        same_data(world, &before);
    };
    let finished = |world: &World| {
        assert_eq!(world.proven(&["new"]).len(), 80);
        same_data(world, &before);
    };
    kill("rewrap", &world, "rewrap", left, finished);
}

#[test]
fn a_rewrap_that_is_asked_to_end_leaves_no_draft_and_the_next_one_finishes() {
    let world = World::with_backups(80);
    for wait in [5, 20, 40, 60] {
        let running = world.rotate("rewrap").spawn();
        std::thread::sleep(Duration::from_millis(wait));
        running.signal(Signal::TERM);
        let ended = running.wait();
        // One that was not yet listening ends by the signal itself, one that was ends with its code.
        assert!([0, 143].contains(&ended.code()), "{}", ended.text());
    }
    let listed = std::process::Command::new("find").arg(world.path("a")).args(["-name", "*#*"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "");
    world.rotate("rewrap").run().expect(0);
    assert_eq!(world.proven(&["new"]).len(), 80);
}

#[test]
fn a_killed_retire_leaves_every_backup_openable_and_the_next_one_finishes() {
    let world = World::with_backups(80);
    world.rotate("rewrap").run().expect(0);
    let before = without_wraps(&world.files("a"));
    let opens = |world: &World| {
        assert_eq!(world.proven(&["new"]).len(), 80);
        same_data(world, &before);
    };
    let finished = |world: &World| {
        opens(world);
        assert!(world.files("a").keys().all(|name| !name.ends_with("/old.json")));
    };
    kill("retire", &world, "retire --from old --yes", opens, finished);
}

#[test]
fn a_killed_reencrypt_leaves_every_backup_openable_and_the_next_one_finishes() {
    let world = World::with_backups(16);
    let left = |world: &World| assert_eq!(times(&world.proven(&["old", "new"])), 16);
    let finished = |world: &World| {
        assert_eq!(world.proven(&["new"]).len(), 16);
        let plan = world.rotate("reencrypt --from old").run().expect(0);
        assert!(
            plan.stdout.contains("0 backups to seal anew") && !plan.stdout.contains("to remove"),
            "{}",
            plan.stdout
        );
    };
    kill("reencrypt", &world, "reencrypt --from old --yes", left, finished);
}
