//! What is known of rotations: under way, and finalized.

use jiff::Timestamp;
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Job, Result};
use serde::{Deserialize, Serialize};

use super::book::{self, Entry};
use super::options::{Limits, Mode};
use super::schema;
use super::session::open;
use super::target::TableName;

/// Rotations of a database's columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Whether a run is at work now.
    pub running: bool,
    /// The newest rotation of each column, finalized ones included.
    pub targets: Vec<TargetStatus>,
}

/// A rotation of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetStatus {
    /// The table.
    pub table: TableName,
    /// The columns of a value.
    pub columns: Vec<String>,
    /// The mode.
    pub mode: Mode,
    /// Where it goes.
    pub direction: Direction,
    /// How far it has come.
    pub phase: Phase,
    /// The fingerprint of the key that values were under.
    pub old_key: String,
    /// The fingerprint of the key that they go to.
    pub new_key: String,
    /// The pass it is in, or that ended it.
    pub pass: u32,
    /// Values written by all of its runs.
    pub rotated: u64,
    /// Rows that the pass has seen so far.
    pub seen: u64,
    /// Rows that did not open in the last whole pass.
    pub unopened: u64,
    /// Whether its tables had triggers at some time of it, which may have kept elsewhere what rows were.
    pub had_triggers: bool,
    /// When its first run began.
    pub started: Timestamp,
    /// When it last wrote down how far it has come.
    pub updated: Timestamp,
    /// Rows that the operator gave up, at the end.
    pub accepted: u64,
}

/// Where a rotation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the old key to the new one.
    Forward,
    /// Back to the old one.
    Back,
}

/// How far a rotation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Values are being rewritten, or prepared.
    Sweeping,
    /// Staged: a pass had next to nothing to prepare.
    Prepared,
    /// A pass had nothing to write, or the prepared values are in place.
    Swept,
    /// Proven and over.
    Finalized,
    /// All values are under the old key again.
    RolledBack,
}

/// Reads what earlier runs have left. Nothing of it is there: an empty status.
///
/// # Errors
/// [`Kind::Database`](lifeboat_core::Kind::Database) when the server cannot be asked.
pub async fn status(settings: &ConnectionSettings, job: &Job) -> Result<Status> {
    let mut session = job.run(Box::pin(open(settings, &Limits::default(), job))).await?;
    if !schema::exists(&mut session).await? {
        return Ok(Status::default());
    }
    let running = schema::is_locked(&mut session).await?;
    let targets = book::newest(&mut session).await?.into_iter().map(Entry::status).collect();
    session.close().await;
    Ok(Status { running, targets })
}
