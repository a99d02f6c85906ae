//! How a sweep goes about it.

use std::str::FromStr;
use std::time::Duration;

use lifeboat_core::{Error, Kind, Result};
use serde::{Deserialize, Serialize};

use super::accept::AcceptList;
use super::binding::Declared;

/// What the application can do while its key changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It reads both keys and runs on.
    #[default]
    Online,
    /// It reads one key: values under the new one are made beside it, and put in place in one short transaction.
    Staged,
    /// It is stopped: one transaction, all or nothing.
    Offline,
}

impl Mode {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Staged => "staged",
            Self::Offline => "offline",
        }
    }
}

impl FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = [Self::Online, Self::Staged, Self::Offline].into_iter().find(|mode| mode.name() == text);
        known.ok_or_else(|| {
            Error::new(Kind::Usage, format!("rotate in the mode {text:?}")).hint("it is online, staged or offline")
        })
    }
}

/// In which order rows are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// By their key, through its index.
    Key,
    /// By where they lie.
    Place,
}

/// How [`run`](super::run) and its like work. [`Default`] is what suits a database in use.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// What the application can do meanwhile. None: what was said when the rotation began, [`Mode::Online`] for a new one.
    pub mode: Option<Mode>,
    /// In the mode staged: put the prepared values in place.
    pub cut_over: bool,
    /// Sessions that work side by side. None: one for each of this machine's cores, four at most.
    pub jobs: Option<usize>,
    /// Rows of a batch. None: as many as take [`Limits::batch_time`].
    pub batch_rows: Option<usize>,
    /// In which order rows are read. None: by key where there is one.
    pub order: Option<Order>,
    /// What the sweep leaves to others.
    pub limits: Limits,
    /// Rows that may stay as they are.
    pub accept: AcceptList,
    /// What is known of other columns of the database: targets that their values are bound to are refused.
    pub declared: Vec<Declared>,
    /// Open everything, write nothing.
    pub dry_run: bool,
    /// Fingerprints of the new keys as the operator knows them; a key of another one is refused. Empty: not asked.
    pub expected_new: Vec<String>,
    /// Rows that are named in a report, for each target.
    pub failures_named: usize,
    /// After so many passes a table that never comes to rest is left.
    pub max_passes: u32,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self {
            mode: None,
            cut_over: false,
            jobs: None,
            batch_rows: None,
            order: None,
            limits: Limits::default(),
            accept: AcceptList::default(),
            declared: Vec::new(),
            dry_run: false,
            expected_new: Vec::new(),
            failures_named: 1000,
            max_passes: 10,
        }
    }
}

/// What a sweep leaves to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a batch should hold its rows: batches grow and shrink to it.
    pub batch_time: Duration,
    /// How long a batch should take, from reading its rows to their commit, while others write in the server; then, too, one session
    /// of the sweep works at a time, and rests for three times as long after each batch. Zero: whether others do is not looked at.
    pub shared_batch_time: Duration,
    /// No batch takes more rows once those that it has read have so many bytes.
    pub batch_bytes: usize,
    /// The wait after each batch.
    pub pause: Duration,
    /// How far a standby may lag behind before the sweep waits for it. None: it never waits.
    pub replication_lag: Option<Duration>,
    /// How long the sweep waits for an autovacuum that is at work on its table, each time it finds one. Zero: it does not.
    pub autovacuum: Duration,
    /// How long a statement may run. Zero: without limit.
    pub statement_timeout: Duration,
    /// How long a statement waits for a row or a table that another session holds. Zero: without limit.
    pub lock_timeout: Duration,
    /// How long to wait for another run on the same database to end.
    pub runner: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_time: Duration::from_millis(100),
            shared_batch_time: Duration::from_micros(1500),
            batch_bytes: 16 << 20,
            pause: Duration::ZERO,
            replication_lag: Some(Duration::from_secs(10)),
            autovacuum: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(300),
            lock_timeout: Duration::from_secs(2),
            runner: Duration::from_secs(5),
        }
    }
}
