//! Finds a backup by its name and opens it: manifest and index, proven.

use std::sync::Arc;

use bytes::Bytes;
use lifeboat_core::catalog::Catalog;
use lifeboat_core::codec::Sha256;
use lifeboat_core::index::{Index, Range};
use lifeboat_core::keys::{DataKey, KeyId, OpenKeys};
use lifeboat_core::manifest::{Manifest, StoredManifest, StoredObject};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, BackupPath, CATALOG, INDEX, MANIFEST};
use lifeboat_core::{Error, Job, Kind, Result};

use super::BackupRef;
use super::body::{Body, CompressedRange, compressed_length};
use super::choice;
use super::folder::{Folder, damage, folders, manifest};
use super::instead::or_instead;
use super::proof::{RangeProof, compressed_bytes};

/// A backup whose manifest and index are proven; its other bytes are not yet.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where it lies.
    pub path: BackupPath,
    /// Its manifest.
    pub manifest: Manifest,
    /// The digest of `manifest.json` as it lies in the store: what names this backup to the byte.
    pub manifest_sha256: Sha256,
    /// Its index.
    pub index: Index,
    /// What opens its objects; `None` when they are not sealed.
    pub(crate) key: Option<Arc<DataKey>>,
}

/// A backup that was found: its manifest is whole, and all objects are there; nothing is opened yet.
pub(super) struct Found {
    pub(super) path: BackupPath,
    pub(super) stored: StoredManifest,
    pub(super) wraps: Vec<KeyId>,
}

/// A backup that was chosen by its name; nothing of it is read yet.
#[derive(Debug)]
pub struct Chosen {
    /// Where it lies.
    pub path: BackupPath,
    folder: Folder,
}

/// Finds the backup that `reference` names, and opens it with `keys`, as far as they trust it.
///
/// # Errors
/// Those of [`choose`] and [`Chosen::open`].
pub async fn find(store: &Store, keys: &OpenKeys, job: &Job, reference: &BackupRef) -> Result<Archive> {
    choose(store, job, reference).await?.open(store, keys, job).await
}

/// Finds the backup that `reference` names.
///
/// # Errors
/// [`Kind::NotFound`] when there is none, [`Kind::Usage`] when the name fits several; those of the store.
pub async fn choose(store: &Store, job: &Job, reference: &BackupRef) -> Result<Chosen> {
    let store = &store.clone().at_first_contact();
    let mut found = folders(store, job).await?;
    let path = choice::choose(store, job, reference, &found).await?;
    let folder = found.remove(&path).unwrap_or_default();
    Ok(Chosen { path, folder })
}

