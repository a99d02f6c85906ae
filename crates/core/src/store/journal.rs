//! The journal of open multipart uploads.
//!
//! A killed run leaves parts in the store that a write-only key cannot even list. Each upload is written down here
//! before its first part; the next run aborts what no living process holds. A living process holds its entries by
//! `flock`, which the kernel gives back however the process ends.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::error::{Kind, Result, ResultExt};

/// A folder with one file per open upload.
#[derive(Clone, Debug)]
pub struct Journal {
    folder: PathBuf,
}

/// One open upload, held by this process.
pub(super) struct Entry {
    pub(super) upload: OpenUpload,
    path: PathBuf,
    _held: File,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenUpload {
    /// Address of the store.
    pub(super) store: String,
    /// The object's whole path in the bucket.
    pub(super) path: String,
    /// The store's id of the upload.
    pub(super) id: String,
}

impl Journal {
    /// The journal in `folder`, which is created if it is missing.
    ///
    /// # Errors
    /// [`Kind::Config`] when the folder cannot be made.
    pub fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)
            .kind_of(Kind::Config, || format!("create the upload journal {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Writes an upload down and holds the entry.
    pub(super) fn record(&self, upload: OpenUpload) -> Result<Entry> {
        let digest = crate::codec::Sha256::of(format!("{}\n{}\n{}", upload.store, upload.path, upload.id).as_bytes());
        let path = self.folder.join(format!("{}.json", &digest.to_string()[..24]));
        let doing = || format!("write the upload journal {}", path.display());
        // Held and whole before it bears its name: no other process finds it unheld or half written.
        let draft = path.with_extension("draft");
        let mut file = File::create(&draft).kind_of(Kind::Failure, doing)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive).kind_of(Kind::Failure, doing)?;
        let json = serde_json::to_vec(&upload).kind_of(Kind::Failure, doing)?;
        file.write_all(&json).kind_of(Kind::Failure, doing)?;
        std::fs::rename(&draft, &path).kind_of(Kind::Failure, doing)?;
        Ok(Entry { upload, path, _held: file })
    }

    /// Entries for `store` that no living process holds; they are held by this process now.
    pub(super) fn abandoned(&self, store: &str) -> Result<Vec<Entry>> {
        let doing = || format!("read the upload journal {}", self.folder.display());
        let mut found = Vec::new();
        for file in std::fs::read_dir(&self.folder).kind_of(Kind::Failure, doing)? {
            let path = file.kind_of(Kind::Failure, doing)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                found.extend(take_over(path).filter(|entry| entry.upload.store == store));
            }
        }
        Ok(found)
    }
}

impl Entry {
    /// Strikes the entry out: the upload is completed or aborted.
    pub(super) fn close(self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not remove an entry of the upload journal");
        }
    }
}

fn take_over(path: PathBuf) -> Option<Entry> {
    let file = File::open(&path).ok()?;
    taken_over(path, file)
}

fn taken_over(path: PathBuf, mut file: File) -> Option<Entry> {
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    // Whoever held it until now has struck it out: there is nothing to abort.
    if file.metadata().ok()?.nlink() == 0 {
        return None;
    }
    let mut json = Vec::new();
    file.read_to_end(&mut json).ok()?;
    let upload = serde_json::from_slice(&json)
        .inspect_err(
            |error| tracing::warn!(path = %path.display(), %error, "cannot read an entry of the upload journal"),
        )
        .ok()?;
    Some(Entry { upload, path, _held: file })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::{Journal, OpenUpload, taken_over};

    fn upload(id: &str) -> OpenUpload {
        OpenUpload { store: "s3://bucket".into(), path: "a/b".into(), id: id.into() }
    }

    #[test]
    fn only_entries_that_nobody_holds_are_abandoned() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        let held = journal.record(upload("held")).unwrap();
        drop(journal.record(upload("left behind")).unwrap());
        journal.record(upload("completed")).unwrap().close();

        let abandoned = journal.abandoned("s3://bucket").unwrap();
        assert_eq!(abandoned.iter().map(|e| e.upload.id.as_str()).collect::<Vec<_>>(), ["left behind"]);
        assert!(journal.abandoned("s3://other").unwrap().is_empty());
        drop(held);
        drop(abandoned);
        assert_eq!(journal.abandoned("s3://bucket").unwrap().len(), 2);
    }

    #[test]
    fn an_upload_that_is_completed_while_its_entry_is_looked_at_is_not_abandoned() {
        let folder = tempfile::tempdir().unwrap();
        let entry = Journal::open(folder.path()).unwrap().record(upload("completed just now")).unwrap();
        let (path, opened) = (entry.path.clone(), File::open(&entry.path).unwrap());
        entry.close();
        assert!(taken_over(path, opened).is_none());
    }
}
