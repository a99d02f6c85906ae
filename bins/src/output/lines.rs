//! Progress where no terminal is: a line per step, and one a minute in between.

use std::time::{Duration, Instant};

use super::console::Console;
use super::meter::Meter;
use super::reporter::Voice;

/// Lines on stderr.
pub(crate) struct Lines {
    console: Console,
    quiet: bool,
}

impl Lines {
    /// Lines on the console; only warnings when `quiet`.
    pub(crate) fn new(console: Console, quiet: bool) -> Self {
        Self { console, quiet }
    }
}

impl Voice for Lines {
    fn pace(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn step(&mut self, _: &Meter, step: &str, _: Instant) {
        if !self.quiet {
            self.console.line(step);
        }
    }

    fn progress(&mut self, meter: &Meter, now: Instant) {
        if !self.quiet {
            self.console.line(&meter.line(now));
        }
    }

    fn warning(&mut self, text: &str) {
        self.console.line(&format!("warning: {text}"));
    }
}
