//! Copies a backup into a folder, as it lies in the store.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lifeboat_core::manifest::StoredObject;
use lifeboat_core::monitor::{Counter, Monitor};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::MANIFEST;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt as _};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Archive, BackupRef, find};

/// What was copied.
#[derive(Clone, Debug, Serialize)]
pub struct DownloadSummary {
    /// The backup.
    pub backup: String,
    /// The folder it lies in now.
    pub folder: PathBuf,
    /// Objects, the manifest not counted.
    pub objects: usize,
    /// Bytes, the manifest not counted.
    pub bytes: u64,
    /// Names of the script's objects in order: decompressed and concatenated they are the dump.
    pub script: Vec<String>,
}

/// Copies the backup's objects into `to`, byte for byte; `to` is created or must be empty. Each file bears its name only
/// once it is proven; the manifest comes last. Only the caller's user may read them. After an error nothing is left.
///
/// # Errors
/// [`Kind::Policy`] when the folder is not empty; [`Kind::Integrity`] for an object that is not what was stored.
pub async fn download(
    store: &Store,
    reference: &BackupRef,
    to: &Path,
    cancel: CancellationToken,
    monitor: Arc<dyn Monitor>,
) -> Result<DownloadSummary> {
    let job = Job::new(monitor, cancel);
    let archive = find(store, &job, reference).await?;
    let mut copies = Copies::begin(to)?;
    job.expect(Counter::FetchedBytes, archive.manifest.stored_bytes());
    for object in archive.manifest.objects() {
        fetch(store, &job, &archive, object, &mut copies).await?;
    }
    let mut manifest = copies.create(MANIFEST)?;
    manifest.write_all(&archive.manifest_bytes).kind_of(Kind::Failure, || copies.doing(MANIFEST))?;
    copies.name(&manifest, MANIFEST)?;
    copies.keep();
    Ok(DownloadSummary {
        backup: archive.path.to_string(),
        folder: to.to_owned(),
        objects: archive.manifest.objects().count(),
        bytes: archive.manifest.stored_bytes(),
        script: archive.manifest.script.iter().map(|object| object.name.clone()).collect(),
    })
}

async fn fetch(store: &Store, job: &Job, archive: &Archive, object: &StoredObject, copies: &mut Copies) -> Result<()> {
    let name = file_name(&object.name)?;
    let mut file = copies.create(name)?;
    let write = |block: bytes::Bytes| file.write_all(&block).kind_of(Kind::Failure, || copies.doing(name));
    store.read_proven(job, &archive.path.object(name), 0..object.length, object.sha256, write).await?;
    copies.name(&file, name)
}

/// The files made so far; removed when dropped, unless kept.
struct Copies {
    folder: PathBuf,
    /// Whether the folder is ours to remove.
    made_folder: bool,
    files: Vec<PathBuf>,
}

impl Copies {
    /// Makes the folder, or takes one that is empty.
    fn begin(folder: &Path) -> Result<Self> {
        let made_folder = !folder.exists();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.kind_of(Kind::Failure, || format!("create {}", folder.display()))?;
        let mut found = std::fs::read_dir(folder).kind_of(Kind::Failure, || format!("read {}", folder.display()))?;
        if found.next().is_some() {
            let doing = format!("download into {}: it is not empty", folder.display());
            return Err(Error::new(Kind::Policy, doing).hint("name a new folder"));
        }
        Ok(Self { folder: folder.to_owned(), made_folder, files: Vec::new() })
    }

    /// A new file, under another name for now.
    fn create(&mut self, name: &str) -> Result<File> {
        let draft = self.draft(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
        let file = file.kind_of(Kind::Failure, || self.doing(name))?;
        self.files.push(draft);
        Ok(file)
    }

    /// Gives a whole file its name.
    fn name(&mut self, file: &File, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        file.sync_all().kind_of(Kind::Failure, || self.doing(name))?;
        std::fs::rename(self.draft(name), &path).kind_of(Kind::Failure, || self.doing(name))?;
        self.files.pop();
        self.files.push(path);
        Ok(())
    }

    fn keep(mut self) {
        self.files.clear();
        self.made_folder = false;
    }

    fn draft(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.part"))
    }

    fn doing(&self, name: &str) -> String {
        format!("write {}", self.folder.join(name).display())
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
        if self.made_folder {
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}

/// A manifest must not name files outside the folder.
fn file_name(name: &str) -> Result<&str> {
    if !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']) {
        return Ok(name);
    }
    Err(Error::new(Kind::Integrity, format!("use {name:?}, which the manifest names, as a file name")))
}
