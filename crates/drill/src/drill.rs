//! One drill, from its start record to its end record.
//!
//! Invariant: whatever happens in between, the scratch database is closed, and the drill ends with a report that is
//! recorded or said to be not.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_backup::archive::{Archive, find, find_before};
use lifeboat_backup::postgres::{ConnectOptions, Retry, connect};
use lifeboat_backup::{BackupRef, RestoreOptions, restore};
use lifeboat_core::drill::DrillStart;
use lifeboat_core::job::cancelled;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::{DrillId, Error, FORMAT, Job, Kind, Name, Result, TOOL};

use crate::check::{Checked, Subject, assert_all, check_into, smoke};
use crate::findings::Findings;
use crate::history;
use crate::options::DrillOptions;
use crate::record::Recorder;
use crate::report::DrillReport;
use crate::scratch::{Needs, Scratch, disarm};
use crate::verdict::{self, Stage};

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
            let later = "it is tried again when the drill ends";
            findings.warn(format!("could not record that the drill began: {}; {later}", error.chain()), &job);
            None
        }
    };
    let drilled = stages(store, reference, &start, options, &job, &mut findings);
    let ended = within(options.timeout, &job, Box::pin(drilled)).await;
    let report = findings.report(start, &ended, options);
    let report = Box::pin(recorded(report, recorder, store, options, &job)).await;
    if options.cancel.is_cancelled() { Err(cancelled()) } else { Ok(report) }
}

