//! `kill -9` at moments all over a run.

use std::time::{Duration, Instant};

use crate::lifeboat::Lifeboat;
use crate::sweep::Dice;

/// Calls `kill` with so many moments all over `span`, the length of an undisturbed run; it says whether the kill cut a run
/// short. One that came too late shows that runs have become faster since. Fails unless more than a third came in time: on a
/// busy machine the next run may be much shorter than the one that was measured. Gives how many did.
pub fn kill_at_random_moments(
    test: &str,
    kills: u32,
    mut span: Duration,
    mut kill: impl FnMut(Duration) -> bool,
) -> u32 {
    let mut cut_short = 0;
    for fraction in Dice::new(test).fractions(kills) {
        let moment = span.mul_f64(fraction);
        if kill(moment) { cut_short += 1 } else { span = moment }
    }
    eprintln!("{test}: {cut_short} of {kills} kills within {span:?} cut a run short");
    assert!(cut_short * 3 > kills, "too many kills came too late: only {cut_short} of {kills} cut a run short");
    cut_short
}

/// How long a run takes that nobody kills: the shorter of two. `run` makes another each time, and the first warms servers and
/// caches.
pub fn length_of(run: impl Fn() -> Lifeboat) -> Duration {
    let length = || {
        let began = Instant::now();
        run().run().expect(0);
        began.elapsed()
    };
    length().min(length())
}

/// What became of a strike at a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// What it was for was not there yet.
    TooEarly,
    /// It hit.
    Hit,
    /// What it was for was there no more.
    TooLate,
}

/// Calls `strike` with so many moments all over `span`, the length of an undisturbed run, and with as many more while none has
/// hit. Fails when none of [`ROUNDS`] times as many did.
pub fn strike_at_random_moments(
    test: &str,
    strikes: u32,
    mut span: Duration,
    mut strike: impl FnMut(Duration) -> Strike,
) {
    let (mut dice, mut hit) = (Dice::new(test), 0);
    for _ in 0..ROUNDS {
        for fraction in dice.fractions(strikes) {
            let moment = span.mul_f64(fraction);
            match strike(moment) {
                Strike::Hit => hit += 1,
                Strike::TooEarly => (),
                Strike::TooLate => span = moment,
            }
        }
        if hit > 0 {
            return;
        }
    }
    panic!("nothing was there to be hit within {span:?}");
}

/// How often moments are drawn anew.
pub const ROUNDS: u32 = 8;
