//! A drill's folder, and the lock that says whether its drill lives.
//!
//! Invariants: whoever holds the lock of a folder may remove it, and nobody else. The kernel gives the lock back however its
//! holder ends. A folder and its lock appear together to others: both are made under the lock of the folder of all.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_core::{DrillId, Kind, Result, ResultExt, TOOL};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::names;
use super::processes::{end_all, is_running};
use super::shared_memory;

/// The folder of one drill, locked.
#[derive(Debug)]
pub(super) struct Lease {
    folder: PathBuf,
    drill: DrillId,
    holder: Holder,
    _lock: File,
}

/// Whose folder it is: for people who look, and for those that clean up.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Holder {
    tool: String,
    drill: DrillId,
    pid: u32,
    /// How its processes are ended.
    #[serde(default)]
    end: End,
}

/// How the processes of a drill are ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// At once: nothing in them is worth keeping.
    #[default]
    Kill,
    /// By SIGTERM first: they may have to remove something that is not in the folder.
    Ask,
}

/// What lies in the folder of all drills.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Those whose drill is dead.
    pub(super) abandoned: Vec<Lease>,
    /// Those whose drill lives.
    pub(super) alive: Vec<DrillId>,
    /// Those that cannot be told, and why.
    pub(super) unclear: Vec<(PathBuf, String)>,
}

impl Lease {
    /// Makes the folder of `drill` below `dir`, locked. Other accounts may pass through it, and read nothing.
    ///
    /// # Errors
    /// [`Kind::Config`] when `dir` cannot be used, [`Kind::Failure`] when the folder is there already.
    pub(super) fn take(dir: &Path, drill: &DrillId, end: End) -> Result<Self> {
        let dir = make(dir)?;
        let folder = dir.join(names::folder(drill));
        let doing = || format!("make the folder {}", folder.display());
        let _gate = gate(&dir)?;
        DirBuilder::new().mode(0o711).create(&folder).kind_of(Kind::Failure, doing)?;
        set_mode(&folder)?;
        let holder = Holder { tool: TOOL.to_owned(), drill: drill.clone(), pid: std::process::id(), end };
        let mut lock = private_file(&folder.join(LEASE)).kind_of(Kind::Failure, doing)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).kind_of(Kind::Failure, doing)?;
        let json = serde_json::to_vec(&holder).kind_of(Kind::Failure, doing)?;
        lock.write_all(&json).kind_of(Kind::Failure, doing)?;
        Ok(Self { folder, drill: drill.clone(), holder, _lock: lock })
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The drill, when the process that held the lease is gone: one that could not clean up may still record how it ended.
    pub(super) fn killed(&self) -> Option<&DrillId> {
        (!is_running(self.holder.pid)).then_some(&self.drill)
    }

    /// The folder of its socket: one whose name is short enough for the kernel.
    pub(super) fn socket_folder(&self) -> PathBuf {
        let near = self.folder.join("run");
        let is_short = near.as_os_str().len() + SOCKET.len() <= SOCKET_PATH_BYTES_MAX;
        if is_short { near } else { self.far_socket_folder() }
    }

    fn far_socket_folder(&self) -> PathBuf {
        Path::new("/tmp").join(format!("lifeboat-{}", names::folder(&self.drill)))
    }

    /// Ends what runs in the folder, and removes it and what belongs to it; the lock goes last.
    ///
    /// # Errors
    /// [`Kind::Failure`] with what stays; the lease stays with it, for the next one to try.
    pub(super) fn remove(self) -> Result<()> {
        end_all(&self.folder, matches!(self.holder.end, End::Ask).then_some((Signal::TERM, ASKED_WITHIN)));
        shared_memory::remove(&self.folder.join("data"));
        let doing = || format!("remove {}", self.folder.display());
        remove_tree(&self.far_socket_folder()).kind_of(Kind::Failure, doing)?;
        for entry in std::fs::read_dir(&self.folder).kind_of(Kind::Failure, doing)?.flatten() {
            if entry.file_name() != LEASE {
                remove_tree(&entry.path()).kind_of(Kind::Failure, doing)?;
            }
        }
        remove_tree(&self.folder).kind_of(Kind::Failure, doing)
    }
}

