//! Puts a backup in the place of a database that is in use.
//!
//! Invariants: the database that has the name is left as it is until everything that is to take its place is there and proven;
//! the name then goes from one to the other in one transaction; the old one is kept under a name that tells the run, until somebody
//! drops it or takes it back ([`undo_replace`]). What a killed run leaves never has the name, and the next run clears it away or
//! goes on from it.

mod beside;
mod disk;
mod follow;
mod live;
mod lock;
mod marker;
mod not_given;
mod notes;
mod pins;
mod plan;
mod prepare;
mod proof;
mod safety;
mod swap;
mod undo;
mod untrusted;

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result, RunId, counted};
use serde::Serialize;

use super::target::{drop_database, drop_statement};
use super::{RestoreOptions, RestorePlan, RestoreSummary, user_objects};
use crate::archive::{Archive, BackupRef};
use crate::backup::BackupPlan;
use crate::postgres::{ConnectOptions, ConnectionSettings, Retry, connect};
use beside::Beside;
pub use disk::Disk;
pub use live::Connected;
use live::{Live, Ours, Refusals};
use lock::Lease;
use marker::{Marker, Schema, State};
use not_given::{NotGiven, as_it_was};
pub use pins::Pins;
use plan::{Survey, survey};
use prepare::{Prepared, prepare};
pub use safety::{SafetyBackup, is_safety};
use swap::Swap;
pub use undo::{UndoOptions, UndoPlan, UndoSummary, plan_undo, undo_replace};

/// How a database is replaced.
#[derive(Clone)]
pub struct ReplaceOptions {
    /// Names what the run makes and keeps.
    pub run: RunId,
    /// How the backup is restored; `create`, `select` and `stand_in` have no say.
    pub restore: RestoreOptions,
    /// How the database is backed up before; `None` leaves that out.
    pub safety: Option<SafetyBackup>,
    /// Whether a disk that is too small, or cannot be looked at, is no reason to refuse.
    pub ignore_disk: bool,
    /// Whether a backup whose rows have no fingerprints is good enough, as an imported dump with INSERT: nobody can prove that they
    /// are all there.
    pub unproven_rows: bool,
    /// The databases that somebody agreed to, of an earlier plan.
    pub confirmed: Option<Pins>,
}

impl ReplaceOptions {
    /// The defaults, with a safety backup that is taken so.
    #[must_use]
    pub fn new(run: RunId, safety: Option<SafetyBackup>) -> Self {
        let restore = RestoreOptions::default();
        Self { run, restore, safety, ignore_disk: false, unproven_rows: false, confirmed: None }
    }

    fn connect(&self) -> ConnectOptions {
        ConnectOptions { retry: self.restore.connect_retry.clone(), cancel: self.restore.cancel.clone() }
    }
}

/// What a replacement would do.
#[derive(Clone, Debug, Serialize)]
pub struct ReplacePlan {
    /// The run that its names carry.
    pub run: RunId,
    /// The database whose place is taken.
    pub database: String,
    /// Its size, where the role may know it.
    pub database_bytes: Option<u64>,
    /// The restore beside it.
    pub restore: RestorePlan,
    /// The name under which the database is kept.
    pub kept_as: String,
    /// The name under which the backup is restored.
    pub stand_in: String,
    /// Whether an earlier run restored this very backup already, and only the last step is left.
    pub goes_on: bool,
    /// Whether the rows can be compared with fingerprints before it gets the name: not those of an imported dump with INSERT.
    pub proves_rows: bool,
    /// The safety backup.
    pub safety: Option<BackupPlan>,
    /// Disk.
    pub disk: Disk,
    /// The databases that all this is about.
    pub pins: Pins,
    /// Whose sessions would be ended.
    pub connected: Vec<Connected>,
    /// What killed runs left, which would be dropped.
    pub leftovers: Vec<String>,
    /// What earlier runs kept, which stays.
    pub kept: Vec<KeptDatabase>,
    /// What the operator should know, such as what cannot be carried over.
    pub notes: Vec<String>,
    /// Why it would be refused; empty when it would run.
    pub refusals: Vec<String>,
    /// What to do about each.
    pub hints: Vec<String>,
}

