//! Which backup of a database could be restored in the place of one that is damaged.

use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{BackupPath, MANIFEST};
use lifeboat_core::{Job, Kind, Result};

use super::folder::{Folder, damage, folders, manifest};

/// The result of reading the backup at `path`: damage is told with the name of a backup that could be restored instead.
pub(crate) async fn or_instead<T>(store: &Store, job: &Job, path: &BackupPath, result: Result<T>) -> Result<T> {
    match result {
        Err(error) if error.kind() == Kind::Integrity => Err(error.hint(Box::pin(hint(store, job, path)).await)),
        other => other,
    }
}

async fn hint(store: &Store, job: &Job, damaged: &BackupPath) -> String {
    let database = &damaged.database;
    match find(&store.clone().at_first_contact(), job, damaged).await {
        Ok(Some(next)) if next.id <= damaged.id => {
            format!("the next older one that looks whole is {next}: prove it with `lifeboat verify`")
        }
        Ok(Some(next)) => {
            format!("no older one looks whole; the next newer one that does is {next}: prove it with `lifeboat verify`")
        }
        Ok(None) => format!("no other backup of {database} looks whole"),
        Err(_) => format!("the backup is damaged: see `lifeboat list {database}` for another one"),
    }
}

/// Looks through one listing: the newest of the older ones, or else the oldest of the newer ones.
async fn find(store: &Store, job: &Job, damaged: &BackupPath) -> Result<Option<BackupPath>> {
    let found = folders(store, job).await?;
    let others = found.iter().filter(|(path, folder)| {
        path.database == damaged.database && *path != damaged && folder.contains_key(MANIFEST)
    });
    let (mut older, mut newer): (Vec<_>, Vec<_>) = others.partition(|(path, _)| path.id <= damaged.id);
    older.sort_by(|a, b| b.0.id.cmp(&a.0.id));
    newer.sort_by(|a, b| a.0.id.cmp(&b.0.id));
    for (path, folder) in older.into_iter().chain(newer) {
        if looks_whole(store, job, path, folder).await? {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

/// Whether its manifest is whole and every object has its length. The other bytes are not read.
async fn looks_whole(store: &Store, job: &Job, path: &BackupPath, folder: &Folder) -> Result<bool> {
    let stored = manifest(store, job, path).await?;
    Ok(stored.is_ok_and(|stored| damage(&stored.manifest, folder).is_none()))
}
