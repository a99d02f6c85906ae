//! What every long operation is given: who listens, and what ends it.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};
use crate::monitor::{Counter, Event, Monitor};

/// A monitor and a cancellation token, handed down together.
#[derive(Clone)]
pub struct Job {
    /// Who listens.
    pub monitor: Arc<dyn Monitor>,
    /// What ends the operation early.
    pub cancel: CancellationToken,
}

impl Job {
    /// A job with its parts.
    pub fn new(monitor: Arc<dyn Monitor>, cancel: CancellationToken) -> Self {
        Self { monitor, cancel }
    }

    /// Says that a step begins.
    pub fn step(&self, text: &str) {
        self.monitor.event(&Event::Step(text));
    }

    /// Warns the operator.
    pub fn warn(&self, text: &str) {
        self.monitor.event(&Event::Warning(text));
    }

    /// Counts work done.
    pub fn count(&self, counter: Counter, by: u64) {
        self.monitor.event(&Event::Count(counter, by));
    }

    /// Says how much of a counter is expected.
    pub fn expect(&self, counter: Counter, total: u64) {
        self.monitor.event(&Event::Expect(counter, total));
    }

    /// The result of `work`, unless the job is cancelled first; then `work` is dropped where it stands.
    ///
    /// # Errors
    /// [`Kind::Cancelled`], or what `work` returns.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.cancel.run_until_cancelled(work).await.unwrap_or_else(|| Err(cancelled()))
    }

    /// Fails when the job is cancelled; for loops without a point to wait at.
    ///
    /// # Errors
    /// [`Kind::Cancelled`].
    pub fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() { Err(cancelled()) } else { Ok(()) }
    }
}

/// The error of a cancelled run.
#[must_use]
pub fn cancelled() -> Error {
    Error::new(Kind::Cancelled, "the run was cancelled")
}
