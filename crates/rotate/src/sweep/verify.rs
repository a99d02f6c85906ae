//! The proof: every value, in one snapshot, by the new key alone.

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Serialize;

use super::counts::{Counts, Failures};
use super::options::SweepOptions;
use super::target::{TableName, Target};

/// What the new key opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// One for each target, in their order.
    pub targets: Vec<TargetVerification>,
}

impl Verification {
    /// Whether the new key opens every value that is not accepted.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.targets.iter().all(|target| target.failures.unaccepted() == 0)
    }
}

/// What the new key opens of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetVerification {
    /// The target, as `schema.table.column`.
    pub target: String,
    /// The table.
    pub table: TableName,
    /// The fingerprint of the key.
    pub key: String,
    /// What became of the values; those it opens are `already_new`.
    pub counts: Counts,
    /// Rows that it does not open.
    pub failures: Failures,
}

/// Opens every value of every target with its new key and no other, in one snapshot of the database. Writes nothing.
///
/// # Errors
/// As [`run`](super::run), for what it is not allowed to read.
pub async fn verify(
    settings: &ConnectionSettings,
    targets: &[Target],
    options: &SweepOptions,
    job: &Job,
) -> Result<Verification> {
    let _ = (settings, targets, options, job);
    Err(Error::new(Kind::Failure, "verify columns"))
}
