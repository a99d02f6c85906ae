//! Proves every byte of a backup: what is stored, what it decompresses to, and every row against its fingerprint.

use std::sync::Arc;

use bytes::Bytes;
use lifeboat_core::index::Range;
use lifeboat_core::keys::{OpenKeys, Wrap};
use lifeboat_core::manifest::{Manifest, StoredObject};
use lifeboat_core::monitor::{Counter, Monitor};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, BackupPath};
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::body::Body;
use super::opened::{Found, locate, open};
use super::proof::RangeProof;
use super::{Archive, BackupRef, or_instead};

/// What was proven.
#[derive(Clone, Debug, Serialize)]
pub struct VerifySummary {
    /// The backup.
    pub backup: String,
    /// Objects read, the manifest not counted.
    pub objects: usize,
    /// Stored bytes read.
    pub stored_bytes: u64,
    /// SQL bytes they decompress to; `None` where nothing could be opened.
    pub sql_bytes: Option<u64>,
    /// Rows whose fingerprints were compared; `None` where nothing could be opened.
    pub rows: Option<u64>,
    /// What could not be checked, and why.
    pub unchecked: Vec<String>,
    /// What is damaged and keeps nothing from being restored: a wrap beside another that opens.
    pub warnings: Vec<String>,
}

/// Reads a backup to its last byte and compares it with its manifest and index.
///
/// A host that can only encrypt, without any key that opens, compares what is stored with the manifest; the summary then
/// says what was not checked.
///
/// # Errors
/// [`Integrity`](lifeboat_core::Kind::Integrity) naming the object and the bytes that differ, with the name of a backup that
/// could be used instead; those of [`find`](super::find).
pub async fn verify(
    store: &Store,
    keys: &OpenKeys,
    reference: &BackupRef,
    cancel: CancellationToken,
    monitor: Arc<dyn Monitor>,
) -> Result<VerifySummary> {
    let job = Job::new(monitor, cancel);
    let found = locate(store, &job, reference).await?;
    job.step(&format!("verify {}", found.path));
    let manifest = &found.stored.manifest;
    job.expect(Counter::FetchedBytes, manifest.stored_bytes());
    if manifest.is_encrypted() && keys.keys.is_empty() && keys.retired.is_empty() {
        let verified = verify_stored(store, keys, &job, &found).await;
        return or_instead(store, &job, &found.path, verified).await;
    }
    let damaged = damaged_wraps(store, &job, &found).await?;
    let archive = open(store, keys, &job, found).await?;
    let warnings = told(&job, &damaged);
    let verified = verify_opened(store, &job, &archive).await;
    Ok(VerifySummary { warnings, ..or_instead(store, &job, &archive.path, verified).await? })
}

async fn verify_opened(store: &Store, job: &Job, archive: &Archive) -> Result<VerifySummary> {
    for (position, object) in archive.manifest.script.iter().enumerate() {
        verify_script_object(store, job, archive, position, object).await?;
    }
    for object in &archive.manifest.attachments {
        verify_attachment(store, job, archive, object).await?;
    }
    Ok(summary(&archive.path, &archive.manifest, Some((archive.index.script_bytes, archive.index.rows()))))
}

/// Reads every wrap, and gives what is wrong with them. Whether one opens, only its key can tell.
async fn damaged_wraps(store: &Store, job: &Job, found: &Found) -> Result<Vec<Error>> {
    let mut damaged = Vec::new();
    for id in &found.wraps {
        let bytes = store.get(job, &found.path.object(&layout::wrap(id))).await?;
        damaged.extend(Wrap::parse(&bytes, found.path.id.as_str(), id).err());
    }
    Ok(damaged)
}

fn told(job: &Job, damaged: &[Error]) -> Vec<String> {
    damaged.iter().map(Error::chain).inspect(|warning| job.warn(warning)).collect()
}

