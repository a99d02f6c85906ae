//! One run per database, where no leader can hold an advisory lock: a locked file on this host.

use std::fs::File;
use std::path::Path;

use lifeboat_core::{Error, Kind, Name, Result, ResultExt};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Held as long as it lives; the kernel gives it back however the process ends.
pub(super) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of `database` below `state_dir`.
    ///
    /// # Errors
    /// [`Kind::Locked`] when another run of this host holds it.
    pub(super) fn take(state_dir: &Path, database: &Name) -> Result<Self> {
        let folder = state_dir.join("locks");
        let doing = || format!("lock {database} in {}", folder.display());
        std::fs::create_dir_all(&folder).kind_of(Kind::Config, doing)?;
        let file = File::create(folder.join(format!("{database}.lock"))).kind_of(Kind::Config, doing)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => {
                Err(Error::new(Kind::Locked, format!("back up {database}: another run holds it"))
                    .hint("wait for the other run, or end it"))
            }
            Err(error) => Err(Error::new(Kind::Failure, doing()).caused_by(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::RunLock;

    #[test]
    fn a_second_run_of_the_same_database_is_refused_until_the_first_ends() {
        let state = tempfile::tempdir().unwrap();
        let shop = "shop".parse().unwrap();
        let first = RunLock::take(state.path(), &shop).unwrap();
        assert_eq!(RunLock::take(state.path(), &shop).err().map(|e| e.kind()), Some(Kind::Locked));
        assert!(RunLock::take(state.path(), &"ledger".parse().unwrap()).is_ok());
        drop(first);
        assert!(RunLock::take(state.path(), &shop).is_ok());
    }
}
