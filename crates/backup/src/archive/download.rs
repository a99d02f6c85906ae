//! Copies a backup into a folder, opened or as it lies in the store.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::manifest::{Compression, Manifest, StoredObject};
use lifeboat_core::monitor::{Counter, Monitor};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, BackupPath, MANIFEST};
use lifeboat_core::{Error, Job, Kind, Result, ResultExt as _};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::body::Body;
use super::opened::{Found, locate, open};
use super::{Archive, BackupRef, or_instead};

/// What to copy, and where to.
#[derive(Clone, Debug)]
pub struct DownloadOptions {
    /// The folder; it is created or must be empty.
    pub to: PathBuf,
    /// Copy an encrypted backup as it lies in the store, with its wraps and `recover.py`, which opens it without Lifeboat.
    pub sealed: bool,
    /// Ends the copying early.
    pub cancel: CancellationToken,
}

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
    /// Whether the copies are sealed.
    pub sealed: bool,
    /// How the script is compressed.
    pub compression: Compression,
    /// Names of the script's objects in order: opened if they are sealed, decompressed and concatenated they are the dump.
    pub script: Vec<String>,
}

/// Copies the backup's objects into a folder. Each file bears its name only once it is proven. Only the caller's user may
/// read them. After an error nothing is left.
///
/// Objects of an encrypted backup are opened on the way, and the manifest, which proves the sealed ones, is left out; with
/// [`sealed`](DownloadOptions::sealed), as without encryption, all copies are byte for byte what is stored, and the manifest
/// comes last. A sealed copy needs no key.
///
/// # Errors
/// [`Kind::Policy`] when the folder is not empty; [`Kind::Integrity`] for an object that is not what was stored, with the name
/// of a backup that could be used instead.
pub async fn download(
    store: &Store,
    keys: &OpenKeys,
    reference: &BackupRef,
    options: &DownloadOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<DownloadSummary> {
    let job = Job::new(monitor, options.cancel.clone());
    let found = locate(store, &job, reference).await?;
    let copies = Copies::begin(&options.to)?;
    job.expect(Counter::FetchedBytes, found.stored.manifest.stored_bytes());
    let fetch = Fetch { store, job: &job, copies };
    let path = found.path.clone();
    let downloaded = if options.sealed || !found.stored.manifest.is_encrypted() {
        found.stored.judge(keys, &path.to_string())?;
        fetch.stored(&found, options.sealed).await
    } else {
        fetch.opened(&open(store, keys, &job, found).await?).await
    };
    or_instead(store, &job, &path, downloaded).await
}

struct Fetch<'a> {
    store: &'a Store,
    job: &'a Job,
    copies: Copies,
}

impl Fetch<'_> {
    async fn stored(mut self, found: &Found, sealed: bool) -> Result<DownloadSummary> {
        let manifest = &found.stored.manifest;
        for object in manifest.objects() {
            let name = file_name(&object.name)?;
            let mut file = self.copies.create(name)?;
            let write = |block: Bytes| file.write_all(&block).kind_of(Kind::Failure, || self.copies.doing(name));
            let stored = found.path.object(name);
            self.store.read_proven(self.job, &stored, object.length, object.sha256, write).await?;
            self.copies.name(&file, name)?;
        }
        for key in &found.wraps {
            let name = layout::wrap(key);
            let wrap = self.store.get(self.job, &found.path.object(&name)).await?;
            self.copies.write(&name, &wrap)?;
        }
        if sealed {
            self.copies.write("recover.py", RECOVER)?;
        }
        self.copies.write(MANIFEST, found.stored.bytes())?;
        let sealed = manifest.is_encrypted();
        Ok(self.finish(&found.path, manifest, sealed))
    }

    async fn opened(mut self, archive: &Archive) -> Result<DownloadSummary> {
        for object in archive.manifest.objects() {
            let name = file_name(layout::unsealed(&object.name))?;
            let mut file = self.copies.create(name)?;
            let mut body = Body::of(archive, object)?;
            let mut write = |compressed_bytes: &[u8]| {
                file.write_all(compressed_bytes).kind_of(Kind::Failure, || self.copies.doing(name))
            };
            let stored = archive.path.object(&object.name);
            let open = |block: Bytes| write(body.push(&block)?);
            self.store.read_proven(self.job, &stored, object.length, object.sha256, open).await?;
            write(&body.finish()?)?;
            self.copies.name(&file, name)?;
        }
        Ok(self.finish(&archive.path, &archive.manifest, false))
    }

    fn finish(self, path: &BackupPath, manifest: &Manifest, sealed: bool) -> DownloadSummary {
        let name = |object: &StoredObject| {
            if sealed { object.name.clone() } else { layout::unsealed(&object.name).to_owned() }
        };
        DownloadSummary {
            backup: path.to_string(),
            objects: manifest.objects().count(),
            bytes: manifest.stored_bytes(),
            sealed,
            compression: manifest.compression,
            script: manifest.script.iter().map(name).collect(),
            folder: self.copies.keep(),
        }
    }
}

/// The files made so far; removed when dropped, unless kept.
struct Copies {
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// Folders that are ours to remove, the outermost first.
    folders: Vec<PathBuf>,
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
        let folders = if made_folder { vec![folder.to_owned()] } else { Vec::new() };
        Ok(Self { folder: folder.to_owned(), files: Vec::new(), folders })
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

    /// A small file, whole; its folder inside ours is made.
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        if let Some((folder, _)) = name.rsplit_once('/') {
            let folder = self.folder.join(folder);
            if !folder.exists() {
                let made = DirBuilder::new().mode(0o700).create(&folder);
                made.kind_of(Kind::Failure, || self.doing(name))?;
                self.folders.push(folder);
            }
        }
        let mut file = self.create(name)?;
        file.write_all(bytes).kind_of(Kind::Failure, || self.doing(name))?;
        self.name(&file, name)
    }

    fn keep(mut self) -> PathBuf {
        self.files.clear();
        self.folders.clear();
        std::mem::take(&mut self.folder)
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
        for folder in self.folders.iter().rev() {
            let _ = std::fs::remove_dir(folder);
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

/// Opens a sealed copy without Lifeboat.
const RECOVER: &[u8] = include_bytes!("../../recover.py");
