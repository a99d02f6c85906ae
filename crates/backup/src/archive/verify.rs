//! Proves every byte of a backup: what is stored, what it decompresses to, and every row against its fingerprint.

use std::sync::Arc;

use bytes::Bytes;
use lifeboat_core::codec::STEP_BYTES;
use lifeboat_core::manifest::StoredObject;
use lifeboat_core::monitor::{Counter, Monitor};
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Result};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::proof::RangeProof;
use super::{Archive, BackupRef, find};

/// What was proven.
#[derive(Clone, Debug, Serialize)]
pub struct VerifySummary {
    /// The backup.
    pub backup: String,
    /// Objects read, the manifest not counted.
    pub objects: usize,
    /// Stored bytes read.
    pub stored_bytes: u64,
    /// SQL bytes they decompress to.
    pub sql_bytes: u64,
    /// Rows whose fingerprints were compared.
    pub rows: u64,
}

/// Reads a backup to its last byte and compares it with its manifest and index.
///
/// # Errors
/// [`Integrity`](lifeboat_core::Kind::Integrity) naming the object and the bytes that differ; those of [`find`].
pub async fn verify(
    store: &Store,
    reference: &BackupRef,
    cancel: CancellationToken,
    monitor: Arc<dyn Monitor>,
) -> Result<VerifySummary> {
    let job = Job::new(monitor, cancel);
    let archive = find(store, &job, reference).await?;
    job.step(&format!("verify {}", archive.path));
    job.expect(Counter::FetchedBytes, archive.manifest.stored_bytes());
    for (position, object) in archive.manifest.script.iter().enumerate() {
        verify_script_object(store, &job, &archive, position, object).await?;
    }
    for object in &archive.manifest.attachments {
        let name = archive.path.object(&object.name);
        store.read_proven(&job, &name, 0..object.length, object.sha256, |_| Ok(())).await?;
    }
    Ok(VerifySummary {
        backup: archive.path.to_string(),
        objects: archive.manifest.objects().count(),
        stored_bytes: archive.manifest.stored_bytes(),
        sql_bytes: archive.index.script_bytes,
        rows: archive.index.rows(),
    })
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
    let mut ranges = archive.index.ranges.iter().filter(|range| range.object == position);
    let mut proof: Option<RangeProof<'_>> = None;
    let prove = |block: Bytes| {
        let mut rest = &block[..];
        while !rest.is_empty() {
            // The index was checked to cover its objects: bytes without a range cannot be.
            let Some(mut current) = proof.take().or_else(|| Some(RangeProof::new(archive, ranges.next()?))) else {
                break;
            };
            let (now, later) = rest.split_at(current.missing().min(rest.len()).min(STEP_BYTES));
            let sql = current.push(now)?;
            job.count(Counter::SqlBytes, sql.len() as u64);
            rest = later;
            if current.missing() > 0 {
                proof = Some(current);
            } else {
                current.finish()?;
            }
        }
        Ok(())
    };
    store.read_proven(job, &name, 0..object.length, object.sha256, prove).await
}
