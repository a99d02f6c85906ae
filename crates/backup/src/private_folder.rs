//! Private folders that last as long as the process that made them: the next one removes what a killed one left.
//!
//! Invariant: a folder of a process that runs is never removed by another. Its lock tells: the kernel gives it back however the
//! process ends.

use std::fs::{File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use lifeboat_core::{Error, Kind, Result, ResultExt};
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::program_path::PROGRAM_PATH;

/// What a folder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A file that is restored lies in it, sealed.
    Restore,
    /// It is the home of a gpg.
    Gpg,
    /// Addresses and passwords for programs of Postgres lie in it.
    Client,
}

/// A folder that nobody else can read. Its content goes with it.
#[derive(Debug)]
pub(crate) struct PrivateFolder {
    purpose: Purpose,
    folder: TempDir,
    _lock: File,
}

impl PrivateFolder {
    /// Makes one in `parent`, and removes there what killed processes left.
    ///
    /// # Errors
    /// [`Kind::Failure`].
    pub(crate) fn make(parent: &Path, purpose: Purpose) -> Result<Self> {
        sweep(parent);
        let doing = || format!("make a private folder in {}", parent.display());
        for _ in 0..TRIES {
            let mut builder = tempfile::Builder::new();
            builder.prefix(purpose.prefix()).permissions(Permissions::from_mode(0o700));
            let folder = builder.tempdir_in(parent).kind_of(Kind::Failure, doing)?;
            if let Some(lock) = locked(folder.path()).kind_of(Kind::Failure, doing)? {
                return Ok(Self { purpose, folder, _lock: lock });
            }
        }
        Err(Error::new(Kind::Failure, doing()))
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        self.purpose.end(self.folder.path());
        clear(self.folder.path());
    }
}

impl Purpose {
    fn prefix(self) -> &'static str {
        match self {
            Self::Restore => "lifeboat-restore-",
            Self::Gpg => "lifeboat-gpg-",
            Self::Client => "lifeboat-client-",
        }
    }

    /// Ends what runs in a folder.
    fn end(self, folder: &Path) {
        if self != Self::Gpg {
            return;
        }
        // gpg leaves an agent behind, which would notice the end of its home in a minute only.
        let mut end = Command::new("gpgconf");
        end.env_clear().env("PATH", PROGRAM_PATH).arg("--homedir").arg(folder).args(["--kill", "gpg-agent"]);
        let _ = end.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// The lock of a new folder; nothing when somebody took it for one that was left, and removed it.
fn locked(folder: &Path) -> std::io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let lock = match options.write(true).create_new(true).mode(0o600).open(folder.join(LOCK)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    match flock(&lock, FlockOperation::LockExclusive) {
        // A file system without locks: whoever sweeps gets none there either, and removes nothing.
        Err(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS) => {}
        taken => taken?,
    }
    Ok((lock.metadata()?.nlink() > 0).then_some(lock))
}

/// Removes the folders whose process is gone. What cannot be removed stays: nothing depends on it.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let purposes = [Purpose::Restore, Purpose::Gpg, Purpose::Client];
        let purpose = purposes.into_iter().find(|purpose| name.to_string_lossy().starts_with(purpose.prefix()));
        if let Some(purpose) = purpose
            && is_own_folder(&entry.path())
        {
            remove_if_left(&entry.path(), purpose);
        }
    }
}

/// Others may make what is called so in a folder that is everybody's, and links to elsewhere.
fn is_own_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == geteuid().as_raw())
}

fn remove_if_left(folder: &Path, purpose: Purpose) {
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    match OpenOptions::new().write(true).custom_flags(flags).open(folder.join(LOCK)) {
        Ok(lock) => {
            if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                purpose.end(folder);
                clear(folder);
                let _ = std::fs::remove_dir_all(folder);
            }
        }
        // Whoever makes one now makes another then.
        Err(error) if error.kind() == ErrorKind::NotFound => _ = std::fs::remove_dir(folder),
        Err(_) => {}
    }
}

/// Removes everything but the lock, which goes last: by it what is left of a process that is killed meanwhile is known.
fn clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| entry.file_name() != LOCK) {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let _ = if is_folder { std::fs::remove_dir_all(entry.path()) } else { std::fs::remove_file(entry.path()) };
    }
}

const LOCK: &str = "lock";
const TRIES: usize = 8;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{LOCK, PrivateFolder, Purpose, clear};

    #[test]
    fn what_a_killed_process_left_is_removed_and_what_is_in_use_stays() {
        let parent = tempfile::tempdir().unwrap();
        let running = PrivateFolder::make(parent.path(), Purpose::Restore).unwrap();
        // A process that is killed gives its lock back and leaves the rest.
        let left = parent.path().join("lifeboat-restore-killed");
        fs::create_dir_all(left.join("store/backups")).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        let hardly_begun = parent.path().join("lifeboat-restore-begun");
        fs::create_dir(&hardly_begun).unwrap();
        let others = parent.path().join("lifeboat-restore-of-an-operator");
        fs::create_dir(&others).unwrap();
        fs::write(others.join("notes.txt"), "kept").unwrap();

        let another = PrivateFolder::make(parent.path(), Purpose::Restore).unwrap();
        assert!(running.path().join(LOCK).exists() && another.path().join(LOCK).exists());
        assert!(!left.exists() && !hardly_begun.exists());
        assert!(others.join("notes.txt").exists(), "without a lock it is not one of ours");
        let path = another.path().to_owned();
        drop(another);
        assert!(!path.exists());
    }

    #[test]
    fn the_lock_of_a_folder_goes_last() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("store/backups")).unwrap();
        fs::write(folder.path().join("passwords"), "").unwrap();
        fs::write(folder.path().join(LOCK), "").unwrap();
        clear(folder.path());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [LOCK]);
    }

    #[test]
    fn a_link_that_is_called_like_a_folder_is_not_followed() {
        let (parent, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join(LOCK), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), parent.path().join("lifeboat-restore-link")).unwrap();
        let _folder = PrivateFolder::make(parent.path(), Purpose::Restore).unwrap();
        assert!(elsewhere.path().join(LOCK).exists());
    }
}
