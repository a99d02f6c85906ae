//! The rotation itself.

use jiff::Timestamp;
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Serialize;

use super::again::{Over, over};
use super::binding::refuse_unbinding;
use super::book::Entry;
use super::catalog::{self, Use};
use super::counts::{Counts, Failures};
use super::errand::{Errand, errands};
use super::leader::Leader;
use super::offline::offline;
use super::online::online;
use super::options::{Mode, SweepOptions};
use super::plan::unwritable;
use super::rivals::{Moment, refuse_rivals};
use super::staged::staged;
use super::status::{Direction, Phase};
use super::target::{TableName, Target};
use super::trial::trial;
use super::under_way::admitted;

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The mode.
    pub mode: Mode,
    /// Whether nothing was written on purpose.
    pub dry_run: bool,
    /// In the mode staged: whether the application's own columns hold the new values now.
    pub cut_over: bool,
    /// One for each target, in their order. Of a rollback: for each that was still to be taken back.
    pub targets: Vec<TargetSummary>,
    /// Of a rollback: targets whose table was dropped. Their rotations are over, and nothing was taken back.
    pub gone: Vec<String>,
    /// When the rotations were finalized, where they are over and no value has come under the old key since: none was begun.
    pub finalized: Option<Timestamp>,
}

impl Summary {
    /// Whether a pass over every target had nothing to write, and every value is under the new key, empty or accepted.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let clean =
            |target: &TargetSummary| target.complete && target.failures.unaccepted() == 0 && !target.nothing_found;
        self.targets.iter().all(clean)
    }
}

/// What became of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetSummary {
    /// The target, as `schema.table.column`.
    pub target: String,
    /// The table.
    pub table: TableName,
    /// Its columns.
    #[serde(skip)]
    pub columns: Vec<String>,
    /// What became of its values: `rotated` by this rotation, runs before this one included.
    pub counts: Counts,
    /// Values that this run wrote; none in a dry one.
    pub written: u64,
    /// Rows that did not open, or were refused.
    pub failures: Failures,
    /// Values that another session changed between reading and writing; each was read again.
    pub overtaken: u64,
    /// Rows that another session held until the end: a later run writes them.
    pub held: u64,
    /// Rows that the database refused: a constraint or a trigger. They are as they were.
    pub refused: u64,
    /// Values that the last look found under the other key.
    pub left: u64,
    /// Passes over the table in this run.
    pub passes: u32,
    /// Where an earlier run had stopped.
    pub resumed: Option<Resumed>,
    /// Whether the last pass had nothing to write.
    pub complete: bool,
    /// Whether the column holds something, and nothing where the layout looks for values.
    pub nothing_found: bool,
}

/// What an earlier run had done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// Values it had written.
    pub rotated: u64,
    /// The pass it was in.
    pub pass: u32,
}

