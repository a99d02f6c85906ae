//! A keyring's file: private, and replaced whole.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Gid, Uid, fchown, flock};
use tempfile::{Builder, NamedTempFile};
use zeroize::Zeroizing;

use super::Keyring;
use crate::error::{Error, Kind, Result, ResultExt};

pub(super) fn load(path: &Path) -> Result<Keyring> {
    let (text, _) = read(path)?;
    Keyring::of_text(text, &path.display().to_string())
}

pub(super) fn edit<T>(path: &Path, edit: impl FnOnce(&mut Keyring) -> Result<T>) -> Result<T> {
    // A link keeps pointing at the file.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = folder(&path);
    let writing = || format!("write the keyring {}", path.display());
    let lock = File::open(&folder).kind_of(Kind::Config, writing);
    let lock = lock.map_err(|error| error.hint("its folder must be there, and be yours to write"))?;
    // Released when `lock` is dropped, or when the process ends.
    flock(&lock, FlockOperation::LockExclusive).kind_of(Kind::Config, writing)?;
    let before = if path.exists() { Some(read(&path)?) } else { None };
    let mut keyring = match &before {
        Some((text, _)) => Keyring::of_text(text.clone(), &path.display().to_string())?,
        None => Keyring::empty(),
    };
    let edited = edit(&mut keyring)?;
    let file = written(&keyring, &folder, before.as_ref().map(|(_, owner)| owner)).kind_of(Kind::Config, writing)?;
    replace(file, &path, before.as_ref().map(|(text, _)| text.as_str()))?;
    lock.sync_all().kind_of(Kind::Failure, writing)?;
    Ok(edited)
}

/// Whose a file is, and its mode.
struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
}

fn read(path: &Path) -> Result<(Zeroizing<String>, Owner)> {
    let reading = || format!("read the keyring {}", path.display());
    let mut file = OpenOptions::new().read(true).open(path).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::NotFound => "check its path; `lifeboat key generate --id 2026-11 --out FILE` makes a keyring",
            _ => "it must be a file that the account that runs this can read, mode 600",
        };
        Error::new(Kind::Config, reading()).hint(hint).caused_by(error)
    })?;
    // Of the open file: between a look at the name and a look at the content it could become another.
    let found = file.metadata().kind_of(Kind::Config, reading)?;
    let mode = found.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::new(Kind::Config, format!("{}: it is open to others (mode {mode:04o})", reading()))
            .hint(format!("chmod 600 {}", path.display())));
    }
    if found.len() > BYTES_MAX {
        return Err(Error::new(Kind::Config, format!("{}: {} bytes are too many", reading(), found.len())));
    }
    // Of the final size from the start: growing would leave copies of secrets behind.
    let mut text = Zeroizing::new(String::with_capacity(found.len() as usize + 1));
    file.read_to_string(&mut text).kind_of(Kind::Config, reading)?;
    Ok((text, Owner { uid: found.uid(), gid: found.gid(), mode }))
}

fn written(keyring: &Keyring, folder: &Path, owner: Option<&Owner>) -> std::io::Result<NamedTempFile> {
    let mut file =
        Builder::new().prefix(".keyring-").permissions(std::fs::Permissions::from_mode(0o600)).tempfile_in(folder)?;
    file.write_all(keyring.to_toml().as_bytes())?;
    if let Some(owner) = owner {
        let made = file.as_file().metadata()?;
        if (made.uid(), made.gid()) != (owner.uid, owner.gid) {
            fchown(file.as_file(), Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?;
        }
        file.as_file().set_permissions(std::fs::Permissions::from_mode(owner.mode))?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

/// Everybody who edits through here holds the lock; an editor does not.
fn replace(file: NamedTempFile, path: &Path, before: Option<&str>) -> Result<()> {
    let changed =
        || Error::new(Kind::TryAgain, format!("write the keyring {}: somebody else changed it", path.display()));
    match before {
        Some(before) if read(path)?.0.as_str() != before => return Err(changed()),
        Some(_) => file.persist(path).map(drop),
        None => file.persist_noclobber(path).map(drop),
    }
    .map_err(|error| match error.error.kind() {
        ErrorKind::AlreadyExists => changed(),
        _ => Error::new(Kind::Config, format!("write the keyring {}", path.display())).caused_by(error.error),
    })
}

fn folder(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

const BYTES_MAX: u64 = 1 << 20;
