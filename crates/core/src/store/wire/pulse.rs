//! Whether the bytes of a request still move.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// When a byte moved last.
///
/// Of a request's body the kernel takes megabytes that a slow line has yet to carry, and nothing tells how far they are. So
/// until the answer comes, a line that took long so far may take as long again; the kernel itself ends one that carries nothing.
#[derive(Debug)]
pub(super) struct Pulse {
    began: Instant,
    last: Mutex<Instant>,
    answered: AtomicBool,
    patience: Duration,
}

/// No byte moved for too long.
#[derive(Debug)]
pub(super) struct Still(Duration);

impl std::fmt::Display for Still {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{STILL} {:?}", Duration::from_millis(self.0.as_millis() as u64))
    }
}

impl std::error::Error for Still {}

impl Pulse {
    pub(super) fn new(patience: Duration) -> Self {
        let began = Instant::now();
        Self { began, last: Mutex::new(began), answered: AtomicBool::new(false), patience }
    }

    /// The answer begins: from here on every byte is seen when it arrives.
    pub(super) fn answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
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
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let patience = self.patience_since(last);
            if last.elapsed() >= patience {
                return Still(patience);
            }
            sleep_until(last + patience).await;
        }
    }

    fn patience_since(&self, last: Instant) -> Duration {
        let sent_for = if self.answered.load(Ordering::Relaxed) { Duration::ZERO } else { last - self.began };
        self.patience.max(sent_for.min(SENT_AGAIN))
    }
}

/// The most that a line is given once more.
const SENT_AGAIN: Duration = Duration::from_secs(600);
/// How the error begins.
pub(in crate::store) const STILL: &str = "no byte moved for";