/// Reports, and records where the store can be reached, that `why` kept a drill from its first step.
///
/// # Errors
/// Those of [`drill`].
pub async fn not_begun(
    store: &Store,
    reference: &BackupRef,
    why: Error,
    options: &DrillOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<DrillReport> {
    let job = Job::new(monitor, options.cancel.child_token());
    let report = Findings::start().report(begin(reference, options)?, &Err((Stage::Scratch, why)), options);
    let report = Box::pin(recorded(report, None, store, options, &job)).await;
    if options.cancel.is_cancelled() { Err(cancelled()) } else { Ok(report) }
}

/// Records how a drill ended; a proof that nobody else will know of is none.
async fn recorded(
    mut report: DrillReport,
    recorder: Option<Recorder>,
    store: &Store,
    options: &DrillOptions,
    job: &Job,
) -> DrillReport {
    let recorder = match recorder {
        Some(recorder) => Ok(recorder),
        None => Recorder::begin_late(report.start(), store, options.seal.clone(), job).await,
    };
    let ended = match recorder {
        Ok(recorder) => recorder.end(&report, job).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(None) => {}
        Ok(Some(why)) => warn(&mut report, format!("could not keep the report of the drill: {}", why.chain()), job),
        Err(error) => {
            let why = format!("could not record how the drill ended: {}", error.chain());
            verdict::unrecorded(&mut report, &why);
            warn(&mut report, why, job);
        }
    }
    report
}

fn warn(report: &mut DrillReport, text: String, job: &Job) {
    job.warn(&text);
    report.warnings.push(text);
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
    let time_is_up = async {
        tokio::time::sleep(limit).await;
        Error::new(Kind::TryAgain, format!("end within {} s", limit.as_secs()))
            .hint("give [drill] a longer timeout, or a budget for the comparison of rows")
    };
    unless(time_is_up, job, work).await
}

/// Cancels the job when `interruption` comes first, which is then how it ended.
async fn unless(interruption: impl Future<Output = Error>, job: &Job, work: impl Future<Output = Ended>) -> Ended {
    tokio::pin!(work);
    tokio::select! {
        ended = &mut work => ended,
        error = interruption => {
            job.cancel.cancel();
            let stage = work.await.err().map_or(Stage::Scratch, |(stage, _)| stage);
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
    let finding = Box::pin(find(store, &options.keys, job, reference));
    let archive = findings.watch.phase("find", true, job.run(finding)).await.map_err(at(Stage::Find))?;
    findings.found(&archive);
    let needs = Needs::of(&archive);
    let opening = Scratch::open(&options.scratch, &needs, &start.drill, job);
    let scratch = findings.watch.phase("scratch", true, Box::pin(opening)).await.map_err(at(Stage::Scratch))?;
    findings.scratch = Some(scratch.facts());
    let working = Box::pin(in_scratch(&scratch, store, &archive, start, options, job, findings));
    let ended = unless(scratch.lost(), job, working).await;
    if let Err(error) = findings.watch.phase("clean up", false, Box::pin(scratch.close(job))).await {
        findings.warn(format!("could not clean up: {}; `lifeboat drill gc` tries again", error.chain()), job);
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
    let at = |error| (Stage::Restore { ours: scratch.is_ours() }, error);
    // By its id: `latest` may be another backup by now.
    let reference = archive.path.to_string().parse().map_err(|error| (Stage::Find, error))?;
    let how = restore_options(scratch, options, job);
    let restoring = restore(store, &reference, scratch.target(), &how, job.monitor.clone());
    let restored = findings.watch.phase("restore", true, Box::pin(restoring)).await.map_err(at)?;
    findings.usable(&restored);
    let earlier = find_before(store, &options.keys, job, &archive.path).await.map_err(|error| error.chain());
    let drills = earlier_reports(store, &start.database, options, job, findings).await;
    let subject = Subject {
        store,
        archive,
        earlier: earlier.as_ref().map(Option::as_ref).map_err(String::as_str),
        drills: &drills,
        restored: &restored,
        roles: how.roles,
        inert: how.inert,
        target: scratch.target(),
        options: &options.checks,
        started: start.started,
    };
    let mut checked = Checked::default();
    let checking = check_into(&subject, &mut checked, job);
    let ended = findings.watch.phase("checks", false, Box::pin(checking)).await;
    findings.checked(checked);
    ended.map_err(at)?;
    // Whatever goes wrong now is not the backup's fault.
    Box::pin(run_the_operators(scratch, &subject, options, job, findings))
        .await
        .map_err(|error| (Stage::Scratch, error))
}

/// Assertions and program, once nothing in the database reaches out of it any more.
async fn run_the_operators(
    scratch: &Scratch,
    subject: &Subject<'_>,
    options: &DrillOptions,
    job: &Job,
    findings: &mut Findings,
) -> Result<()> {
    if options.checks.asserts.is_empty() && options.smoke.is_none() {
        return Ok(());
    }
    Box::pin(disarmed(scratch, job, findings)).await?;
    let asserting = assert_all(subject, job);
    let reports = findings.watch.phase("assertions", false, Box::pin(asserting)).await?;
    findings.add(reports);
    if let Some(program) = &options.smoke {
        let running = smoke(program, scratch.target(), scratch.folder(), job);
        let report = findings.watch.phase("smoke", false, Box::pin(running)).await?;
        findings.add([report]);
    }
    Ok(())
}

async fn disarmed(scratch: &Scratch, job: &Job, findings: &mut Findings) -> Result<()> {
    let how = ConnectOptions { retry: Retry::default(), cancel: job.cancel.clone() };
    let mut session = connect(scratch.target(), "drill", &how, &*job.monitor).await?;
    let disarmed = job.run(Box::pin(disarm(&mut session, job))).await?;
    session.close().await;
    let told = [
        ("dropped the subscription", &disarmed.subscriptions),
        ("dropped the user mapping", &disarmed.user_mappings),
        ("stopped the job", &disarmed.jobs),
    ];
    for (what, names) in told {
        names.iter().for_each(|name| findings.warn(format!("{what} {name}, before anything of yours ran"), job));
    }
    Ok(())
}

fn restore_options(scratch: &Scratch, options: &DrillOptions, job: &Job) -> RestoreOptions {
    RestoreOptions {
        create: scratch.creates(),
        jobs: options.jobs,
        roles: scratch.roles(),
        inert: true,
        keys: options.keys.clone(),
        cancel: job.cancel.clone(),
        ..RestoreOptions::default()
    }
}

/// What earlier drills reported; what cannot be read is left open, and no reason to fail.
async fn earlier_reports(
    store: &Store,
    database: &Name,
    options: &DrillOptions,
    job: &Job,
    findings: &mut Findings,
) -> Vec<DrillReport> {
    let wanted = options.checks.rows.reports_wanted().max(REPORTS);
    let reports = history::earlier_reports(database, wanted, store, &options.keys, job).await;
    reports.unwrap_or_else(|error| {
        findings.leave_open("which tables earlier drills proved", &error);
        Vec::new()
    })
}

/// A year of monthly drills, or a fortnight of nightly ones.
const REPORTS: usize = 14;
