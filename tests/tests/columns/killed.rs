//! `kill -9` anywhere in a run, then the run again.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lifeboat_rotate::sweep::{Mode, Phase};
use lifeboat_tests::Major;
use lifeboat_tests::kills::kill_at_random_moments;
use lifeboat_tests::sweep::long;

use crate::world::{NEW, OLD, Plain, World, cut_over, mode, same, small};

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

/// Kills at these fractions of a run's length; gives how many cut a run short. One that came too late shows that a run takes less.
#[expect(clippy::print_stderr, reason = "what came of the kills")]
fn kill_at(verb: &str, fractions: &[f64], mut span: Duration, mut kill: impl FnMut(Duration) -> bool) -> u32 {
    let mut landed = 0;
    for fraction in fractions {
        let moment = span.mul_f64(*fraction);
        if kill(moment) { landed += 1 } else { span = moment }
    }
    eprintln!("{verb}: {landed} of {} kills within {span:?} cut it short", fractions.len());
    landed
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
    kill_at_random_moments("rotate-columns", 100, span("online"), |moment| {
        let (old, new) = cell.get();
        let cut = kill_after(start(&world, "online", old, new), moment);
        // Whatever was done, every value opens to its first plaintext, by one of the two keys.
        let [mut both, under_new] = world.opened_by([old, new]);
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
    let landed = kill_at("staged", &[0.2, 0.3, 0.5, 0.7, 0.8, 0.9], span("staged"), |moment| {
        let cut = kill_after(start(&world, "staged", OLD, NEW), moment);
        same(&world.opened(OLD), &plain, "plaintexts");
        cut
    });
    assert!(landed > 0, "no run was killed");
    assert!(world.run(&mode(Mode::Staged)).unwrap().is_clean());
    world.run(&cut_over()).unwrap();
    same(&world.opened(NEW), &plain, "plaintexts");
}

/// The server is rid of what a killed run was in the middle of.
fn let_go(world: &World) {
    let gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lifeboat/rotate'";
    lifeboat_tests::session::wait_for(&world.database, gone);
}

/// Kills a verb at moments all over the time it takes, after which every value is under one key or the other; `ready` makes it
/// possible again once it was through. Gives how many kills landed.
fn killed(world: &World, verb: &str, plain: &Plain, all_or_nothing: bool, ready: impl Fn()) -> u32 {
    let began = Instant::now();
    assert!(start(world, verb, OLD, NEW).wait().unwrap().success());
    let span = began.elapsed();
    ready();
    let fractions: &[f64] =
        if long() { &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0] } else { &[0.2, 0.35, 0.5, 0.65, 0.8, 0.95] };
    kill_at(verb, fractions, span, |moment| {
        let cut = kill_after(start(world, verb, OLD, NEW), moment);
        let_go(world);
        let [mut both, under_new] = world.opened_by([OLD, NEW]);
        assert!(
            !all_or_nothing || both.is_empty() || under_new.is_empty(),
            "{verb}: some are put in place, some are not"
        );
        both.extend(under_new);
        same(&both, plain, verb);
        let over = matches!(world.status().targets[0].phase, Phase::RolledBack | Phase::Finalized);
        if over || verb == "cut-over" && world.opened(OLD).is_empty() {
            ready();
        }
        cut
    })
}

#[test]
fn a_killed_cut_over_has_put_everything_in_place_or_nothing() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", ROWS);
    let prepared = || {
        if world.opened(OLD).is_empty() {
            world.rollback(&small()).unwrap();
        }
        assert!(world.run(&mode(Mode::Staged)).unwrap().is_clean());
    };
    prepared();
    assert!(killed(&world, "cut-over", &plain, true, prepared) > 0, "no cut-over was killed");
    world.run(&cut_over()).unwrap();
    same(&world.opened(NEW), &plain, "plaintexts");
    world.finalize(&small()).unwrap();
}

#[test]
fn a_killed_rollback_goes_on_in_every_mode() {
    for of in [Mode::Online, Mode::Staged, Mode::Offline] {
        let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", ROWS);
        let rotated = || {
            assert!(world.run(&mode(of)).unwrap().is_clean());
            if of == Mode::Staged {
                world.run(&cut_over()).unwrap();
            }
        };
        rotated();
        assert!(killed(&world, "rollback", &plain, of != Mode::Online, rotated) > 0, "no rollback was killed");
        world.rollback(&small()).unwrap();
        same(&world.opened(OLD), &plain, of.name());
        assert_eq!(world.status().targets[0].phase, Phase::RolledBack);
        assert_eq!(world.database.psql("SELECT count(*) FROM pg_class WHERE relname LIKE 'shadow%'"), "0");
    }
}

#[test]
fn a_killed_finalize_has_ended_the_rotation_or_changed_nothing() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", ROWS);
    let rotated = || {
        if world.opened(OLD).is_empty() {
            back(&world);
        }
        world.run(&mode(Mode::Staged)).unwrap();
        assert!(world.run(&cut_over()).unwrap().is_clean());
    };
    rotated();
    assert!(killed(&world, "finalize", &plain, true, rotated) > 0, "no finalize was killed");
    same(&world.opened(NEW), &plain, "plaintexts");
    let kept: u64 = world
        .database
        .psql("SELECT count(*) FROM pg_class WHERE relname LIKE 'shadow%' AND relkind = 'r'")
        .parse()
        .unwrap();
    assert_eq!(kept, 1, "old values are kept until it is finalized");
    world.finalize(&small()).unwrap();
    assert_eq!(world.database.psql("SELECT count(*) FROM pg_class WHERE relname LIKE 'shadow%'"), "0");
}

/// A rotation of its own, back to the old key, after one that is finalized.
fn back(world: &World) {
    let mut turned = std::mem::ManuallyDrop::new(World {
        database: world.database.server.adopt(&world.database.name),
        target: world.target.clone(),
    });
    turned.target.keys = crate::world::keys(NEW, OLD);
    turned.run_to_the_end(&small());
    turned.finalize(&small()).unwrap();
}

#[test]
fn a_killed_transaction_has_written_nothing() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", ROWS);
    let landed = kill_at("offline", &[0.2, 0.5, 0.7, 0.9], span("offline"), |moment| {
        let cut = kill_after(start(&world, "offline", OLD, NEW), moment);
        let_go(&world);
        let opened = world.opened(OLD);
        assert!(opened == plain || opened.is_empty() && world.opened(NEW) == plain, "all or nothing");
        cut
    });
    assert!(landed > 0, "no run was killed");
    if !world.opened(OLD).is_empty() {
        world.run(&mode(Mode::Offline)).unwrap();
    }
    same(&world.opened(NEW), &plain, "plaintexts");
}
