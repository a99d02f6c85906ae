//! Progress under systemd: the `STATUS=` line that `systemctl status` shows.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::meter::Meter;
use super::reporter::Voice;

/// Tells systemd. It may have gone away, which is no reason to fail.
pub(crate) struct Status;

impl Status {
    fn tell(line: &str) {
        let _ = sd_notify::notify(&[NotifyState::Status(&line.replace('\n', " "))]);
    }
}

impl Voice for Status {
    fn pace(&self) -> Duration {
        Duration::from_secs(5)
    }

    fn step(&mut self, meter: &Meter, _: &str, now: Instant) {
        Self::tell(&meter.line(now));
    }

    fn progress(&mut self, meter: &Meter, now: Instant) {
        Self::tell(&meter.line(now));
    }

    fn warning(&mut self, text: &str) {
        Self::tell(text);
    }
}
