//! `kill -9` at moments all over a run.

use std::time::{Duration, Instant};

use crate::lifeboat::Lifeboat;
use crate::sweep::Dice;

/// Calls `kill` with so many moments all over `span`, the length of an undisturbed run; it says whether the kill cut a run
/// short. One that came too late shows that runs have become faster since. Fails unless most came in time; gives how many
/// did.
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
    assert!(cut_short * 2 > kills, "most kills came too late: only {cut_short} of {kills} cut a run short");
    cut_short
}

/// How long a run takes that nobody kills; `run` makes another each time, and the first warms servers and caches.
pub fn length_of(run: impl Fn() -> Lifeboat) -> Duration {
    run().run().expect(0);
    let began = Instant::now();
    run().run().expect(0);
    began.elapsed()
}
