//! One drill, from its start record to its end record.
//!
//! Invariant: whatever happens in between, the scratch database is closed, and the drill ends with a report that is
//! recorded or said to be not.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_backup::archive::{Archive, Chosen, find_before};
use lifeboat_backup::postgres::{ConnectOptions, Retry, connect};
use lifeboat_backup::{BackupRef, RestoreOptions, restore};
use lifeboat_core::drill::DrillStart;
use lifeboat_core::job::cancelled;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::{DrillId, Error, FORMAT, Job, Kind, Name, Result, TOOL};

use crate::check::{Checked, Subject, assert_all, check_into, smoke};
use crate::findings::{Ended, Findings};
use crate::history;
use crate::killed::{Finder, end_killed};
use crate::known::find_known;
use crate::options::DrillOptions;
use crate::record::withheld;
use crate::recording::{recorded, recorder};
use crate::report::DrillReport;
use crate::scratch::{Needs, Scratch, disarm, tidy};
use crate::verdict::Stage;

/// Drills the backup that `reference` names, which must name its database.
///
/// Whatever is found out about the backup is in the report, and so is what kept the drill from finding out.
///
/// # Errors
/// Nothing is recorded then: [`Kind::Usage`] when no database is named, or several backups are; [`Kind::NotFound`] when the store
/// knows nothing of what is named. [`Kind::Cancelled`] when the drill was ended early, which is recorded.
pub async fn drill(
    store: &Store,
    reference: &BackupRef,
    options: &DrillOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<DrillReport> {
    let job = Job::new(monitor, options.cancel.child_token());
    let start = begin(reference, options)?;
    let mut findings = Findings::start();
    let finding = find_known(store, reference, options, &job);
    let chosen = findings.watch.phase("find", true, Box::pin(finding)).await?;
    let wraps = chosen.as_ref().map(Chosen::wraps).unwrap_or_default();
    let recorder = recorder(&start, &chosen, store, options, &job, &mut findings).await;
    let drilled = stages(store, chosen, &start, options, &job, &mut findings);
    let ended = within(options.timeout, &job, Box::pin(drilled)).await;
    let withheld = withheld(&ended, &wraps, options);
    let report = findings.report(start, &ended, options);
    let report = Box::pin(recorded(report, recorder, withheld, store, options, &job)).await;
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
    let (start, mut findings) = (begin(reference, options)?, Findings::start());
    if let Ok(chosen) = Box::pin(find_known(store, reference, options, &job)).await? {
        findings.found(&chosen);
    }
    let report = findings.report(start, &Err((Stage::Scratch, why)), options);
    let report = Box::pin(recorded(report, None, None, store, options, &job)).await;
    if options.cancel.is_cancelled() { Err(cancelled()) } else { Ok(report) }
}

fn begin(reference: &BackupRef, options: &DrillOptions) -> Result<DrillStart> {
    let database = reference.database.clone().ok_or_else(|| {
        Error::new(Kind::Usage, format!("drill {reference}: it names no database")).hint("write DATABASE/latest")
    })?;
    let started = options.clock.now();
    let drill = DrillId::generate(started)?;
    let run = options.run.clone().unwrap_or_else(|| (&drill).into());
    Ok(DrillStart { format: FORMAT, tool: TOOL.to_owned(), drill, run, database, started })
}

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
    chosen: Result<Chosen>,
    start: &DrillStart,
    options: &DrillOptions,
    job: &Job,
    findings: &mut Findings,
) -> Ended {
    let at = |stage| move |error| (stage, error);
    let chosen = chosen.map_err(at(Stage::Find))?;
    findings.found(&chosen);
    let opening = Box::pin(chosen.open(store, &options.keys, job));
    let archive = findings.watch.phase("find", true, job.run(opening)).await.map_err(at(Stage::Find))?;
    findings.opened(&archive);
    let needs = Needs::of(&archive);
    let opening = scratch(store, &needs, start, options, job, findings);
    let scratch = Box::pin(opening).await.map_err(at(Stage::Scratch))?;
    findings.scratch = Some(scratch.facts());
    let working = Box::pin(in_scratch(&scratch, store, &archive, start, options, job, findings));
    let ended = unless(scratch.lost(), job, working).await;
    if let Err(error) = findings.watch.phase("clean up", false, Box::pin(scratch.close(job))).await {
        findings.warn(format!("could not clean up: {}; `lifeboat drill gc` tries again", error.chain()), job);
    }
    ended
}

/// Makes the place to restore into, once what dead drills left is gone, and their ends are recorded in their stead.
async fn scratch(
    store: &Store,
    needs: &Needs,
    start: &DrillStart,
    options: &DrillOptions,
    job: &Job,
    findings: &mut Findings,
) -> Result<Scratch> {
    let tidying = Box::pin(tidy(&options.scratch, needs, job));
    let killed = findings.watch.phase("scratch", true, tidying).await?;
    if let Err(error) = Box::pin(end_killed(&killed, &Finder::of(options), store, job)).await {
        findings.warn(format!("could not record that an earlier drill was killed: {}", error.chain()), job);
    }
    let making = Box::pin(Scratch::make(&options.scratch, needs, &start.drill, job));
    findings.watch.phase("scratch", true, making).await
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
    let restored = findings.watch.phase("restore", true, Box::pin(restoring)).await;
    let restored = restored.map_err(|error| at(for_drills(error)))?;
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

/// What the hints of a restore say of its options is of no use here: a drill has none of them.
fn for_drills(error: Error) -> Error {
    let is_of_options = error.help().is_some_and(|help| help.contains("--create") || help.contains("--roles"));
    if is_of_options { error.hint(SCRATCH_DATABASE) } else { error }
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
        server_goes: scratch.server_goes(),
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

const SCRATCH_DATABASE: &str = "the scratch server's role must be able to create databases, or, with `command`, the database be empty and in the \
                                encoding of the backup: docs/drill.md";
/// A year of monthly drills, or a fortnight of nightly ones.
const REPORTS: usize = 14;
