//! Copies a backup into a folder, as it lies in the store.

use std::fs::File;
use std::io::Write as _;
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

/// Copies the backup's objects into `to`, which is created or must be empty. Each file bears its name only once it is
/// proven; the manifest comes last.
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
    make_empty_folder(to)?;
    job.expect(Counter::FetchedBytes, archive.manifest.stored_bytes());
    for object in archive.manifest.objects() {
        fetch(store, &job, &archive, object, to).await?;
    }
    let manifest = to.join(MANIFEST);
    std::fs::write(&manifest, archive.manifest.to_bytes()).kind_of(Kind::Failure, || write_to(&manifest))?;
    Ok(DownloadSummary {
        backup: archive.path.to_string(),
        folder: to.to_owned(),
        objects: archive.manifest.objects().count(),
        bytes: archive.manifest.stored_bytes(),
        script: archive.manifest.script.iter().map(|object| object.name.clone()).collect(),
    })
}

fn make_empty_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).kind_of(Kind::Failure, || format!("create {}", folder.display()))?;
    let mut files = std::fs::read_dir(folder).kind_of(Kind::Failure, || format!("read {}", folder.display()))?;
    if files.next().is_none() {
        return Ok(());
    }
    Err(Error::new(Kind::Policy, format!("download into {}: it is not empty", folder.display()))
        .hint("name a new folder"))
}

async fn fetch(store: &Store, job: &Job, archive: &Archive, object: &StoredObject, to: &Path) -> Result<()> {
    let path = to.join(file_name(&object.name)?);
    let draft = path.with_extension("part");
    let mut file = File::create(&draft).kind_of(Kind::Failure, || write_to(&draft))?;
    let write = |block: bytes::Bytes| file.write_all(&block).kind_of(Kind::Failure, || write_to(&draft));
    let name = archive.path.object(&object.name);
    let proven = store.read_proven(job, &name, 0..object.length, object.sha256, write).await;
    if proven.is_err() {
        let _ = std::fs::remove_file(&draft);
    }
    proven?;
    file.sync_all().kind_of(Kind::Failure, || write_to(&draft))?;
    std::fs::rename(&draft, &path).kind_of(Kind::Failure, || write_to(&path))
}

/// A manifest must not name files outside the folder.
fn file_name(name: &str) -> Result<&str> {
    if !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']) {
        return Ok(name);
    }
    Err(Error::new(Kind::Integrity, format!("use {name:?}, which the manifest names, as a file name")))
}

fn write_to(path: &Path) -> String {
    format!("write {}", path.display())
}
