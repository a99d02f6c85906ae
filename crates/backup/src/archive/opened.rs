//! Finds a backup by its name and opens it: manifest and index, proven.

use bytes::Bytes;
use futures_util::StreamExt as _;
use lifeboat_core::codec::STEP_BYTES;
use lifeboat_core::index::{Index, Range};
use lifeboat_core::manifest::{Manifest, StoredObject};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{BackupPath, INDEX, MANIFEST};
use lifeboat_core::{Error, Job, Kind, Result};

use super::BackupRef;
use super::list::{Folder, damage, fetch_manifest, folders, parse_manifest};
use super::proof::RangeProof;
use super::reference::Which;

/// A backup whose manifest and index are proven; its other bytes are not yet.
#[derive(Clone, Debug)]
pub struct Archive {
    /// Where it lies.
    pub path: BackupPath,
    /// Its manifest.
    pub manifest: Manifest,
    /// The manifest as it lies in the store.
    pub(crate) manifest_bytes: Bytes,
    /// Its index.
    pub index: Index,
}

/// Finds the backup that `reference` names, and opens it.
///
/// # Errors
/// [`Kind::NotFound`] when there is none, [`Kind::Usage`] when the name fits several, [`Kind::Integrity`] when it is damaged:
/// the message then names the next one that is available.
pub async fn find(store: &Store, job: &Job, reference: &BackupRef) -> Result<Archive> {
    let mut found = folders(store, job).await?;
    found.retain(|path, folder| folder.contains_key(MANIFEST) && matches(reference, path));
    let path = choose(reference, found.keys(), store.address())?.clone();
    let folder = found.remove(&path).unwrap_or_default();
    match open(store, job, &path, &folder).await {
        Err(error) if error.kind() == Kind::Integrity => Err(with_next(store, job, reference, error, &path).await),
        other => other,
    }
}

async fn open(store: &Store, job: &Job, path: &BackupPath, folder: &Folder) -> Result<Archive> {
    let manifest_bytes = fetch_manifest(store, job, path).await?;
    let manifest = parse_manifest(&manifest_bytes, path)?;
    if let Some(damage) = damage(&manifest, folder) {
        return Err(Error::new(Kind::Integrity, format!("open {path}: {damage}")));
    }
    let stored = manifest
        .attachment(INDEX)
        .ok_or_else(|| Error::new(Kind::Integrity, format!("open {path}: its manifest names no index")))?;
    let index = Index::parse(&read_attachment(store, job, path, stored).await?)?;
    check_ranges(&manifest, &index)?;
    Ok(Archive { path: path.clone(), manifest, manifest_bytes, index })
}

async fn read_attachment(store: &Store, job: &Job, path: &BackupPath, object: &StoredObject) -> Result<Vec<u8>> {
    let name = path.object(&object.name);
    let mut bytes = Vec::new();
    let keep = |block: Bytes| {
        bytes.extend_from_slice(&block);
        Ok(())
    };
    store.read_proven(job, &name, 0..object.length, object.sha256, keep).await?;
    Ok(bytes)
}

/// The ranges cover the script's objects to the last byte.
fn check_ranges(manifest: &Manifest, index: &Index) -> Result<()> {
    let mut ends = vec![0; manifest.script.len()];
    let contradiction = || Error::new(Kind::Integrity, "check the index: its ranges are not the manifest's objects");
    for range in &index.ranges {
        *ends.get_mut(range.object).ok_or_else(contradiction)? = range.bytes.offset + range.bytes.length;
    }
    let agree = manifest.script.iter().zip(ends).all(|(object, end)| object.length == end);
    if agree { Ok(()) } else { Err(contradiction()) }
}

fn matches(reference: &BackupRef, path: &BackupPath) -> bool {
    let database = reference.database.as_ref().is_none_or(|name| *name == path.database);
    let which = match &reference.which {
        Which::Latest => true,
        Which::Prefix(prefix) => path.id.as_str().starts_with(prefix),
    };
    database && which
}

fn choose<'a>(
    reference: &BackupRef,
    found: impl Iterator<Item = &'a BackupPath>,
    store: &str,
) -> Result<&'a BackupPath> {
    let mut found: Vec<_> = found.collect();
    found.sort_by(|a, b| b.id.cmp(&a.id));
    let several_databases = found.iter().any(|path| path.database != found[0].database);
    match (&reference.which, found.as_slice()) {
        (_, []) => {
            Err(Error::new(Kind::NotFound, format!("find the backup {reference} in {store}"))
                .hint("see `lifeboat list`"))
        }
        (_, [only]) => Ok(only),
        (Which::Latest, [newest, ..]) if !several_databases => Ok(newest),
        (_, several) => Err(ambiguous(reference, several)),
    }
}

fn ambiguous(reference: &BackupRef, several: &[&BackupPath]) -> Error {
    let names: Vec<_> = several.iter().take(NAMES_SHOWN).map(ToString::to_string).collect();
    let more = if several.len() > NAMES_SHOWN { ", …" } else { "" };
    Error::new(Kind::Usage, format!("choose a backup: {reference} may be {}{more}", names.join(", ")))
        .hint("name the database and more of the id")
}

/// Says which backup of the same database could be restored instead.
async fn with_next(store: &Store, job: &Job, reference: &BackupRef, error: Error, path: &BackupPath) -> Error {
    let hint = match next_available(store, job, path).await {
        Some(next) => format!("the next one that is whole is {next}"),
        None => format!("no other backup of {} is whole", path.database),
    };
    Error::new(Kind::Integrity, format!("open {reference}")).hint(hint).caused_by(error)
}

async fn next_available(store: &Store, job: &Job, damaged: &BackupPath) -> Option<BackupPath> {
    let found = folders(store, job).await.ok()?;
    let mut others: Vec<_> = found.iter().filter(|(p, _)| p.database == damaged.database && *p != damaged).collect();
    others.sort_by(|a, b| b.0.id.cmp(&a.0.id));
    for (path, folder) in others {
        if let Ok(bytes) = fetch_manifest(store, job, path).await
            && let Ok(manifest) = parse_manifest(&bytes, path)
            && damage(&manifest, folder).is_none()
        {
            return Some(path.clone());
        }
    }
    None
}

impl Archive {
    /// Reads a range and proves it before giving any of it. For ranges of SQL, which are a few MiB.
    pub(crate) async fn read_whole(&self, store: &Store, job: &Job, range: &Range) -> Result<Vec<u8>> {
        let (name, bytes) = self.locate(range);
        let mut proof = RangeProof::new(self, range);
        let mut sql = Vec::new();
        let mut blocks = std::pin::pin!(store.read(job, &name, bytes));
        while let Some(block) = blocks.next().await {
            for step in block?.chunks(STEP_BYTES) {
                sql.extend(proof.push(step)?);
            }
        }
        sql.extend(proof.finish()?);
        Ok(sql)
    }

    /// The object that a range lies in, and where.
    pub(crate) fn locate(&self, range: &Range) -> (String, std::ops::Range<u64>) {
        let name = self.path.object(&self.manifest.script[range.object].name);
        (name, range.bytes.offset..range.bytes.offset + range.bytes.length)
    }

    pub(crate) fn unproven(&self, range: &Range) -> Error {
        let (name, bytes) = self.locate(range);
        let doing = format!("prove {name}, bytes {} to {}: they are not what was stored", bytes.start, bytes.end);
        Error::new(Kind::Integrity, doing).hint("the backup is damaged: see `lifeboat list` for another one")
    }
}

const NAMES_SHOWN: usize = 5;
