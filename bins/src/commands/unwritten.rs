//! A store that Lifeboat never wrote to. Whoever lists it has more likely mistyped its address than asked for nothing.

use lifeboat_backup::archive::databases;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{DRILLS, RUNS};
use lifeboat_core::{Job, Kind, Result};

use crate::exit::Exit;

/// What to say of such a store, and the exit code of it; nothing of any other, or where it cannot be known.
///
/// # Errors
/// Those of the store.
pub(super) async fn told(store: &Store, job: &Job) -> Result<Option<(String, Exit)>> {
    match is_written(store, job).await {
        Ok(false) => {}
        Ok(true) => return Ok(None),
        // A key that may list a part of it does not know.
        Err(error) if error.kind() == Kind::Config => return Ok(None),
        Err(error) => return Err(error),
    }
    let text = format!("nothing of Lifeboat's is in {}: is its address right, its prefix too?\n", store.address());
    Ok(Some((text, Exit::Failed(Kind::NotFound))))
}

/// Whether it has backups, or anything was begun in it.
async fn is_written(store: &Store, job: &Job) -> Result<bool> {
    if !databases(store, job).await?.is_empty() {
        return Ok(true);
    }
    for folder in [RUNS, DRILLS] {
        if !store.list(job, folder).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
