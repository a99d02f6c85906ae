//! The store's clock, as its answers tell it: a host whose own is wrong is refused everything, and dates its backups wrongly.

use std::sync::atomic::{AtomicI64, Ordering};

use http::HeaderMap;
use http::header::DATE;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// How far the clock of the other side is ahead, by the last answer.
#[derive(Debug)]
pub(in crate::store) struct Clock(AtomicI64);

impl Clock {
    pub(super) fn note(&self, answer: &HeaderMap) {
        let date = answer.get(DATE).and_then(|date| date.to_str().ok());
        let theirs = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        if let Some(theirs) = theirs {
            self.0.store(theirs.as_second() - Timestamp::now().as_second(), Ordering::Relaxed);
        }
    }

    /// None before the first answer, and at stores that do not say.
    pub(in crate::store) fn ahead_seconds(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|seconds| *seconds != UNKNOWN)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self(AtomicI64::new(UNKNOWN))
    }
}

const UNKNOWN: i64 = i64::MAX;
