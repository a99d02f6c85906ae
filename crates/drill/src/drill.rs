//! One drill, from its start record to its end record.
//!
//! Invariant: whatever happens in between, the scratch database is closed, and the drill ends with a report that is
//! recorded or said to be not.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_backup::archive::{Archive, find, find_before};
use lifeboat_backup::{BackupRef, MissingRoles, RestoreOptions, restore};
use lifeboat_core::drill::{DrillStart, Proven, Verdict};
use lifeboat_core::job::cancelled;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::{DrillId, Error, FORMAT, Job, Kind, Name, Result, RunId, TOOL};
use tokio_util::sync::CancellationToken;

use crate::check::{Checked, Subject, check_all, smoke};
use crate::findings::Findings;
use crate::history;
use crate::options::DrillOptions;
use crate::record::Recorder;
use crate::report::DrillReport;
use crate::scratch::{Needs, Scratch, ScratchOptions};
use crate::verdict::Stage;

/// Drills the backup that `reference` names, which must name its database.
///
/// Whatever is found out about the backup is in the report, and so is what kept the drill from finding out.
///
/// # Errors
/// [`Kind::Usage`] when no database is named; [`Kind::Cancelled`] when the drill was ended early, which is recorded too.
pub async fn drill(
    store: &Store,
    reference: &BackupRef,
    options: &DrillOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<DrillReport> {
    let job = Job::new(monitor, options.cancel.child_token());
    let start = begin(reference, options)?;
    let mut findings = Findings::start();
    let recorder = match Recorder::begin(start.clone(), store, options.seal.clone(), &job).await {
        Ok(recorder) => Some(recorder),
        Err(error) => {
            findings.warn(format!("the drill is not recorded: {}", error.chain()), &job);
            None
        }
    };
    let drilled = stages(store, reference, &start, options, &job, &mut findings);
    let ended = within(options.timeout, &job, Box::pin(drilled)).await;
    let mut report = findings.report(start, ended, options);
    if let Some(recorder) = recorder
        && let Err(error) = recorder.end(&report, &job).await
    {
        let warning = format!("could not record how the drill ended: {}", error.chain());
        job.warn(&warning);
        report.warnings.push(warning);
    }
    if options.cancel.is_cancelled() { Err(cancelled()) } else { Ok(report) }
}

fn begin(reference: &BackupRef, options: &DrillOptions) -> Result<DrillStart> {
    let database = reference.database.clone().ok_or_else(|| {
        Error::new(Kind::Usage, format!("drill {reference}: it names no database")).hint("write DATABASE/latest")
    })?;
    let started = options.clock.now();
    let drill = DrillId::generate(started)?;
    let run = options.run.clone().unwrap_or_else(|| drill.clone());
    Ok(DrillStart { format: FORMAT, tool: TOOL.to_owned(), drill, run, database, started })
}

/// What ended a drill before its checks were through, and where.
pub(crate) type Ended = Result<(), (Stage, Error)>;

/// Cancels the job when it takes longer than `limit`; the work then cleans up as for any cancellation.
async fn within(limit: Option<Duration>, job: &Job, work: impl Future<Output = Ended>) -> Ended {
    let Some(limit) = limit else { return work.await };
    tokio::pin!(work);
    match tokio::time::timeout(limit, &mut work).await {
        Ok(ended) => ended,
        Err(_) => {
            job.cancel.cancel();
            let stage = work.await.err().map_or(Stage::Restore, |(stage, _)| stage);
            let error = Error::new(Kind::TryAgain, format!("end within {} s", limit.as_secs()))
                .hint("give [drill] a longer timeout, or a budget for the comparison of rows");
            Err((stage, error))
        }
    }
}

async fn stages(
    store: &Store,
    reference: &BackupRef,
    start: &DrillStart,
    options: &DrillOptions,
    job: &Job,
    findings: &mut Findings,
) -> Ended {
    let at = |stage| move |error| (stage, error);
    let finding = find(store, &options.keys, job, reference);
    let archive = findings.watch.phase("find", true, job.run(finding)).await.map_err(at(Stage::Find))?;
    findings.found(&archive);
    let needs = Needs::of(&archive);
    let opening = Scratch::open(&options.scratch, &needs, &start.drill, job);
    let scratch = findings.watch.phase("scratch", true, Box::pin(opening)).await.map_err(at(Stage::Scratch))?;
    findings.scratch = Some(scratch.facts());
    let ended = Box::pin(in_scratch(&scratch, store, &archive, start, options, job, findings)).await;
    // A cancelled drill cleans up too.
    let job = Job::new(job.monitor.clone(), CancellationToken::new());
    job.step("clean up");
    if let Err(error) = findings.watch.phase("clean up", false, scratch.close(&job)).await {
        findings.warn(format!("could not clean up: {}; `lifeboat drill gc` does", error.chain()), &job);
    }
    ended
}

async fn in_scratch(
    scratch: &Scratch,
    store: &Store,
    archive: &Archive,
    start: &DrillStart,
    options: &DrillOptions,
    job: &Job,
    findings: &mut Findings,
) -> Ended {
    let how = restore_options(scratch, options, job);
    // By its id: `latest` may be another backup by now.
    let reference = archive.path.to_string().parse().map_err(|error| (Stage::Find, error))?;
    let restoring = restore(store, &reference, scratch.target(), &how, job.monitor.clone());
    let restored = findings.watch.phase("restore", true, Box::pin(restoring)).await;
    let restored = restored.map_err(|error| (Stage::Restore, error))?;
    findings.usable(&restored);
    let earlier = Earlier::read(store, archive, &start.database, options, job, findings).await;
    let subject = Subject {
        store,
        archive,
        target: scratch.target(),
        earlier: earlier.backup.as_ref(),
        drills: &earlier.drills,
        options: &options.checks,
        started: start.started,
    };
    let checking = check_all(&subject, job);
    let checked = findings.watch.phase("checks", false, Box::pin(checking)).await;
    findings.checked = checked.map_err(|error| (Stage::Restore, error))?;
    if let Some(program) = &options.smoke {
        let running = smoke(program, scratch.target(), job);
        let report = findings.watch.phase("smoke", false, Box::pin(running)).await;
        findings.checked.reports.push(report.map_err(|error| (Stage::Restore, error))?);
    }
    Ok(())
}

fn restore_options(scratch: &Scratch, options: &DrillOptions, job: &Job) -> RestoreOptions {
    RestoreOptions {
        create: scratch.creates(),
        jobs: options.jobs,
        roles: scratch.roles(),
        keys: options.keys.clone(),
        cancel: job.cancel.clone(),
        ..RestoreOptions::default()
    }
}

/// What was known before this drill.
#[derive(Default)]
struct Earlier {
    backup: Option<Archive>,
    drills: Vec<DrillReport>,
}

impl Earlier {
    /// What cannot be read is left open, and no reason to fail.
    async fn read(
        store: &Store,
        archive: &Archive,
        database: &Name,
        options: &DrillOptions,
        job: &Job,
        findings: &mut Findings,
    ) -> Self {
        let backup = find_before(store, &options.keys, job, &archive.path).await;
        let backup = backup.unwrap_or_else(|error| {
            findings.leave_open("how tables changed since the backup before", &error);
            None
        });
        let drills = history::earlier_reports(database, REPORTS, store, &options.keys, job).await;
        let drills = drills.unwrap_or_else(|error| {
            findings.leave_open("which tables earlier drills proved", &error);
            Vec::new()
        });
        Self { backup, drills }
    }
}

/// A year of monthly drills, or a fortnight of nightly ones.
const REPORTS: usize = 14;
