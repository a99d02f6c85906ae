//! The rotation itself.

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Serialize;

use super::catalog::Use;
use super::counts::{Counts, Failures};
use super::errand::{Errand, errands};
use super::leader::Leader;
use super::offline::offline;
use super::online::online;
use super::options::{Mode, SweepOptions};
use super::plan::unwritable;
use super::staged::staged;
use super::status::{Direction, Phase};
use super::target::{TableName, Target};
use super::trial::trial;

/// What a run did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The mode.
    pub mode: Mode,
    /// Whether nothing was written on purpose.
    pub dry_run: bool,
    /// In the mode staged: whether the application's own columns hold the new values now.
    pub cut_over: bool,
    /// One for each target, in their order.
    pub targets: Vec<TargetSummary>,
}

impl Summary {
    /// Whether a pass over every target had nothing to write, and every value is under the new key, empty or accepted.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.targets.iter().all(|target| target.complete && target.failures.unaccepted() == 0)
    }
}

/// What became of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetSummary {
    /// The target, as `schema.table.column`.
    pub target: String,
    /// The table.
    pub table: TableName,
    /// What became of its values: `rotated` by this rotation, runs before this one included.
    pub counts: Counts,
    /// Rows that did not open.
    pub failures: Failures,
    /// Values that another session changed between reading and writing; each was read again.
    pub overtaken: u64,
    /// Rows that another session held until the end: a later run writes them.
    pub held: u64,
    /// Passes over the table in this run.
    pub passes: u32,
    /// Where an earlier run had stopped.
    pub resumed: Option<Resumed>,
    /// Whether the last pass had nothing to write.
    pub complete: bool,
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
    let r#use = if options.dry_run { Use::Read } else { Use::Write };
    let errands = ready(&mut leader, targets, options, r#use, Some(Direction::Forward)).await?;
    if options.dry_run {
        return trial(&mut leader, &errands, options, job).await;
    }
    leader.take_over().await?;
    let mode = options.mode;
    let mut in_place = options.cut_over;
    let entries = leader.entries(&errands, mode, Direction::Forward).await?;
    in_place |= entries.iter().all(|(entry, _)| entry.phase == Phase::Swept);
    let targets = match mode {
        Mode::Online => online(&mut leader, &errands, entries, Direction::Forward, options, job).await?,
        Mode::Staged => staged(&mut leader, &errands, entries, options, job).await?,
        Mode::Offline => offline(&mut leader, &errands, entries, Direction::Forward, options, job).await?,
    };
    leader.close().await;
    Ok(Summary { mode, dry_run: false, cut_over: mode == Mode::Staged && in_place, targets })
}

/// Every target, after all that can be asked without writing.
pub(super) async fn ready<'t>(
    leader: &mut Leader,
    targets: &'t [Target],
    options: &SweepOptions,
    r#use: Use,
    direction: Option<Direction>,
) -> Result<Vec<Errand<'t>>> {
    let errands = errands(leader.session()?, targets, options).await?;
    if let Some(refusal) = unwritable(leader.session()?).filter(|_| r#use == Use::Write) {
        return Err(Error::new(Kind::Policy, "write on this server").hint(refusal));
    }
    for errand in &errands {
        errand.refuse(r#use)?;
        if let Some(refusal) = errand.too_narrow(leader.session()?).await? {
            return Err(Error::new(Kind::Policy, format!("rotate {}", errand.target)).hint(refusal));
        }
    }
    // Before keys are tried: who goes on with another key is told which one it was.
    if let Some(direction) = direction {
        leader.begun(&errands, options.mode, direction).await?;
    }
    for errand in &errands {
        let sampled = leader.sample(errand).await?;
        errand.refuse_wrong_keys(&sampled)?;
    }
    Ok(errands)
}
