//! Takes backups.
//!
//! Invariant: the manifest is written last, after `pg_dump` ended well, every object is stored and every relation of the
//! source is accounted for. A run that fails leaves nothing that looks like a backup.

mod attachments;
mod dump;
mod import;
mod names;
mod one;
mod open;
mod plan;
mod run;
mod run_lock;
mod stall;
mod warned;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lifeboat_core::clock::{Clock, SystemClock};
use lifeboat_core::error::Kind;
use lifeboat_core::keys::{KeyId, SealKeys};
use lifeboat_core::manifest::{Compression, Manifest, Method};
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::{Store, UploadOptions};
use lifeboat_core::{BackupId, Error, Job, Name, Result, RunId};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use import::{ImportOptions, Taken, import};
pub(crate) use import::{Spooled, spool};
pub use plan::{BackupPlan, plan};

use crate::postgres::Retry;
use crate::source::{MethodChoice, Source};

/// How backups are taken.
#[derive(Clone)]
pub struct BackupOptions {
    /// The class, first folder of the backup's path.
    pub class: Name,
    /// Sizes and numbers of parts.
    pub upload: UploadOptions,
    /// Which method dumps a database that says nothing of its own.
    pub method: MethodChoice,
    /// How the script is compressed.
    pub compression: Compression,
    /// Connections that dump rows, by the method `parallel`; as many as suit this host and the server without it.
    pub jobs: Option<NonZeroUsize>,
    /// SQL bytes of one table's rows after which a range ends, for restores to load the next one beside it.
    pub chunk_bytes: u64,
    /// How long to wait for a table's lock, three times over.
    pub lock_timeout: Duration,
    /// A change of a table that has waited so long for the dump ends the run; zero lets it wait.
    pub yield_to_ddl: Duration,
    /// A snapshot that becomes older ends the run; zero is no limit.
    pub snapshot_max_age: Duration,
    /// A run that makes no progress for so long ends itself; zero lets it wait for ever.
    pub stall_timeout: Duration,
    /// When a failed connection to the database is tried again.
    pub connect_retry: Retry,
    /// What backups are encrypted and signed with; `None` stores them as they are.
    pub seal: Option<Arc<SealKeys>>,
    /// Where the journal of open uploads and lock files are kept.
    pub state_dir: PathBuf,
    /// Where credential files for the tools are written, in memory if possible.
    pub runtime_dir: PathBuf,
    /// Ends the run early.
    pub cancel: CancellationToken,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl BackupOptions {
    /// The defaults, with a folder for what must outlive the process.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            class: "daily".parse().expect("a valid name"),
            upload: UploadOptions::default(),
            method: MethodChoice::default(),
            compression: Compression::default(),
            jobs: None,
            chunk_bytes: CHUNK_BYTES,
            lock_timeout: Duration::from_secs(10),
            yield_to_ddl: Duration::ZERO,
            snapshot_max_age: Duration::ZERO,
            stall_timeout: Duration::from_secs(30 * 60),
            connect_retry: Retry::default(),
            seal: None,
            state_dir: state_dir.into(),
            runtime_dir: std::env::temp_dir(),
            cancel: CancellationToken::new(),
            clock: Arc::new(SystemClock),
        }
    }
}

const CHUNK_BYTES: u64 = 512 << 20;

/// A committed backup.
#[derive(Clone, Debug, Serialize)]
pub struct BackupSummary {
    /// The database's name in the store.
    pub database: Name,
    /// The backup.
    pub id: BackupId,
    /// Its class.
    pub class: Name,
    /// How it was dumped.
    pub method: Method,
    /// The moment whose state it holds.
    pub snapshot: Timestamp,
    /// Tables whose rows it holds.
    pub tables: usize,
    /// Their rows.
    pub rows: u64,
    /// SQL bytes of the script.
    pub sql_bytes: u64,
    /// Stored bytes, the manifest not counted.
    pub stored_bytes: u64,
    /// Seconds from start to commit.
    pub seconds: f64,
    /// The keys that open it; none where it is not sealed.
    pub keys: Vec<KeyId>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// The manifest as it was written.
    #[serde(skip)]
    pub manifest: Manifest,
}

/// What became of a run.
#[derive(Debug)]
pub struct RunSummary {
    /// The run.
    pub run: RunId,
    /// Each database's backup, or why there is none.
    pub results: Vec<(Name, Result<BackupSummary>)>,
}

impl RunSummary {
    /// The whole run as one result: the backups, or the error that stands for the run.
    ///
    /// # Errors
    /// [`Kind::Partial`] when some databases were backed up; the first error when none was.
    pub fn outcome(self) -> Result<Vec<BackupSummary>> {
        let total = self.results.len();
        let (done, mut failed): (Vec<_>, Vec<_>) =
            self.results.into_iter().map(|(_, result)| result).partition(Result::is_ok);
        let done: Vec<_> = done.into_iter().flatten().collect();
        if failed.is_empty() {
            return Ok(done);
        }
        let cancelled =
            failed.iter().position(|result| matches!(result, Err(error) if error.kind() == Kind::Cancelled));
        let error = failed.swap_remove(cancelled.unwrap_or(0)).expect_err("partitioned by is_ok");
        if done.is_empty() || cancelled.is_some() {
            return Err(error);
        }
        Err(Error::new(Kind::Partial, format!("back up {} of {total} databases", total - done.len())).caused_by(error))
    }
}

/// Backs up one database; for services that embed the library.
///
/// # Errors
/// By [`Kind`]: `Database`, `Tool`, `Locked`, `TryAgain`, `NotFound` and `Config` for the store, `Integrity` for a dump that
/// is incomplete, `Cancelled`. Nothing that looks like a backup is left then.
pub async fn backup(
    source: &Source,
    store: &Store,
    options: &BackupOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<BackupSummary> {
    let summary = backup_all(vec![(source.name.clone(), Ok(source.clone()))], store, options, monitor).await?;
    let mut backups = summary.outcome()?;
    backups.pop().ok_or_else(|| Error::new(Kind::Failure, "back up one database"))
}

/// Backs up several databases, one after another; one that fails does not stop the others, nor does one that cannot be
/// reached because its secret is not there: its error stands in place of its [`Source`] and becomes its result. The run's
/// record is written before the first and after the last.
///
/// # Errors
/// When the run cannot begin: the store refuses the record of its start.
pub async fn backup_all(
    databases: Vec<(Name, Result<Source>)>,
    store: &Store,
    options: &BackupOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RunSummary> {
    run::run(databases, store, options, &Job::new(monitor, options.cancel.clone())).await
}

#[cfg(test)]
mod tests {
    use super::{BackupOptions, Source, Store, backup};

    /// A service spawns backups: compiling this is the test.
    #[expect(dead_code, reason = "only its types are checked")]
    fn a_backup_can_be_spawned(source: Source, store: Store, options: BackupOptions) {
        let monitor = std::sync::Arc::new(lifeboat_core::monitor::Silent);
        drop(tokio::spawn(async move { backup(&source, &store, &options, monitor).await }));
    }
}
