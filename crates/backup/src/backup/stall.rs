//! Ends a run that makes no progress, whatever it hangs on.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lifeboat_core::monitor::{Event, Monitor};
use lifeboat_core::{Error, Job, Kind, Result};

/// Counts events on their way to the operator's monitor: any of them is progress.
struct Watched {
    monitor: Arc<dyn Monitor>,
    events: Arc<AtomicU64>,
}

impl Monitor for Watched {
    fn event(&self, event: &Event<'_>) {
        if !matches!(event, Event::Retry { .. }) {
            self.events.fetch_add(1, Ordering::Relaxed);
        }
        self.monitor.event(event);
    }
}

/// What notices that nothing happens any more.
pub(super) struct Stall {
    events: Arc<AtomicU64>,
    timeout: Duration,
}

/// A job whose progress is watched and that can be cancelled by itself.
pub(super) fn watch(job: &Job, timeout: Duration) -> (Job, Stall) {
    let events = Arc::new(AtomicU64::new(0));
    let monitor = Arc::new(Watched { monitor: job.monitor.clone(), events: events.clone() });
    (Job::new(monitor, job.cancel.child_token()), Stall { events, timeout })
}

/// The result of `work`; when it stalls, `work` is cancelled, may clean up, and the stall is the error.
pub(super) async fn end_when_stalled<T>(work: impl Future<Output = Result<T>>, stall: Stall, job: &Job) -> Result<T> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        result = &mut work => return result,
        () = stall.happens() => job.cancel.cancel(),
    }
    let result = work.await;
    result.map_err(|error| {
        Error::new(Kind::TryAgain, format!("make progress: nothing moved for {}", spoken(stall.timeout)))
            .hint("look at the database's locks, at the network to it, and at the store; then run again")
            .caused_by(error)
    })
}

fn spoken(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 120.0 { format!("{seconds} seconds") } else { format!("{:.0} minutes", seconds / 60.0) }
}

impl Stall {
    /// Never, when the timeout is zero.
    async fn happens(&self) {
        if self.timeout.is_zero() {
            return std::future::pending().await;
        }
        let mut seen = self.events.load(Ordering::Relaxed);
        loop {
            tokio::time::sleep(self.timeout).await;
            let now = self.events.load(Ordering::Relaxed);
            if now == seen {
                return;
            }
            seen = now;
        }
    }
}
