//! The way back to the old key.

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Error, Job, Kind, Result};

use super::options::SweepOptions;
use super::run::Summary;
use super::target::Target;

/// Takes every value of every target back under its old key. A rotation whose prepared values were never put in place is
/// dropped; one whose values were is undone in one transaction, from the old values that were kept; any other is swept
/// with the keys swapped.
///
/// # Errors
/// As [`run`](super::run); [`Kind::Policy`] for a rotation that is finalized.
pub async fn rollback(
    settings: &ConnectionSettings,
    targets: &[Target],
    options: &SweepOptions,
    job: &Job,
) -> Result<Summary> {
    let _ = (settings, targets, options, job);
    Err(Error::new(Kind::Failure, "roll a rotation of columns back"))
}