/// Opens the newest backup of the same database that is older than `path` and whole; `None` when there is none.
///
/// # Errors
/// Those of [`find`], but [`Kind::NotFound`].
pub async fn find_before(store: &Store, keys: &OpenKeys, job: &Job, path: &BackupPath) -> Result<Option<Archive>> {
    let store = &store.clone().at_first_contact();
    let found = folders(store, job).await?;
    let older = |other: &&BackupPath| other.database == path.database && other.id.start() < path.id.start();
    let mut older: Vec<_> = found.keys().filter(older).filter(|path| found[*path].contains_key(MANIFEST)).collect();
    older.sort_by(|a, b| b.id.cmp(&a.id));
    for path in older {
        match Found::read(store, job, path, &found[path]).await {
            Ok(found) => return open(store, keys, job, found).await.map(Some),
            Err(error) if error.kind() == Kind::Integrity => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Opens what was found.
pub(super) async fn open(store: &Store, keys: &OpenKeys, job: &Job, found: Found) -> Result<Archive> {
    let (store, path) = (&store.clone().at_first_contact(), found.path.clone());
    let opened = found.open(store, keys, job).await.map_err(|error| opening(&path, error));
    or_instead(store, job, &path, opened).await
}

/// Finds the backup that `reference` names, and opens nothing.
pub(super) async fn locate(store: &Store, job: &Job, reference: &BackupRef) -> Result<Found> {
    choose(store, job, reference).await?.read(store, job).await
}

impl Chosen {
    /// The keys that open it, as the names of its wraps tell.
    #[must_use]
    pub fn wraps(&self) -> Vec<KeyId> {
        self.folder.keys().filter_map(|name| layout::wrapped_under(name)).collect()
    }

    /// Reads its manifest and opens it with `keys`, as far as they trust it.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it is damaged: the message then names the next one that is available; [`Kind::WrongKey`] when no
    /// key opens it; [`Kind::Policy`] when it is not encrypted or its author not trusted, and `keys` demand that.
    pub async fn open(self, store: &Store, keys: &OpenKeys, job: &Job) -> Result<Archive> {
        let found = self.read(store, job).await?;
        open(store, keys, job, found).await
    }

    async fn read(self, store: &Store, job: &Job) -> Result<Found> {
        let store = &store.clone().at_first_contact();
        let found = Found::read(store, job, &self.path, &self.folder).await;
        or_instead(store, job, &self.path, found.map_err(|error| opening(&self.path, error))).await
    }
}

fn opening(path: &BackupPath, error: Error) -> Error {
    if error.kind() == Kind::Integrity { error.while_doing(format!("open {path}")) } else { error }
}

impl Found {
    async fn read(store: &Store, job: &Job, path: &BackupPath, folder: &Folder) -> Result<Self> {
        let stored = manifest(store, job, path).await??;
        if let Some(damage) = damage(&stored.manifest, folder) {
            return Err(Error::new(Kind::Integrity, damage));
        }
        let wraps = folder.keys().filter_map(|name| layout::wrapped_under(name)).collect();
        Ok(Self { path: path.clone(), stored, wraps })
    }

    /// Judges it, unwraps its data key, proves the manifest with it, and reads the index.
    async fn open(self, store: &Store, keys: &OpenKeys, job: &Job) -> Result<Archive> {
        self.stored.judge(keys, &self.path.to_string())?;
        let key = match self.stored.manifest.is_encrypted() {
            true => Some(Arc::new(self.unwrap(store, keys, job).await?)),
            false => None,
        };
        let Self { path, stored, .. } = self;
        let manifest_sha256 = Sha256::of(stored.bytes());
        let mut archive = Archive { path, manifest: stored.manifest, manifest_sha256, index: Index::default(), key };
        let index = archive
            .manifest
            .attachment(INDEX)
            .ok_or_else(|| Error::new(Kind::Integrity, "its manifest names no index"))?;
        archive.index = Index::parse(&archive.read_object(store, job, index).await?)?;
        archive.check_ranges()?;
        Ok(archive)
    }

    async fn unwrap(&self, store: &Store, keys: &OpenKeys, job: &Job) -> Result<DataKey> {
        let fetch = |id: KeyId| async move { store.get(job, &self.path.object(&layout::wrap(&id))).await };
        let (key, _) = keys.open(self.path.id.as_str(), &self.wraps, fetch).await?;
        self.stored.check_mac(&key)?;
        Ok(key)
    }
}

impl Archive {
    /// The compressed bytes of a small object, proven.
    pub(crate) async fn read_object(&self, store: &Store, job: &Job, object: &StoredObject) -> Result<Vec<u8>> {
        let mut body = Body::of(self, object)?;
        let mut compressed_bytes = Vec::new();
        let keep = |block: Bytes| {
            compressed_bytes.extend_from_slice(body.push(&block)?);
            Ok(())
        };
        store.read_proven(job, &self.path.object(&object.name), object.length, object.sha256, keep).await?;
        compressed_bytes.extend(body.finish()?);
        Ok(compressed_bytes)
    }

    /// The catalog of the source, proven; `None` when the backup was taken without one.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it is damaged, [`Kind::Config`] when its format is another; those of the store.
    pub async fn catalog(&self, store: &Store, job: &Job) -> Result<Option<Catalog>> {
        let Some(object) = self.manifest.attachment(CATALOG) else { return Ok(None) };
        Catalog::parse(&self.read_object(store, job, object).await?).map(Some)
    }

    /// Reads a range and proves it before giving any of it. For ranges of SQL, which are a few MiB.
    pub(crate) async fn read_whole(&self, store: &Store, job: &Job, range: &Range) -> Result<Vec<u8>> {
        let mut blocks = self.read_range(store, job, range)?;
        let mut proof = self.proof(range);
        let mut sql = Vec::new();
        while let Some(block) = blocks.next().await? {
            let mut block = &block[..];
            while !block.is_empty() {
                sql.extend(proof.push(&mut block)?);
            }
        }
        sql.extend(proof.finish()?);
        Ok(sql)
    }

    /// The compressed bytes of a range, unproven.
    pub(crate) fn read_range<'a>(&self, store: &'a Store, job: &'a Job, range: &Range) -> Result<CompressedRange<'a>> {
        CompressedRange::read(store, job, self, &self.manifest.script[range.object], compressed_bytes(range))
    }

    /// The ranges cover the script's objects to the last byte.
    fn check_ranges(&self) -> Result<()> {
        let mut ends = vec![0; self.manifest.script.len()];
        let contradiction =
            || Error::new(Kind::Integrity, "check the index: its ranges are not the manifest's objects");
        for range in &self.index.ranges {
            *ends.get_mut(range.object).ok_or_else(contradiction)? = compressed_bytes(range).end;
        }
        for (object, end) in self.manifest.script.iter().zip(ends) {
            if compressed_length(object)? != end {
                return Err(contradiction());
            }
        }
        Ok(())
    }

    /// What proves a range as its compressed bytes pass.
    pub(crate) fn proof(&self, range: &Range) -> RangeProof {
        RangeProof::new(self.name_of(range), range.clone(), self.manifest.compression)
    }

    /// The name of a range's object in the store.
    pub(super) fn name_of(&self, range: &Range) -> String {
        self.path.object(&self.manifest.script[range.object].name)
    }
}
