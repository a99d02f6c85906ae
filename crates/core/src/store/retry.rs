//! Our own loop around `object_store`'s retries.
//!
//! The crate's loop repeats one signed request for seconds; incidents last minutes and signatures and credentials
//! expire. So its loop is kept short, and ours makes the call anew, with a new signature, for as long as the policy says.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};

use super::fault::{Fault, answer, fatal, judge, whole_text};
use crate::error::Result;
use crate::job::{Job, cancelled};
use crate::monitor::Event;

/// How patiently a call to the store is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// First wait; each later one is twice as long, with jitter.
    pub first_wait: Duration,
    /// Longest single wait.
    pub longest_wait: Duration,
    /// Sum of all waits after which the call fails.
    pub give_up_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
            give_up_after: Duration::from_secs(600),
        }
    }
}

impl RetryPolicy {
    /// For the first call of a run: a wrong endpoint should be told while the operator still looks.
    #[must_use]
    pub fn first_contact(self) -> Self {
        Self { give_up_after: self.give_up_after.min(Duration::from_secs(15)), ..self }
    }

    pub(super) async fn run<T, F>(&self, job: &Job, doing: &str, attempt: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        self.run_to_its_end(job, Duration::ZERO, doing, attempt).await
    }

    /// The same, but an attempt under way when the job is cancelled has `deadline` to end by itself.
    pub(super) async fn run_to_its_end<T, F>(
        &self,
        job: &Job,
        deadline: Duration,
        doing: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut waits = self.waits();
        let mut attempts = 0;
        loop {
            attempts += 1;
            job.check()?;
            let error = match unless_overdue(job, deadline, attempt()).await? {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let (Fault::Transient, Some(wait)) = (judge(&error), waits.next()) else {
                return Err(fatal(error, doing));
            };
            let text = whole_text(&error);
            let error = answer(&text).unwrap_or(text);
            job.monitor.event(&Event::Retry { doing, attempt: attempts, error: &error });
            job.run(async {
                tokio::time::sleep(wait).await;
                Ok(())
            })
            .await?;
        }
    }

    fn waits(&self) -> impl Iterator<Item = Duration> {
        ExponentialBuilder::default()
            .with_min_delay(self.first_wait)
            .with_max_delay(self.longest_wait)
            .with_total_delay(Some(self.give_up_after))
            .without_max_times()
            .with_jitter()
            .build()
    }
}

async fn unless_overdue<T>(job: &Job, deadline: Duration, attempt: impl Future<Output = T>) -> Result<T> {
    let overdue = async {
        job.cancel.cancelled().await;
        if !deadline.is_zero() {
            tokio::time::sleep(deadline).await;
        }
    };
    tokio::select! {
        biased;
        done = attempt => Ok(done),
        () = overdue => Err(cancelled()),
    }
}
