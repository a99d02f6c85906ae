//! Whether the bytes of a request still move.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// When a byte moved last.
#[derive(Debug)]
pub(super) struct Pulse {
    last: Mutex<Instant>,
    patience: Duration,
}

/// No byte moved for too long.
#[derive(Debug)]
pub(super) struct Still(Duration);

impl std::fmt::Display for Still {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{STILL} {:?}", self.0)
    }
}

impl std::error::Error for Still {}

impl Pulse {
    pub(super) fn new(patience: Duration) -> Self {
        Self { last: Mutex::new(Instant::now()), patience }
    }

    /// A byte moved.
    pub(super) fn beat(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// What `work` gives, unless no byte moves for too long before that.
    pub(super) async fn unless_still<T>(&self, work: impl Future<Output = T>) -> Result<T, Still> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            still = self.stopped() => Err(still),
        }
    }

    async fn stopped(&self) -> Still {
        loop {
            let due = *self.last.lock().unwrap_or_else(PoisonError::into_inner) + self.patience;
            if Instant::now() >= due {
                return Still(self.patience);
            }
            sleep_until(due).await;
        }
    }
}

/// How the error begins.
pub(in crate::store) const STILL: &str = "no byte moved for";
