//! Our own loop around `object_store`'s retries.
//!
//! The crate's loop repeats one signed request for seconds; incidents last minutes and signatures and credentials
//! expire. So its loop is kept short, and ours makes the call anew, with a new signature, for as long as the policy says.

use std::future::Future;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio::time::Instant;

use super::fault::{Fault, fatal, is_refusal, is_unresolved, judge, told};
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
    /// Time from the end of the first attempt, attempts and waits together, after which the call fails: a slow attempt that
    /// breaks off is always repeated.
    pub give_up_after: Duration,
    /// Whether nobody knows yet that the store is there: see [`RetryPolicy::first_contact`].
    pub first_contact: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(30),
            give_up_after: Duration::from_secs(600),
            first_contact: false,
        }
    }
}

impl RetryPolicy {
    /// For the calls that begin a run: a wrong endpoint should be told while the operator still looks. It is given less
    /// than half a minute, the time that attempts take counted, and a host name that does not resolve one more try.
    #[must_use]
    pub fn first_contact(self) -> Self {
        Self { give_up_after: self.give_up_after.min(FIRST_CONTACT), first_contact: true, ..self }
    }

    pub(super) async fn run<T, F>(&self, job: &Job, doing: &str, attempt: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        self.run_to_its_end(job, Duration::ZERO, &|| 0, doing, attempt).await
    }

