//! Which drills leave a record.
//!
//! Invariant: what was backed up and has no backup any more is a failed drill, and recorded; a slip of the pen is not, for the
//! records of a store are never taken back.

use lifeboat_backup::BackupRef;
use lifeboat_backup::archive::{Chosen, Which, choose, databases};
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Kind, Result};

use crate::history::had_backups;
use crate::options::DrillOptions;

/// The backup that `reference` names; the inner error is why a drill of it, which is recorded, cannot begin.
///
/// # Errors
/// Where nothing is to be recorded: [`Kind::NotFound`] when the store knows nothing of what is named, [`Kind::Usage`] when several
/// backups are.
pub(crate) async fn find_known(
    store: &Store,
    reference: &BackupRef,
    options: &DrillOptions,
    job: &Job,
) -> Result<Result<Chosen>> {
    job.step(&format!("look for {reference} in {}", store.address()));
    match job.run(Box::pin(choose(store, job, reference))).await {
        Err(error) if error.kind() == Kind::Usage => Err(error),
        Err(error) if error.kind() == Kind::NotFound => {
            if is_lost(store, reference, options, job).await {
                Ok(Err(error))
            } else {
                Err(error)
            }
        }
        other => Ok(other),
    }
}

/// Whether there should be a backup where none is. A store that does not tell is no reason to be silent.
async fn is_lost(store: &Store, reference: &BackupRef, options: &DrillOptions, job: &Job) -> bool {
    let Some(database) = &reference.database else { return false };
    let Ok(databases) = databases(store, job).await else { return true };
    match (&reference.which, databases.contains(database)) {
        // None of them is whole.
        (Which::Latest, true) => true,
        // There are others, of other names.
        (Which::Prefix(_), true) => false,
        (_, false) => options.is_expected || had_backups(database, store, job).await.unwrap_or(true),
    }
}