impl ReplacePlan {
    /// Whether it would run.
    ///
    /// # Errors
    /// [`Kind::Policy`] with every reason.
    pub fn check(&self) -> Result<()> {
        let doing = format!("replace {} by {}", self.database, self.restore.backup);
        Refusals::check(&self.refusals, &self.hints, &doing)
    }
}

/// A database whose place was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeptDatabase {
    /// Its name now.
    pub name: String,
    /// Its size, where the role may know it.
    pub bytes: Option<u64>,
    /// When its place was taken.
    pub replaced_at: Option<Timestamp>,
}

/// What a replacement did.
#[derive(Clone, Debug, Serialize)]
pub struct ReplaceSummary {
    /// The run.
    pub run: RunId,
    /// The database that has the name now.
    pub database: String,
    /// The backup that is in it.
    pub backup: String,
    /// The restore; `None` where an earlier run had done it.
    pub restore: Option<RestoreSummary>,
    /// The safety backup.
    pub safety_backup: Option<String>,
    /// The name of the old database.
    pub kept_as: String,
    /// Sessions that were ended for the swap.
    pub ended_sessions: u64,
    /// Seconds from the beginning of the swap to its end: new sessions had to wait at most so long.
    pub swap_seconds: f64,
    /// Seconds of all of it.
    pub seconds: f64,
    /// What killed runs had left and was dropped.
    pub dropped: Vec<String>,
    /// The statement that drops the old database.
    pub drop_old: String,
}