/// Rewrites every value of every target under its new key.
///
/// Ended at any moment, by whatever, it is called again and goes on where it was.
///
/// # Errors
/// [`Kind::WrongKey`](lifeboat_core::Kind::WrongKey) when the keys open none of a sample, or the rotation that is under way has
/// another new key: nothing was written. [`Kind::Locked`](lifeboat_core::Kind::Locked) while another run is at work on the
/// database. [`Kind::Policy`](lifeboat_core::Kind::Policy) for what [`plan`](super::plan) lists as refusals.
/// [`Kind::Database`](lifeboat_core::Kind::Database) when the server stays away.
pub async fn run(
    settings: &ConnectionSettings,
    targets: &[Target],
    options: &SweepOptions,
    job: &Job,
) -> Result<Summary> {
    let mut leader = Leader::open(settings, options, job).await?;
    let errands = errands(leader.session()?, targets, options).await?;
    let begun = leader.begun(&errands).await?;
    // Before keys are tried: who goes on with another key is told which one it was.
    let mode = admitted(&errands, &begun, options)?;
    let r#use = if options.dry_run { Use::Read } else { Use::of(mode) };
    refuse_impossible(&mut leader, &errands, r#use).await?;
    // Before keys are tried, too: where it was done already, they open nothing.
    refuse_unbinding(leader.session()?, &errands, &options.declared).await?;
    refuse_narrow(&mut leader, &errands, &begun).await?;
    try_keys(&mut leader, &errands, &begun, job).await?;
    if let Some(over) = over(&mut leader, &errands, &begun, options, job).await? {
        leader.close().await;
        return Ok(over.summary(mode, options));
    }
    for (errand, entry) in errands.iter().zip(&begun) {
        refuse_rivals(leader.session()?, errand, Moment::of(entry.as_ref()), job).await?;
    }
    if is_untold(&begun, mode, options) {
        job.step(NOBODY_SAID);
    }
    refuse_early_cut_over(&errands, &begun, mode, options)?;
    if options.dry_run {
        return trial(&mut leader, &errands, mode, options, job).await;
    }
    leader.take_over().await?;
    let entries = leader.entries(&errands, mode).await?;
    let in_place = options.cut_over || entries.iter().all(|(entry, _)| entry.phase == Phase::Swept);
    let targets = match mode {
        Mode::Online => online(&mut leader, &errands, entries, Direction::Forward, options, job).await?,
        Mode::Staged => staged(&mut leader, &errands, entries, options, job).await?,
        Mode::Offline => offline(&mut leader, &errands, entries, Direction::Forward, options, job).await?,
    };
    let targets = looked_at(&mut leader, &errands, targets).await?;
    leader.close().await;
    let cut_over = mode == Mode::Staged && in_place;
    Ok(Summary { mode, dry_run: false, cut_over, targets, gone: Vec::new(), finalized: None })
}

impl Over {
    fn summary(self, mode: Mode, options: &SweepOptions) -> Summary {
        let Self { at, targets } = self;
        Summary { mode, dry_run: options.dry_run, cut_over: false, targets, gone: Vec::new(), finalized: Some(at) }
    }
}

/// Whether a rotation begins in a mode that wants something of the application, and nobody said which.
fn is_untold(begun: &[Option<Entry>], mode: Mode, options: &SweepOptions) -> bool {
    options.mode.is_none() && !options.cut_over && mode == Mode::Online && begun.iter().all(Option::is_none)
}

/// Where a path of the layout leads nowhere, every value is empty.
pub(super) async fn looked_at(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    mut targets: Vec<TargetSummary>,
) -> Result<Vec<TargetSummary>> {
    for (errand, target) in errands.iter().zip(&mut targets) {
        if target.counts.opened() + target.counts.unopened() == 0 {
            target.nothing_found = errand.holds_something(leader.alive().await?).await?.is_some();
        }
    }
    Ok(targets)
}

/// Refuses what server and catalog say cannot be done: not after hours of preparing.
pub(super) async fn refuse_impossible(leader: &mut Leader, errands: &[Errand<'_>], r#use: Use) -> Result<()> {
    if let Some(refusal) = unwritable(leader.session()?).filter(|_| r#use != Use::Read) {
        return Err(Error::new(Kind::Policy, "write on this server").hint(refusal));
    }
    for errand in errands {
        errand.refuse(r#use)?;
    }
    Ok(())
}

/// Refuses columns that are too short for the new values.
async fn refuse_narrow(leader: &mut Leader, errands: &[Errand<'_>], begun: &[Option<Entry>]) -> Result<()> {
    for (errand, entry) in errands.iter().zip(begun) {
        if let Some(refusal) = too_narrow(leader, errand, entry.as_ref()).await? {
            return Err(Error::new(Kind::Policy, format!("rotate {}", errand.target)).hint(refusal));
        }
    }
    Ok(())
}

/// Why the new values do not fit. Where some are in place already, the longest of a column may be one of these.
pub(super) async fn too_narrow(
    leader: &mut Leader,
    errand: &Errand<'_>,
    entry: Option<&Entry>,
) -> Result<Option<String>> {
    let in_place = |entry: &Entry| entry.written() > 0 && (entry.mode != Mode::Staged || entry.phase == Phase::Swept);
    if entry.is_some_and(in_place) {
        return Ok(None);
    }
    catalog::too_narrow(leader.session()?, errand.target, &errand.found).await
}

/// Refuses keys that open nothing of a sample. What a rotation has written, its keys have opened.
async fn try_keys(leader: &mut Leader, errands: &[Errand<'_>], begun: &[Option<Entry>], job: &Job) -> Result<()> {
    for (errand, entry) in errands.iter().zip(begun) {
        if entry.as_ref().is_some_and(|entry| entry.written() > 0) {
            continue;
        }
        let sampled = leader.sample(errand).await?;
        errand.refuse_wrong_keys(&sampled)?;
        if let Some(doubtful) = errand.doubtful_old_key(&sampled) {
            job.warn(&doubtful);
        }
    }
    Ok(())
}

/// In another mode nothing is beside the table that could be put in place.
fn refuse_early_cut_over(
    errands: &[Errand<'_>],
    begun: &[Option<Entry>],
    mode: Mode,
    options: &SweepOptions,
) -> Result<()> {
    let missing = errands.iter().zip(begun).find(|(_, entry)| entry.is_none() || mode != Mode::Staged);
    let Some((errand, _)) = missing.filter(|_| options.cut_over) else { return Ok(()) };
    let doing = format!("put new values of {} in place: they are not prepared", errand.target);
    Err(Error::new(Kind::Policy, doing).hint("nothing was written: run --mode staged without --cut-over comes first"))
}

const NOBODY_SAID: &str = "mode online: every instance of the application must read both keys by now (--mode staged where it reads one, \
                           --mode offline where it is stopped)";
