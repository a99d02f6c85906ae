//! The end of a rotation: from here the old key opens nothing that the application needs.

use jiff::Timestamp;
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Serialize;

use super::options::SweepOptions;
use super::target::Target;
use super::verify::{TargetVerification, Verification};

/// Rotations that are over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finalized {
    /// When: backups taken before hold values under the old keys.
    pub at: Timestamp,
    /// One for each target, in their order.
    pub targets: Vec<FinalizedTarget>,
}

/// A rotation that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FinalizedTarget {
    /// The proof.
    pub verification: TargetVerification,
    /// The fingerprint of the key that is free to go.
    pub old_key: String,
    /// Values that this rotation wrote.
    pub rotated: u64,
}

/// Proves every target by its new key alone, then drops old values and checkpoints and keeps a record.
///
/// # Errors
/// [`Kind::Policy`] when a last pass still had something to write, or a row does not open and is not accepted: nothing was
/// dropped.
pub async fn finalize(
    settings: &ConnectionSettings,
    targets: &[Target],
    options: &SweepOptions,
    job: &Job,
) -> Result<Finalized> {
    let _ = (settings, targets, options, job, None::<Verification>);
    Err(Error::new(Kind::Failure, "finalize a rotation of columns"))
}
