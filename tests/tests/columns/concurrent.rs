//! Applications that go on writing, with the old key and with the new one, in every mode.

use std::time::Duration;

use lifeboat_core::Kind;
use lifeboat_rotate::sweep::{Limits, Mode, Phase, SweepOptions};
use lifeboat_tests::Major;
use lifeboat_tests::sweep::{Dice, long};

use crate::world::{NEW, OLD, Plain, World, cut_over, inconsiderate, mode, same, small};
use crate::writers::Writer;

const TABLE: &str = "id bigint PRIMARY KEY, value text NOT NULL";

/// Slow enough that writers are met on the way.
fn slow() -> SweepOptions {
    let limits = Limits { pause: Duration::from_millis(5), ..inconsiderate() };
    SweepOptions { limits, batch_rows: Some(40), ..SweepOptions::default() }
}

fn together(plains: impl IntoIterator<Item = Plain>) -> Plain {
    plains.into_iter().flatten().collect()
}

#[test]
fn online_keeps_what_writers_with_the_old_and_the_new_key_wrote_last() {
    for columns in [TABLE, "id bigint, value text NOT NULL"] {
        let (world, plain) = World::with_rows(Major::V18, columns, 3000);
        let rest = Duration::from_millis(1);
        let writers: Vec<_> = [(OLD, 0..1000), (NEW, 1000..2000), (OLD, 2000..3000)]
            .into_iter()
            .map(|(secret, rows)| Writer::start(&world, secret, rows, &plain, rest))
            .collect();
        let during = world.run(&SweepOptions { max_passes: 3, ..slow() }).unwrap();
        let met = &during.targets[0];
        // How many are left to the sweep, the writers decide.
        assert!(met.counts.rotated > 1000, "{columns}: {during:?}");
        assert!(met.overtaken > 0 || met.passes > 1, "no writer was met: {columns}: {during:?}");
        let written = together(writers.into_iter().map(Writer::stop));
        world.run_to_the_end(&small());
        same(&world.opened(NEW), &written, columns);
    }
}

#[test]
fn staged_puts_in_place_what_a_writer_with_the_old_key_wrote_last() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 2000);
    // It writes from the first pass until it is restarted, which is after the cut-over.
    let writer = Writer::start(&world, OLD, 0..2000, &plain, Duration::from_millis(2));
    let prepared = world.run(&SweepOptions { mode: Some(Mode::Staged), ..slow() }).unwrap();
    assert!(prepared.targets[0].counts.rotated > 1000 && prepared.is_clean(), "{prepared:?}");
    assert_eq!(world.status().targets[0].phase, Phase::Prepared, "writers or not");
    assert!(world.opened(NEW).is_empty(), "the application still reads the old key");
    let summary = world.run(&cut_over()).unwrap();
    assert!(summary.cut_over && summary.is_clean());
    let so_far = writer.writes();
    writer.wait_for(so_far + 50);
    let written = writer.stop();
    assert!(!world.opened(OLD).is_empty(), "written between the cut-over and the restart");
    // The application was started again, with the new key.
    let after = Writer::start(&world, NEW, 0..2000, &written, Duration::ZERO);
    after.wait_for(5);
    let written = after.stop();
    assert_eq!(world.finalize(&small()).unwrap_err().kind(), Kind::Policy, "some are under the old key");
    let summary = world.run(&mode(Mode::Staged)).unwrap();
    assert!(summary.cut_over && summary.is_clean(), "{summary:?}");
    same(&world.opened(NEW), &written, "after the restart");
    world.finalize(&small()).unwrap();
}

#[test]
fn an_old_writer_that_nobody_stopped_keeps_finalize_closed() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 200);
    world.run_to_the_end(&small());
    let late = Writer::start(&world, OLD, 0..200, &plain, Duration::ZERO);
    late.wait_for(20);
    let written = late.stop();
    let error = world.finalize(&small()).unwrap_err();
    assert!(error.to_string().contains("does not open"), "{}", error.chain());
    world.run_to_the_end(&small());
    world.finalize(&small()).unwrap();
    same(&world.opened(NEW), &written, "after the cut-over");
}

#[test]
fn offline_keeps_writers_waiting_and_loses_nothing_of_theirs() {
    let (world, plain) = World::with_rows(Major::V18, TABLE, 2000);
    let writer = Writer::start(&world, NEW, 0..2000, &plain, Duration::from_millis(1));
    writer.wait_for(10);
    let summary = world.run(&mode(Mode::Offline)).unwrap();
    assert!(summary.is_clean(), "{summary:?}");
    writer.wait_for(100);
    let written = writer.stop();
    same(&world.opened(NEW), &written, "offline");
}

#[test]
fn in_every_mode_writers_of_either_key_lose_nothing() {
    for of in [Mode::Online, Mode::Staged, Mode::Offline] {
        let (world, plain) = World::with_rows(Major::V18, TABLE, 900);
        let rest = Duration::from_millis(1);
        let old = Writer::start(&world, OLD, 0..300, &plain, rest);
        let new = Writer::start(&world, NEW, 300..600, &plain, rest);
        let both = Writer::with(&world, &[OLD, NEW], 600..900, &plain, rest);
        new.wait_for(20);
        let options = SweepOptions { mode: Some(of), max_passes: 3, ..slow() };
        world.run(&options).unwrap();
        if of == Mode::Staged {
            world.run(&cut_over()).unwrap();
        }
        let so_far = old.writes();
        old.wait_for(so_far + 20);
        let written = together([old.stop(), new.stop(), both.stop()]);
        world.run_to_the_end(&small());
        same(&world.opened(NEW), &written, of.name());
        world.finalize(&small()).unwrap();
    }
}

/// Small tables, batches of a few rows, writers without rest: most batches meet a writer.
#[test]
fn any_interleaving_ends_with_the_last_plaintext_under_the_new_key() {
    let mut dice = Dice::new("interleaving");
    for case in 0..if long() { 100 } else { 25 } {
        let rows = 10 + usize::try_from(dice.below(60)).unwrap();
        let keyed = dice.below(2) == 0;
        let columns = if keyed { TABLE } else { "id bigint, value text NOT NULL" };
        let (world, plain) = World::with_rows(Major::V18, columns, rows);
        let half = rows / 2;
        let old = Writer::start(&world, OLD, 0..half, &plain, Duration::from_micros(dice.below(2000)));
        let new = Writer::start(&world, NEW, half..rows, &plain, Duration::from_micros(dice.below(2000)));
        let batch_rows = Some(1 + usize::try_from(dice.below(7)).unwrap());
        let limits = if case % 2 == 0 { Limits::default() } else { inconsiderate() };
        let jobs = Some(1 + case % 3);
        let options = SweepOptions { batch_rows, max_passes: 6, jobs, limits, ..SweepOptions::default() };
        world.run(&options).unwrap();
        new.wait_for(20);
        let written = together([old.stop(), new.stop()]);
        // How much room it leaves to others is nothing to the end.
        world.run_to_the_end(&SweepOptions { limits: inconsiderate(), ..options.clone() });
        same(&world.opened(NEW), &written, &format!("case {case}: {columns}, {rows} rows, {options:?}"));
    }
}
