//! One run: its record, and the databases one after another.

use std::time::Duration;

use bytes::Bytes;
use lifeboat_core::keys::SealKeys;
use lifeboat_core::run::{DatabaseResult, RunEnd, RunStart};
use lifeboat_core::store::{Journal, Store, layout};
use lifeboat_core::{FORMAT, Job, Kind, Name, Result, ResultExt, RunId, TOOL, counted};
use serde::Serialize;

use super::{BackupOptions, BackupSummary, RunSummary, one, stall};
use crate::source::Source;
use lifeboat_core::sealing::Sealing;

/// A run whose record has begun.
pub(super) struct Run {
    pub(super) start: RunStart,
    pub(super) journal: Journal,
}

pub(super) async fn run(
    databases: Vec<(Name, Result<Source>)>,
    store: &Store,
    options: &BackupOptions,
    job: &Job,
) -> Result<RunSummary> {
    let names = databases.iter().map(|(name, _)| name.clone()).collect();
    let Run { start, journal } = open(names, store, options, job).await?;
    let run = start.run.clone();
    let mut results = Vec::new();
    for (name, source) in databases {
        let result = Box::pin(back_up(source, &run, store, &journal, options, job)).await;
        let result = result.map_err(|error| error.while_doing(format!("back up {name}")));
        results.push((name, result));
    }
    record_end(store, options, job, start, &results).await;
    Ok(RunSummary { run, results })
}

/// Begins a run, and its record.
pub(super) async fn open(databases: Vec<Name>, store: &Store, options: &BackupOptions, job: &Job) -> Result<Run> {
    let started = options.clock.now();
    let run = RunId::generate(started)?;
    let journal = Journal::open(&options.state_dir.join("uploads"))?;
    let start = RunStart { format: FORMAT, tool: TOOL.to_owned(), run, started, databases };
    begin(&start, store, &journal, options, job).await?;
    Ok(Run { start, journal })
}

/// The first word with the store: whether it can be written shows before anything is dumped.
async fn begin(start: &RunStart, store: &Store, journal: &Journal, options: &BackupOptions, job: &Job) -> Result<()> {
    let (watched, stalled) = stall::watch(job, options.stall_timeout);
    let work = async {
        let put = put_json(&store.clone().at_first_contact(), &watched, &layout::run_start(&start.run), start).await;
        // First, since a refusal for that reason does not say how far the clock is off.
        store.clock_off().inspect(|text| watched.warn(text));
        put?;
        let abandoned = store.abort_abandoned(journal).await?;
        if abandoned > 0 {
            watched.warn(&format!("aborted {} that an earlier run left open", counted(abandoned as u64, "upload")));
        }
        Ok(())
    };
    stall::end_when_stalled(work, stalled, &watched).await
}

async fn back_up(
    source: Result<Source>,
    run: &RunId,
    store: &Store,
    journal: &Journal,
    options: &BackupOptions,
    job: &Job,
) -> Result<BackupSummary> {
    job.check()?;
    let source = source?;
    let (watched, stalled) = stall::watch(job, options.stall_timeout);
    let work = Box::pin(one::back_up(&source, run, store, journal, options, &watched));
    stall::end_when_stalled(work, stalled, &watched).await
}

/// The record of the end is for readers; a backup that was committed stays one without it.
pub(super) async fn record_end(
    store: &Store,
    options: &BackupOptions,
    job: &Job,
    start: RunStart,
    results: &[(Name, Result<BackupSummary>)],
) {
    let mut end = RunEnd {
        start,
        finished: options.clock.now(),
        exit_code: exit_code(results),
        results: results.iter().map(|(database, result)| describe(database, result)).collect(),
    };
    // A cancelled run says so too, as long as that takes no retries.
    let job = Job::new(job.monitor.clone(), tokio_util::sync::CancellationToken::new());
    let store = store.clone().at_first_contact();
    let put = async {
        if let Some(keys) = &options.seal
            && let Err(error) = seal_errors(&mut end, keys, &store, &job).await
        {
            // The record without their texts still tells that the run ended, and how.
            job.warn(&format!("could not keep what the errors of the run say: {}", error.chain()));
        }
        put_json(&store, &job, &layout::run_end(&end.start.run), &end).await
    };
    match tokio::time::timeout(END_DEADLINE, put).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => job.warn(&format!("could not record the end of the run: {}", error.chain())),
        Err(_) => job.warn("could not record the end of the run: the store does not answer"),
    }
}

/// Moves what the errors say, which may be a row's values, out of the record and into a sealed object beside it. Out of
/// the record they are gone even after an error.
async fn seal_errors(end: &mut RunEnd, keys: &SealKeys, store: &Store, job: &Job) -> Result<()> {
    let details = end.take_errors();
    if details.errors.is_empty() {
        return Ok(());
    }
    let run = &end.start.run;
    let sealing = Sealing::begin(keys, run.as_str(), store, job, |name: &str| layout::run_object(run, name)).await?;
    let name = layout::sealed(layout::RUN_DETAILS);
    let json = serde_json::to_vec(&details).kind_of(Kind::Failure, || format!("write {name}"))?;
    store.put(job, &layout::run_object(run, &name), sealing.seal(&name, &json)?).await
}

fn exit_code(results: &[(Name, Result<BackupSummary>)]) -> u8 {
    let failed: Vec<_> = results.iter().filter_map(|(_, result)| result.as_ref().err()).collect();
    match failed.first() {
        None => 0,
        Some(_) if failed.iter().any(|error| error.kind() == Kind::Cancelled) => Kind::Cancelled.exit_code(),
        Some(first) if failed.len() == results.len() => first.kind().exit_code(),
        Some(_) => Kind::Partial.exit_code(),
    }
}

fn describe(database: &Name, result: &Result<BackupSummary>) -> DatabaseResult {
    let committed = result.as_ref().ok();
    let error = result.as_ref().err();
    DatabaseResult {
        database: database.clone(),
        backup: committed.map(|summary| summary.id.clone()),
        stored_bytes: committed.map_or(0, |summary| summary.stored_bytes),
        error_kind: error.map(|error| error.kind().name().to_owned()),
        error: error.map(lifeboat_core::Error::chain),
    }
}

async fn put_json(store: &Store, job: &Job, name: &str, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec_pretty(value).kind_of(Kind::Failure, || format!("write {name}"))?;
    store.put(job, name, Bytes::from(json)).await
}

/// The run is over: nobody should wait for its record longer than for a store that has to be asked again.
const END_DEADLINE: Duration = Duration::from_secs(10);