/// Proves what can be proven without a key.
async fn verify_stored(store: &Store, keys: &OpenKeys, job: &Job, found: &Found) -> Result<VerifySummary> {
    found.stored.judge(keys, &found.path.to_string())?;
    let mut damaged = damaged_wraps(store, job, found).await?;
    if damaged.len() == found.wraps.len() {
        let error = Error::new(
            Kind::Integrity,
            format!("verify {}: no wrap of its data key is whole, and nobody can open it", found.path),
        );
        return Err(error.caused_by(damaged.swap_remove(0)));
    }
    let warnings = told(job, &damaged);
    let manifest = &found.stored.manifest;
    for object in manifest.objects() {
        let name = found.path.object(&object.name);
        store.read_proven(job, &name, object.length, object.sha256, |_| Ok(())).await?;
    }
    let unchecked = UNCHECKED_WITHOUT_KEY.iter().map(|what| (*what).to_owned()).collect();
    Ok(VerifySummary { unchecked, warnings, ..summary(&found.path, manifest, None) })
}

fn summary(path: &BackupPath, manifest: &Manifest, opened: Option<(u64, u64)>) -> VerifySummary {
    VerifySummary {
        backup: path.to_string(),
        objects: manifest.objects().count(),
        stored_bytes: manifest.stored_bytes(),
        sql_bytes: opened.map(|(sql_bytes, _)| sql_bytes),
        rows: opened.map(|(_, rows)| rows),
        unchecked: Vec::new(),
        warnings: Vec::new(),
    }
}

/// One pass over an object proves its own digest and each range in it.
async fn verify_script_object(
    store: &Store,
    job: &Job,
    archive: &Archive,
    position: usize,
    object: &StoredObject,
) -> Result<()> {
    let name = archive.path.object(&object.name);
    let mut body = Body::of(archive, object)?;
    let mut proofs = Proofs::of(job, archive, position);
    let prove = |block: Bytes| proofs.push(body.push(&block)?);
    store.read_proven(job, &name, object.length, object.sha256, prove).await?;
    proofs.push(&body.finish()?)
}

/// The ranges of one object, proven one after another.
struct Proofs<'a, R> {
    job: &'a Job,
    archive: &'a Archive,
    ranges: R,
    current: Option<RangeProof>,
}

impl<'a> Proofs<'a, ()> {
    fn of(job: &'a Job, archive: &'a Archive, position: usize) -> Proofs<'a, impl Iterator<Item = &'a Range>> {
        let ranges = archive.index.ranges.iter().filter(move |range| range.object == position);
        Proofs { job, archive, ranges, current: None }
    }
}

impl<'a, R: Iterator<Item = &'a Range>> Proofs<'a, R> {
    fn push(&mut self, mut compressed_bytes: &[u8]) -> Result<()> {
        while !compressed_bytes.is_empty() {
            let next = || Some(self.archive.proof(self.ranges.next()?));
            // The index was checked to cover its objects: bytes without a range cannot be.
            let Some(mut proof) = self.current.take().or_else(next) else { break };
            let (mut now, later) = compressed_bytes.split_at(proof.missing().min(compressed_bytes.len()));
            while !now.is_empty() {
                let sql = proof.push(&mut now)?;
                self.job.count(Counter::SqlBytes, sql.len() as u64);
            }
            compressed_bytes = later;
            if proof.missing() > 0 {
                self.current = Some(proof);
            } else {
                proof.finish()?;
            }
        }
        Ok(())
    }
}

async fn verify_attachment(store: &Store, job: &Job, archive: &Archive, object: &StoredObject) -> Result<()> {
    let mut body = Body::of(archive, object)?;
    let name = archive.path.object(&object.name);
    store.read_proven(job, &name, object.length, object.sha256, |block| body.push(&block).map(|_| ())).await?;
    body.finish().map(|_| ())
}

const UNCHECKED_WITHOUT_KEY: &[&str] = &[
    "whether the wraps open, and to the right data key",
    "who wrote the manifest: its MAC needs a key that opens the backup",
    "what the stored bytes open and decompress to, and the rows' fingerprints: this host has no key that opens the backup",
];
