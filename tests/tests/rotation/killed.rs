//! `kill -9` at random moments: every backup opens then, and the next run finishes.

use std::time::{Duration, Instant};

use lifeboat_core::store::layout::BackupPath;
use lifeboat_tests::{Files, scratch};
use rustix::process::Signal;

use crate::world::{World, copy, without_wraps};

/// Kills of one test: a hundred in all when sweeps run whole.
fn kills() -> u32 {
    if std::env::var_os("LIFEBOAT_TEST_LONG").is_some() { 34 } else { 10 }
}

/// So many fractions of one, evenly spread, from a seed that is printed.
fn fractions(test: &str) -> Vec<f64> {
    let given = std::env::var("LIFEBOAT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(scratch::unique);
    eprintln!("{test}: LIFEBOAT_TEST_SEED={seed}");
    let mut state = seed | 1;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1_u32 << 31)
    };
    (0..kills()).map(|n| (f64::from(n) + random()) / f64::from(kills())).collect()
}

/// Runs `line` on a copy of the store `pristine`, kills it, judges what is left, and lets the next run finish.
fn kill(test: &str, world: &World, line: &str, left: impl Fn(&World), finished: impl Fn(&World)) {
    let (pristine, store) = (world.path("pristine"), world.path("a"));
    copy(&store, &pristine);
    let mut span = length(world, line);
    finished(world);
    let mut cut_short = 0;
    for fraction in fractions(test) {
        copy(&pristine, &store);
        let moment = span.mul_f64(fraction);
        match world.rotate(line).spawn().kill_after(moment) {
            true => cut_short += 1,
            // It had ended by then: runs are faster now than the ones that were timed.
            false => span = moment,
        }
        left(world);
        world.rotate(line).run().expect(0);
        finished(world);
    }
    eprintln!("{test}: {cut_short} of {} kills within {span:?} cut a run short", kills());
    assert!(cut_short * 2 > kills(), "most kills came too late");
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
