//! What the store has let this run do.
//!
//! A refusal of what was allowed a moment ago is seldom meant: credentials are being renewed, or one of the store's servers does not
//! know the key yet. A run that has written for hours asks again before it believes it. What was never allowed is believed at once.

use std::sync::atomic::{AtomicU8, Ordering};

/// A kind of call that keys may or may not make.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Put,
    Create,
    Part,
    Complete,
    Read,
    List,
    Delete,
}

/// The kinds of calls that have succeeded.
#[derive(Debug, Default)]
pub(super) struct Admitted(AtomicU8);

impl Admitted {
    /// How many refusals of a call are taken for passing ones.
    pub(super) fn refusals_that_may_pass(&self, call: Call) -> u32 {
        if self.0.load(Ordering::Relaxed) & call.bit() > 0 { ASKED_AGAIN } else { 0 }
    }

    /// Notes that the store has done it.
    pub(super) fn note(&self, call: Call) {
        self.0.fetch_or(call.bit(), Ordering::Relaxed);
    }
}

impl Call {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

const ASKED_AGAIN: u32 = 2;
