//! Several sessions work a schedule off.

use std::sync::{Mutex, PoisonError};

use lifeboat_core::Result;
use tokio::sync::Notify;

use super::schedule::{Job, Next, Schedule};
use super::worker::Worker;

/// Knows how a job is done.
///
/// An error ends the work of the whole crew, in the middle of whatever the others do.
pub(super) trait Does<T>: Sync {
    /// Does it on this session.
    fn work(&self, worker: &mut Worker, what: T) -> impl Future<Output = Result<()>> + Send;
}

/// Does all jobs, each on any of the sessions.
pub(super) async fn work_off<T: Send>(workers: &mut [Worker], jobs: Vec<Job<T>>, how: &impl Does<T>) -> Result<()> {
    let board = Board { schedule: Mutex::new(Schedule::new(jobs)), done: Notify::new() };
    let working = workers.iter_mut().map(|worker| Box::pin(board.work(worker, how)));
    futures_util::future::try_join_all(working).await?;
    Ok(())
}

struct Board<T> {
    schedule: Mutex<Schedule<T>>,
    done: Notify,
}

impl<T: Send> Board<T> {
    async fn work(&self, worker: &mut Worker, how: &impl Does<T>) -> Result<()> {
        loop {
            // Before the question: a job that is done between the two must be heard.
            let done = self.done.notified();
            let next = self.with(Schedule::next);
            match next {
                Next::Do(id, what) => {
                    how.work(worker, what).await?;
                    self.with(|schedule| schedule.done(id));
                    self.done.notify_waiters();
                }
                Next::Wait => done.await,
                Next::Nothing => return Ok(()),
            }
        }
    }

    fn with<R>(&self, act: impl FnOnce(&mut Schedule<T>) -> R) -> R {
        act(&mut self.schedule.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