    /// The same, but an attempt under way when the job is cancelled has `deadline` to end by itself, and as many refusals of
    /// the key as `may_pass` says at the time are taken for passing ones.
    pub(super) async fn run_to_its_end<T, F>(
        &self,
        job: &Job,
        deadline: Duration,
        may_pass: &(dyn Fn() -> u32 + Sync),
        doing: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut waits = self.waits();
        let (mut attempts, mut refusals) = (0, 0);
        let mut failing_since = self.first_contact.then(Instant::now);
        loop {
            attempts += 1;
            job.check()?;
            let error = match unless_overdue(job, deadline, attempt()).await? {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let is_worth_a_wait = match judge(&error) {
                Fault::Transient => true,
                Fault::Fatal(..) => {
                    refusals += 1;
                    is_refusal(&error) && refusals <= may_pass()
                }
            };
            let (true, Some(wait)) = (is_worth_a_wait, waits.next()) else { return Err(fatal(&error, doing)) };
            let failing = failing_since.get_or_insert_with(Instant::now).elapsed();
            if failing + wait > self.give_up_after || (self.first_contact && gives_up(&error, attempts)) {
                return Err(fatal(&error, doing));
            }
            job.monitor.event(&Event::Retry { doing, attempt: attempts, error: &told(&error) });
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

/// Whether this is the second time that the host name does not resolve.
fn gives_up(error: &object_store::Error, attempts: u32) -> bool {
    attempts > 1 && is_unresolved(error)
}

const FIRST_CONTACT: Duration = Duration::from_secs(25);

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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::RetryPolicy;
    use crate::error::{Kind, Result};
    use crate::job::Job;
    use crate::monitor::{Event, Monitor};

    // The clock of these tests stands still while anything is to be done, and goes on to the end of the next wait.

    const MINUTE: Duration = Duration::from_secs(60);

    #[derive(Default)]
    struct Retries(Mutex<Vec<String>>);

    impl Monitor for Retries {
        fn event(&self, event: &Event<'_>) {
            if let Event::Retry { attempt, error, .. } = event {
                self.0.lock().unwrap().push(format!("{attempt}: {error}"));
            }
        }
    }

    /// The result of a call that a store answers with 503 for so long, and the retries that were told.
    async fn refused_for(time: Duration) -> (Result<&'static str>, Vec<String>) {
        let retries = Arc::new(Retries::default());
        let job = Job::new(retries.clone(), CancellationToken::new());
        let began = Instant::now();
        let result = RetryPolicy::default()
            .run(&job, "write a/b", || async { if began.elapsed() < time { Err(slow_down()) } else { Ok("written") } })
            .await;
        let told = retries.0.lock().unwrap().clone();
        (result, told)
    }

    fn slow_down() -> object_store::Error {
        let answer = "Server returned non-2xx status code: 503 Service Unavailable: \
            <Error><Code>SlowDown</Code><Message>Please reduce your request rate</Message></Error>";
        object_store::Error::Generic { store: "S3", source: answer.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_answers_503_for_a_minute_is_waited_for() {
        let (result, told) = refused_for(MINUTE).await;
        assert_eq!(result.unwrap(), "written");
        // Waits grow: after at most 2, 4, 8, 16 and 30 of them the minute is over.
        assert!((2..=9).contains(&told.len()), "{told:?}");
        assert!(told[0].starts_with("1: the store answered 503 Service Unavailable (SlowDown)"), "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_answers_503_for_longer_than_the_policy_says_try_again() {
        let began = Instant::now();
        let (result, told) = refused_for(MINUTE * 100).await;
        let waited = began.elapsed();
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.kind().exit_code()), (Kind::TryAgain, 75));
        assert!(error.chain().contains("write a/b: the store answered 503"), "{error:?}");
        assert!((MINUTE * 5..=MINUTE * 10).contains(&waited), "gave up after {waited:?}");
        assert!(told.len() > 15, "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_of_what_was_allowed_before_is_asked_about_and_one_that_lasts_is_believed() {
        let job = Job::new(Arc::new(Retries::default()), CancellationToken::new());
        let refused = |times: u32, allowed: u32| {
            let (job, attempts) = (&job, AtomicU32::new(0));
            async move {
                let attempt = || async {
                    let earlier = attempts.fetch_add(1, Ordering::Relaxed);
                    if earlier < times { Err(denied()) } else { Ok(()) }
                };
                let done =
                    RetryPolicy::default().run_to_its_end(job, Duration::ZERO, &|| allowed, "write x", attempt).await;
                (done.map_err(|error| error.kind()), attempts.load(Ordering::Relaxed))
            }
        };
        assert_eq!(refused(1, 2).await, (Ok(()), 2));
        assert_eq!(refused(9, 2).await, (Err(Kind::Config), 3));
        assert_eq!(refused(1, 0).await, (Err(Kind::Config), 1));
    }

    fn denied() -> object_store::Error {
        let answer = "Server returned non-2xx status code: 403 Forbidden: <Code>AccessDenied</Code>";
        object_store::Error::PermissionDenied { path: "x".into(), source: answer.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn at_first_contact_slow_attempts_count_and_a_name_that_does_not_resolve_is_tried_twice() {
        let impatient =
            RetryPolicy { first_contact: true, give_up_after: Duration::from_secs(100), ..RetryPolicy::default() };
        let job = Job::new(Arc::new(Retries::default()), CancellationToken::new());
        let attempts = AtomicU32::new(0);
        let failing = |error: fn() -> object_store::Error| {
            let attempts = &attempts;
            move || async move {
                attempts.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(MINUTE).await;
                Err::<(), _>(error())
            }
        };
        assert_eq!(impatient.run(&job, "read x", failing(slow_down)).await.unwrap_err().kind(), Kind::TryAgain);
        assert_eq!(attempts.swap(0, Ordering::Relaxed), 2);
        let patient_about_time = RetryPolicy { give_up_after: MINUTE * 100, ..impatient };
        let error = patient_about_time.run(&job, "read x", failing(unresolved)).await.unwrap_err();
        assert_eq!(error.kind(), Kind::TryAgain);
        assert!(error.help().unwrap().contains("host name"), "{error:?}");
        assert_eq!(attempts.into_inner(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_attempts_counts_but_that_of_the_first() {
        let policy = RetryPolicy { give_up_after: Duration::from_secs(190), ..RetryPolicy::default() };
        let job = Job::new(Arc::new(Retries::default()), CancellationToken::new());
        let attempts = AtomicU32::new(0);
        let slow = |time: Duration| {
            let attempts = &attempts;
            move || async move {
                attempts.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(time).await;
                Err::<(), _>(slow_down())
            }
        };
        policy.run(&job, "write x", slow(MINUTE)).await.unwrap_err();
        let counted = attempts.swap(0, Ordering::Relaxed);
        assert_eq!(counted, 4, "the first, and three more in 190 s");
        policy.run(&job, "write x", slow(MINUTE * 7)).await.unwrap_err();
        assert_eq!(attempts.into_inner(), 2);
    }

    fn unresolved() -> object_store::Error {
        let text = "client error (Connect): dns error: failed to lookup address information";
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn the_default_waits_for_ten_minutes_and_the_first_contact_for_half_of_one() {
        let seconds = |policy: RetryPolicy| policy.waits().sum::<Duration>().as_secs();
        let patient = RetryPolicy::default();
        assert!((540..=600).contains(&seconds(patient)), "{}", seconds(patient));
        assert!((15..=30).contains(&seconds(patient.first_contact())), "{}", seconds(patient.first_contact()));
    }
}