/// Looks at every folder of a drill below `dir`; those whose drill is dead are then ours to remove.
///
/// # Errors
/// [`Kind::Config`] when `dir` cannot be read. One that does not exist holds nothing.
pub(super) fn find(dir: &Path) -> Result<Found> {
    let mut found = Found::default();
    let dir = match dir.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
        other => other.kind_of(Kind::Config, || format!("read {}", dir.display()))?,
    };
    let _gate = gate(&dir)?;
    for entry in std::fs::read_dir(&dir).kind_of(Kind::Config, || format!("read {}", dir.display()))?.flatten() {
        if let Some(drill) = entry.file_name().to_str().and_then(names::drill_of_folder) {
            look_at(entry.path(), drill, &mut found);
        }
    }
    Ok(found)
}

fn look_at(folder: PathBuf, drill: DrillId, found: &mut Found) {
    match OpenOptions::new().read(true).write(true).open(folder.join(LEASE)) {
        Ok(lock) => try_lease(folder, drill, lock, found),
        Err(error) if error.kind() == ErrorKind::NotFound => match std::fs::remove_dir(&folder) {
            // Whoever made it was killed before the lease was there: it is empty, or not one of ours.
            Err(error) if error.kind() != ErrorKind::NotFound => {
                found.unclear.push((folder, format!("it has no lease, and is not empty: {error}")));
            }
            // It was there a moment ago, and its drill has come to its end.
            _ => {}
        },
        Err(error) => found.unclear.push((folder, format!("its lease cannot be opened: {error}"))),
    }
}

/// Takes over a folder whose lease nobody holds.
fn try_lease(folder: PathBuf, drill: DrillId, lock: File, found: &mut Found) {
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        // Whoever held it until now has removed it and the folder with it: a drill that ended by itself was not killed.
        Ok(()) if lock.metadata().is_ok_and(|lease| lease.nlink() == 0) => return,
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return found.alive.push(drill),
        Err(error) => return found.unclear.push((folder, format!("its lease cannot be locked: {error}"))),
    }
    // Whoever was killed between the lock and the text left none.
    let text = std::fs::read(folder.join(LEASE)).unwrap_or_default();
    let unsaid = Holder { tool: String::new(), drill: drill.clone(), pid: 0, end: End::Kill };
    let holder = if text.is_empty() { Ok(unsaid) } else { serde_json::from_slice(&text) };
    match holder {
        Ok(holder) if holder.drill == drill => found.abandoned.push(Lease { folder, drill, holder, _lock: lock }),
        _ => found.unclear.push((folder, "its lease is not one of ours".to_owned())),
    }
}

/// The lock of the folder of all drills, held for moments.
fn gate(dir: &Path) -> Result<File> {
    let doing = || format!("lock {}", dir.display());
    let gate = File::open(dir).kind_of(Kind::Config, doing)?;
    flock(&gate, FlockOperation::LockExclusive).kind_of(Kind::Config, doing)?;
    Ok(gate)
}

/// The folder of all drills, as the kernel names it.
fn make(dir: &Path) -> Result<PathBuf> {
    let doing = || format!("use the folder {}", dir.display());
    if !dir.exists() {
        DirBuilder::new().recursive(true).mode(0o711).create(dir).kind_of(Kind::Config, doing)?;
        set_mode(dir)?;
    }
    dir.canonicalize().kind_of(Kind::Config, doing)
}

/// Passable whatever the umask is: a server that is not ours must reach its data.
fn set_mode(folder: &Path) -> Result<()> {
    let set = std::fs::set_permissions(folder, Permissions::from_mode(0o711));
    set.kind_of(Kind::Config, || format!("open {} for others to pass", folder.display()))
}

/// A new or emptied file that only we can read.
pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Removes a file or a folder with everything in it; one that is not there is no error.
fn remove_tree(path: &Path) -> std::io::Result<()> {
    let is_folder = match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?.is_dir(),
    };
    if is_folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

