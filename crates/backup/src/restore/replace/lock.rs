//! One replacement of a database at a time.
//!
//! The lease is an advisory lock under the database's name, held by a session with the maintenance database from before
//! anything is looked at until the end: the server gives it back however we end. Whoever has it knows that what earlier runs left
//! belongs to nobody.

use std::time::Duration;

use lifeboat_core::{Error, Job, Kind, Result};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::super::preflight::maintenance;
use crate::postgres::{ConnectOptions, ConnectionSettings, DirectSession, Session as _, quote_literal};

/// A session that holds the lock of a database's name.
pub(super) struct Lease {
    pub(super) session: DirectSession,
    /// The database, on the one server that was reached.
    pub(super) live: ConnectionSettings,
    how: ConnectOptions,
}

/// A lease that speaks now and then: a session that does nothing is what firewalls forget.
pub(super) struct Resting {
    /// Dropped with whoever held it.
    stop: DropGuard,
    task: JoinHandle<Lease>,
}

impl Lease {
    /// Takes the lock of the database that `live` names.
    ///
    /// # Errors
    /// [`Kind::Locked`] when another run holds it.
    pub(super) async fn take(live: &ConnectionSettings, how: &ConnectOptions, job: &Job) -> Result<Self> {
        let session = locked(live, how, job).await?;
        let live = session.settings().with_dbname(&live.dbname);
        Ok(Self { session, live, how: how.clone() })
    }

    /// Lets the session rest, in a task of its own.
    pub(super) fn rest(mut self) -> Resting {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            while stopped.run_until_cancelled(tokio::time::sleep(SPEAK_EVERY)).await.is_some() {
                // Whether it is still there is asked when it is needed.
                drop(self.session.text("SELECT 1").await);
            }
            self
        });
        Resting { stop: stop.drop_guard(), task }
    }

    /// Puts another session in the place of one that was lost. When this returns, what that one was at has ended: the lock was its
    /// own until then. Also for a run that is cancelled.
    ///
    /// # Errors
    /// [`Kind::Locked`] when somebody else took the lock meanwhile.
    pub(super) async fn revive(&mut self, job: &Job) -> Result<()> {
        if self.session.text("SELECT 1").await.is_ok() {
            return Ok(());
        }
        let lost = self.session.server().pid;
        let job = Job::new(job.monitor.clone(), CancellationToken::new());
        let how = ConnectOptions { cancel: job.cancel.clone(), ..self.how.clone() };
        let mut session = maintenance(&self.live, &how, &job).await?;
        let name = &self.live.dbname;
        for attempt in 1..=REVIVALS {
            if try_lock(&mut session, name).await? {
                self.session = session;
                return Ok(());
            }
            // The server may not notice for hours that its client is gone.
            if attempt == END_THE_LOST_AFTER {
                session.text(&end_holder(name, lost)).await?;
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
        Err(locked_error(&self.live))
    }

    /// Gives the lock back: the next run need not wait until the server has noticed that this one is gone.
    pub(super) async fn release(mut self) {
        drop(self.session.execute("SELECT pg_catalog.pg_advisory_unlock_all()").await);
        self.session.close().await;
    }

    /// Another session with the maintenance database.
    pub(super) async fn another(&self, job: &Job) -> Result<DirectSession> {
        maintenance(&self.live, &self.how, job).await
    }
}

impl Resting {
    /// Wakes the session.
    pub(super) async fn wake(self, job: &Job) -> Result<Lease> {
        drop(self.stop);
        let mut lease = self.task.await.map_err(|_| Error::new(Kind::Failure, "hold the lock of the replacement"))?;
        lease.revive(job).await?;
        Ok(lease)
    }
}

async fn locked(live: &ConnectionSettings, how: &ConnectOptions, job: &Job) -> Result<DirectSession> {
    let mut session = maintenance(live, how, job).await?;
    for _ in 0..TRIES {
        if try_lock(&mut session, &live.dbname).await? {
            return Ok(session);
        }
        // The session of a killed run may take a moment to end.
        tokio::time::sleep(TRY_EVERY).await;
    }
    Err(locked_error(live))
}

async fn try_lock(session: &mut DirectSession, name: &str) -> Result<bool> {
    let take = format!("SELECT pg_catalog.pg_try_advisory_lock({})", key(name));
    Ok(session.text(&take).await?.as_deref() == Some("t"))
}

/// Ends the process that was ours, if it is still the one that has the lock.
fn end_holder(name: &str, pid: i32) -> String {
    format!(
        "SELECT pg_catalog.pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l WHERE l.pid = {pid} AND l.granted \
         AND l.locktype = 'advisory' AND (l.classid::int8 << 32) + l.objid::int8 = {}",
        key(name)
    )
}

fn key(name: &str) -> String {
    format!("pg_catalog.hashtextextended({}, 0)", quote_literal(&format!("lifeboat replace {name}")))
}

fn locked_error(live: &ConnectionSettings) -> Error {
    let doing = format!("replace {}: another run is at it", live.display());
    Error::new(Kind::Locked, doing).hint(
        "wait for it; if its host is gone, end its session: it is the one in pg_stat_activity that is called lifeboat/restore",
    )
}

const TRIES: u32 = 10;
const TRY_EVERY: Duration = Duration::from_millis(200);
/// A minute, and half of it for the transaction of a lost session to end by itself.
const REVIVALS: u32 = 300;
const END_THE_LOST_AFTER: u32 = 150;
const SPEAK_EVERY: Duration = Duration::from_secs(30);
