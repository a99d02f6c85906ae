//! The runs of a store: what became of each, from the two records that it leaves.
//!
//! Invariant: a record that cannot be read says nothing; a run without a record of its end is not taken for one that ended.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use lifeboat_core::clock::{Clock, SystemClock};
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::manifest::refuse_other_formats;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::run::{RunDetails, RunEnd, RunStart};
use lifeboat_core::sealing::SmallObjects;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, RUN_DETAILS, RUNS, RunRecord};
use lifeboat_core::{Error, Job, Kind, Name, Result, ResultExt, RunId};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// Which runs to list.
#[derive(Clone)]
pub struct RunsOptions {
    /// Only those that were to back this database up.
    pub database: Option<Name>,
    /// The newest so many.
    pub last: usize,
    /// Ends the listing early.
    pub cancel: CancellationToken,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for RunsOptions {
    fn default() -> Self {
        Self { database: None, last: 30, cancel: CancellationToken::new(), clock: Arc::new(SystemClock) }
    }
}

/// A run, as its records tell it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedRun {
    /// The run.
    pub run: RunId,
    /// When it began.
    pub started: Timestamp,
    /// The databases that it was to back up; none where its records cannot be read.
    pub databases: Vec<Name>,
    /// What became of it.
    #[serde(flatten)]
    pub state: RunState,
}

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum RunState {
    /// It came to its end.
    Ended {
        /// How.
        end: Box<RunEnd>,
    },
    /// It began less than two days ago and has no end on record: it runs, or is lost.
    Unfinished,
    /// It never ended.
    Lost,
    /// A record of it is damaged.
    Unreadable {
        /// Why.
        reason: String,
    },
}

impl ListedRun {
    /// How it ended, when it did.
    #[must_use]
    pub fn end(&self) -> Option<&RunEnd> {
        match &self.state {
            RunState::Ended { end } => Some(end),
            _ => None,
        }
    }
}

/// The newest runs, newest first: one listing, and one small object for each.
///
/// # Errors
/// Those of the store; a record that cannot be read is a [`RunState::Unreadable`], not an error.
pub async fn runs(store: &Store, options: &RunsOptions, monitor: Arc<dyn Monitor>) -> Result<Vec<ListedRun>> {
    let job = Job::new(monitor, options.cancel.clone());
    let store = &store.clone().at_first_contact();
    let (now, found) = (options.clock.now(), names(store, &job).await?);
    let mut described = pin!(described(found.into_iter().rev(), now, store, &job));
    let mut listed = Vec::new();
    while listed.len() < options.last
        && let Some(run) = described.next().await
    {
        let run = run?;
        if options.database.as_ref().is_none_or(|name| run.databases.contains(name)) {
            listed.push(run);
        }
    }
    // Ids tell seconds only.
    listed.sort_by(|a, b| (b.started, &b.run).cmp(&(a.started, &a.run)));
    Ok(listed)
}

/// What the errors of a run say, opened where they are sealed.
///
/// # Errors
/// [`Kind::NotFound`] where none are kept apart: then the record has them. Those of [`OpenKeys::open`] and of the store.
pub async fn run_details(run: &RunId, store: &Store, keys: &OpenKeys, job: &Job) -> Result<RunDetails> {
    let place = |name: &str| layout::run_object(run, name);
    let objects = SmallObjects::list(run.as_str(), store, job, place).await?;
    let what = format!("what the errors of the run {run} say");
    let json = objects.read(RUN_DETAILS, &what, store, keys, job).await?;
    refuse_other_formats(&json)?;
    serde_json::from_slice(&json).kind_of(Kind::Integrity, || format!("read {what}"))
}

/// Every run that began since `since`.
pub(super) async fn runs_since(since: Timestamp, now: Timestamp, store: &Store, job: &Job) -> Result<Vec<ListedRun>> {
    let found = names(store, job).await?.into_iter().filter(|(run, _)| run.start() >= since);
    described(found, now, store, job).try_collect().await
}

/// One listing: every run that left a record, and whether it is one of its end.
async fn names(store: &Store, job: &Job) -> Result<BTreeMap<RunId, bool>> {
    let mut found = BTreeMap::new();
    for object in store.list(job, RUNS).await? {
        if let Some((run, record)) = layout::parse_run_record(&object.name) {
            *found.entry(run).or_insert(false) |= record == RunRecord::End;
        }
    }
    Ok(found)
}

fn described<'a>(
    found: impl Iterator<Item = (RunId, bool)> + 'a,
    now: Timestamp,
    store: &'a Store,
    job: &'a Job,
) -> impl futures_util::Stream<Item = Result<ListedRun>> + 'a {
    stream::iter(found).map(move |(run, ended)| describe(run, ended, now, store, job)).buffered(READS_AT_ONCE)
}

async fn describe(run: RunId, ended: bool, now: Timestamp, store: &Store, job: &Job) -> Result<ListedRun> {
    let name = if ended { layout::run_end(&run) } else { layout::run_start(&run) };
    let document = match store.get(job, &name).await {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == Kind::NotFound => Err(error),
        Err(error) => return Err(error),
    };
    let read = document.and_then(|bytes| if ended { end(&bytes, &run) } else { unfinished(&bytes, &run, now) });
    let started = run.start();
    Ok(read.unwrap_or_else(|error| {
        let reason = error.while_doing(format!("read {name}")).chain();
        ListedRun { run, started, databases: Vec::new(), state: RunState::Unreadable { reason } }
    }))
}

fn end(document: &[u8], run: &RunId) -> Result<ListedRun> {
    refuse_other_formats(document)?;
    let end: RunEnd = serde_json::from_slice(document).kind_of(Kind::Integrity, || "read the end of a run".into())?;
    let RunStart { started, databases, .. } = of_run(&end.start, run)?.clone();
    Ok(ListedRun { run: run.clone(), started, databases, state: RunState::Ended { end: Box::new(end) } })
}

fn unfinished(document: &[u8], run: &RunId, now: Timestamp) -> Result<ListedRun> {
    refuse_other_formats(document)?;
    let start: RunStart =
        serde_json::from_slice(document).kind_of(Kind::Integrity, || "read the start of a run".into())?;
    let RunStart { started, databases, .. } = of_run(&start, run)?.clone();
    let state = if now.duration_since(started) < MAY_RUN { RunState::Unfinished } else { RunState::Lost };
    Ok(ListedRun { run: run.clone(), started, databases, state })
}

fn of_run<'a>(start: &'a RunStart, run: &RunId) -> Result<&'a RunStart> {
    if start.run == *run {
        return Ok(start);
    }
    Err(Error::new(Kind::Integrity, format!("trust the record: it is of the run {}, and lies elsewhere", start.run)))
}

const READS_AT_ONCE: usize = 16;
/// Nothing runs for longer.
pub(super) const MAY_RUN: SignedDuration = SignedDuration::from_hours(48);