const LEASE: &str = "lease.json";
const SOCKET: &str = "/.s.PGSQL.5432";
const SOCKET_PATH_BYTES_MAX: usize = 107;
const ASKED_WITHIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use lifeboat_core::{DrillId, Kind};

    use super::{End, Found, Lease, find, look_at, try_lease};

    fn drill(digit: u8) -> DrillId {
        DrillId::new("2026-11-21T02:17:00Z".parse().unwrap(), [digit; 3])
    }

    #[test]
    fn a_live_drill_is_left_alone_and_a_dead_one_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let live = Lease::take(dir.path(), &drill(1), End::Kill).unwrap();
        let dead = Lease::take(dir.path(), &drill(2), End::Kill).unwrap();
        let folder = dead.folder().to_owned();
        drop(dead);
        let found = find(dir.path()).unwrap();
        assert_eq!(found.alive, [drill(1)]);
        assert_eq!(found.abandoned.len(), 1);
        std::fs::create_dir_all(folder.join("data/base")).unwrap();
        assert_eq!(found.abandoned[0].killed(), None, "its holder, this process, may still record its end");
        found.abandoned.into_iter().for_each(|lease| lease.remove().unwrap());
        assert!(!folder.exists() && live.folder().exists());
        live.remove().unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_another_is_removing_is_not_removed_twice() {
        let dir = tempfile::tempdir().unwrap();
        drop(Lease::take(dir.path(), &drill(1), End::Kill).unwrap());
        let first = find(dir.path()).unwrap();
        assert_eq!(find(dir.path()).unwrap().abandoned.len(), 0);
        first.abandoned.into_iter().for_each(|lease| lease.remove().unwrap());
        assert!(Lease::take(dir.path(), &drill(1), End::Kill).is_ok());
    }

    #[test]
    fn a_folder_of_a_moment_before_its_lease_is_removed_and_others_folders_are_not() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("drill-20261121T021700Z-010101")).unwrap();
        std::fs::create_dir_all(dir.path().join("drill-20261121T021700Z-020202/precious")).unwrap();
        std::fs::create_dir(dir.path().join("drill-notes")).unwrap();
        drop(Lease::take(dir.path(), &drill(3), End::Kill).unwrap());
        std::fs::write(dir.path().join("drill-20261121T021700Z-030303/lease.json"), "{\"mine\": true}").unwrap();
        let found = find(dir.path()).unwrap();
        assert_eq!((found.abandoned.len(), found.alive.len(), found.unclear.len()), (0, 0, 2));
        assert!(!dir.path().join("drill-20261121T021700Z-010101").exists());
        assert!(dir.path().join("drill-notes").exists());
        assert!(find(&dir.path().join("absent")).unwrap().abandoned.is_empty());
    }

    #[test]
    fn a_drill_that_ends_while_it_is_looked_at_is_none_that_was_killed() {
        let (dir, mut found) = (tempfile::tempdir().unwrap(), Found::default());
        let ending = Lease::take(dir.path(), &drill(1), End::Kill).unwrap();
        let folder = ending.folder().to_owned();
        let opened = std::fs::File::open(folder.join("lease.json")).unwrap();
        ending.remove().unwrap();
        try_lease(folder.clone(), drill(1), opened, &mut found);
        look_at(folder, drill(1), &mut found);
        assert_eq!((found.abandoned.len(), found.alive.len(), found.unclear.len()), (0, 0, 0), "{found:?}");
    }

    #[test]
    fn the_same_drill_twice_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Lease::take(dir.path(), &drill(1), End::Kill).unwrap();
        assert_eq!(Lease::take(dir.path(), &drill(1), End::Kill).unwrap_err().kind(), Kind::Failure);
    }

    #[test]
    fn a_socket_lies_in_the_folder_unless_its_name_would_be_too_long() {
        let dir = tempfile::tempdir().unwrap();
        let near = Lease::take(dir.path(), &drill(1), End::Kill).unwrap();
        assert!(near.socket_folder().starts_with(near.folder()));
        let far = Lease::take(&dir.path().join("x".repeat(80)), &drill(1), End::Kill).unwrap();
        assert_eq!(far.socket_folder().as_os_str().as_bytes(), b"/tmp/lifeboat-drill-20261121T021700Z-010101");
    }
}
