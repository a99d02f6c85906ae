//! The demo's folder: locked while the demo lives, and removed with what runs in it by whoever comes next after `kill -9`.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lifeboat_core::monitor::Silent;
use lifeboat_core::{Job, Kind, Result, ResultExt};
use lifeboat_drill::scratch::{ClusterOptions, Collected, ScratchOptions, gc};
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A locked folder, removed when dropped.
pub(super) struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// Makes one that other accounts may pass: where we are root, Postgres is somebody else.
    ///
    /// # Errors
    /// [`Kind::Failure`].
    pub(super) fn make() -> Result<Self> {
        let doing = || "make a folder for a throwaway Postgres".to_owned();
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir().kind_of(Kind::Failure, doing)?;
        let lock = locked(folder.path()).kind_of(Kind::Failure, doing)?;
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).kind_of(Kind::Failure, doing)?;
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A lock that has its name when it is held: whoever finds one that is free may take its demo for dead.
fn locked(folder: &Path) -> std::io::Result<File> {
    let unnamed = folder.join("lock.new");
    let lock = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    std::fs::rename(unnamed, folder.join(LOCK))?;
    Ok(lock)
}

/// Removes what demos have left that were killed; live ones are left alone.
pub(in crate::commands) async fn collect() -> Collected {
    let mut collected = Collected::default();
    for folder in folders() {
        if let Some(lock) = dead(&folder) {
            let left = remove(&folder).await;
            drop(lock);
            match left {
                Ok(()) => collected.removed.push(folder.display().to_string()),
                Err(why) => collected.left.push(format!("{}: {why}", folder.display())),
            }
        }
    }
    collected
}

fn folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()));
    ours.map(|entry| entry.path()).filter(|path| path.symlink_metadata().is_ok_and(|found| found.is_dir())).collect()
}

/// The lock of a folder whose demo is dead; one of another user, or one that is being made, is none of ours.
fn dead(folder: &Path) -> Option<File> {
    match OpenOptions::new().write(true).open(folder.join(LOCK)) {
        Ok(lock) => free(lock),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_old(folder) => File::open(folder).ok(),
        Err(_) => None,
    }
}

/// A lock that nobody holds. One that has no name any more went with its demo, which has come to its end.
fn free(lock: File) -> Option<File> {
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    lock.metadata().is_ok_and(|found| found.nlink() > 0).then_some(lock)
}

fn is_old(folder: &Path) -> bool {
    let changed = std::fs::metadata(folder).and_then(|found| found.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > BEING_MADE))
}

/// What is in it bears leases, as everything of a drill does.
async fn remove(folder: &Path) -> Result<(), String> {
    let job = Job::new(Arc::new(Silent), CancellationToken::new());
    let options = ClusterOptions { dir: folder.to_owned(), ..ClusterOptions::default() };
    let clusters = gc(&ScratchOptions::Cluster(options), &job).await.map_err(|error| error.chain())?;
    if let Some(left) = clusters.left.first() {
        return Err(left.clone());
    }
    std::fs::remove_dir_all(folder).map_err(|error| error.to_string())
}

const PREFIX: &str = "lifeboat-demo-";
const LOCK: &str = "lock";
/// From making a folder to locking it takes no time.
const BEING_MADE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::{Folder, LOCK, dead, free};

    #[test]
    fn a_folder_is_anybodys_when_its_lock_has_its_name_and_nobody_holds_it() {
        let live = Folder::make().unwrap();
        assert!(dead(live.path()).is_none());
        let being_made = tempfile::tempdir().unwrap();
        std::fs::write(being_made.path().join("lock.new"), "").unwrap();
        assert!(dead(being_made.path()).is_none());
        std::fs::rename(being_made.path().join("lock.new"), being_made.path().join(LOCK)).unwrap();
        assert!(dead(being_made.path()).is_some());
    }

    #[test]
    fn a_demo_that_ends_while_it_is_looked_at_is_none_that_was_killed() {
        let ending = Folder::make().unwrap();
        let lock = std::fs::File::open(ending.path().join(LOCK)).unwrap();
        drop(ending);
        assert!(free(lock).is_none());
    }
}
