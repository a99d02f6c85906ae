//! One re-encryption at a time on this host: two at once would write everything twice.

use std::fs::File;
use std::path::Path;

use lifeboat_core::{Error, Kind, Result, ResultExt as _};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Held as long as it lives; the kernel gives it back however the process ends.
pub(super) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock below `state_dir`.
    ///
    /// # Errors
    /// [`Kind::Locked`] when another run of this host holds it; [`Kind::Config`] when the state directory cannot be written.
    pub(super) fn take(state_dir: &Path) -> Result<Self> {
        let doing = || format!("lock re-encryption in {}", state_dir.display());
        std::fs::create_dir_all(state_dir).kind_of(Kind::Config, doing)?;
        let file = File::create(state_dir.join("reencrypt.lock")).kind_of(Kind::Config, doing)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(Error::new(Kind::Locked, "seal backups anew: another run does on this host")
                .hint("wait for the other run, or end it")),
            Err(error) => Err(Error::new(Kind::Failure, doing()).caused_by(error)),
        }
    }
}