/// Finds out what a replacement would do, and changes nothing.
///
/// # Errors
/// [`Kind::Locked`] while another one of that database is at work; those of finding the backup and of connecting. What would be
/// refused is in the plan.
pub async fn plan_replace(
    store: &Store,
    reference: &BackupRef,
    live: &ConnectionSettings,
    options: &ReplaceOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<ReplacePlan> {
    let job = Job::new(monitor, options.restore.cancel.clone());
    let survey = surveyed(store, reference, live, options, &job).await?;
    survey.lease.release().await;
    Ok(survey.plan)
}

/// Puts the backup that `reference` names in the place of the database `live`: safety backup, restore beside it, proof, swap.
///
/// # Errors
/// [`Kind::Policy`] with every reason; [`Kind::Locked`]; those of [`backup()`](crate::backup()) and [`restore()`](super::restore()). The database has
/// its name then, and all that it had, which the error says where it is known; what was restored stays only where nothing but the last step failed,
/// and the next run goes on from it.
pub async fn replace(
    store: &Store,
    reference: &BackupRef,
    live: &ConnectionSettings,
    options: &ReplaceOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<ReplaceSummary> {
    let clock = Instant::now();
    let job = Job::new(monitor, options.restore.cancel.clone());
    let Survey { mut lease, archive, beside, plan } = surveyed(store, reference, live, options, &job).await?;
    plan.pins.check(options.confirmed.as_ref(), &format!("replace {}", plan.database))?;
    plan.check()?;
    let (doing, name) = (format!("replace {}", plan.database), &plan.database);
    let dropped = clear_away(&mut lease, &beside.leftovers, &job).await;
    let dropped = dropped.map_err(|error| as_it_was(&doing, name, error))?;
    // Held until what has to be cleaned up is clean.
    let resting = lease.rest();
    let prepared = Box::pin(prepare(store, &archive, &beside, &plan.disk, options, &job)).await;
    let lease = resting.wake(&job).await;
    let prepared = prepared.map_err(|error| NotGiven::under_lock(lease.is_ok(), error).told(&doing, name));
    let Prepared { safety_backup, restore, coming } = prepared?;
    let began = Instant::now();
    let lease = lease.map_err(|error| match error.kind() {
        // It says itself what was to be done.
        Kind::Locked => error,
        _ => NotGiven::under_lock(false, error).told(&doing, name),
    });
    let mut lease = lease.inspect_err(|_| beside.tell_that_it_stays(&job))?;
    let taken = Box::pin(take_place(&mut lease, &archive, &beside, coming, &plan, &job)).await;
    let taken = taken.map_err(|not_given| not_given.told(&doing, name));
    let ended_sessions = taken.inspect_err(|_| beside.tell_that_it_stays(&job))?;
    let version_num = lease.session.server().version_num;
    lease.release().await;
    Ok(ReplaceSummary {
        run: plan.run,
        database: plan.database,
        backup: archive.path.to_string(),
        restore,
        safety_backup,
        drop_old: drop_statement(&plan.kept_as, version_num),
        kept_as: plan.kept_as,
        ended_sessions,
        swap_seconds: began.elapsed().as_secs_f64(),
        seconds: clock.elapsed().as_secs_f64(),
        dropped,
    })
}

/// What there is to do. Of one that is cancelled nobody need ask what it had done.
async fn surveyed(
    store: &Store,
    reference: &BackupRef,
    live: &ConnectionSettings,
    options: &ReplaceOptions,
    job: &Job,
) -> Result<Survey> {
    let survey = job.run(Box::pin(survey(store, reference, live, options, job))).await;
    survey.map_err(|error| match error.kind() {
        Kind::Cancelled => as_it_was(&format!("replace {}", live.dbname), &live.dbname, error),
        _ => error,
    })
}

/// Drops what killed runs left: whoever has the lock knows that they are dead.
async fn clear_away(lease: &mut Lease, leftovers: &[Ours], job: &Job) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for left in leftovers {
        if let Some(why) = not_ours(lease, left, job).await {
            job.warn(&format!(
                "{} is left as it is: it has the name of a replacement that was killed, and {why}",
                left.name
            ));
            continue;
        }
        job.step(&format!("drop {}, which an earlier run left", left.name));
        let dropped = drop_database(&mut lease.session, &left.name, job).await;
        dropped.map_err(|error| error.while_doing(format!("drop {}, which an earlier run left", left.name)))?;
        gone.push(left.name.clone());
    }
    Ok(gone)
}

/// Why a database may be somebody else's. A run that was killed before its first word left an empty one.
async fn not_ours(lease: &Lease, left: &Ours, job: &Job) -> Option<String> {
    if left.marker.is_some() {
        return None;
    }
    let settings = lease.live.with_dbname(&left.name);
    let how = ConnectOptions { retry: Retry::never(), cancel: job.cancel.clone() };
    let objects = async {
        let mut session = Box::pin(connect(&settings, "replace", &how, job.monitor.as_ref())).await?;
        let objects = user_objects(&mut session).await;
        session.close().await;
        objects
    };
    match objects.await {
        Ok(0) => None,
        Ok(objects) => Some(format!("holds {}", counted(objects, "object"))),
        Err(error) => Some(format!("cannot be looked into: {}", error.chain())),
    }
}

/// Looks once more, for hours may have gone by, and gives the name over.
async fn take_place(
    lease: &mut Lease,
    archive: &Archive,
    beside: &Beside,
    coming: u32,
    plan: &ReplacePlan,
    job: &Job,
) -> Result<u64, NotGiven> {
    let (session, name) = (&mut lease.session, &plan.database);
    let found = Live::read(session, name).await.map_err(NotGiven::Unclear)?;
    let found = found.filter(|found| found.oid == beside.oid).ok_or_else(|| {
        let doing = format!("find {name}: it was dropped, or renamed, while the backup was restored");
        NotGiven::Unclear(Error::new(Kind::Failure, doing).hint("look with `psql -l`"))
    })?;
    let mut refusals = Refusals::default();
    found.refuse(name, &mut refusals);
    Refusals::check(&refusals.why, &refusals.hints, &format!("replace {name}"))?;
    beside.can_follow(session, name).await?;
    let swap = Swap {
        name,
        present: found.oid,
        aside: &plan.kept_as,
        marker: marker_of(State::Replaced, name, &plan.run, Some(archive)),
        coming,
        coming_name: &beside.target.dbname,
    };
    swap.apply(lease, job).await
}

fn marker_of(state: State, name: &str, run: &RunId, archive: Option<&Archive>) -> Marker {
    Marker {
        schema: Schema::V1,
        state,
        database: name.to_owned(),
        run: run.clone(),
        backup: archive.map(|archive| archive.path.to_string()),
        replaced_at: None,
        comment: None,
    }
}
