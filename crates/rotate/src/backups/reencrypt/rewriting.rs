//! Writes backups anew under new data keys, and proves each by reading it back.

use std::sync::Arc;

use bytes::Bytes;
use lifeboat_core::codec::sealed::Header;
use lifeboat_core::codec::{Sha256, StoredWriter, WrittenBytes};
use lifeboat_core::keys::{DataKey, Signer};
use lifeboat_core::manifest::{Manifest, StoredManifest, StoredObject};
use lifeboat_core::monitor::{Counter, Monitor};
use lifeboat_core::store::layout::{self, BackupPath, MANIFEST};
use lifeboat_core::store::{Journal, Store, UploadedObject, Uploader, Writers};
use lifeboat_core::{BackupId, Error, Job, Kind, Result, TOOL};
use serde::Serialize;

use super::super::ends_all;
use super::super::failures::{Failed, Failures};
use super::super::folder::{Folder, Owner, State};
use super::super::opening::{Proof, opens_to};
use super::contents::Source;
use super::{ReencryptKeys, ReencryptOptions, ReencryptPlan, Rewrite};

/// What became of the backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReencryptSummary {
    /// Backups that were written anew; each was read back and holds what the old one holds.
    pub rewritten: u64,
    /// Bytes that were stored.
    pub stored_bytes: u64,
    /// Which is in which: what [`remove_replaced`](super::remove_replaced) need not prove again.
    #[serde(skip)]
    pub proven: Vec<Replacement>,
    /// Those that failed; they stay as they are.
    pub failed: Failures,
}

/// A backup and the one that was proven to hold the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The store's position in the list that was given: another store may hold backups of the same names.
    pub store: usize,
    /// The old one.
    pub old: BackupPath,
    /// The new one.
    pub new: BackupPath,
}

/// Writes the backups of a plan anew, one after another: same time, new id, new data key, under every key of
/// [`seal`](ReencryptKeys::seal). Each has its manifest only after all its objects were read back and opened, and hold the
/// same bytes as the old one's. The old ones stay: see [`remove_replaced`](super::remove_replaced).
///
/// # Errors
/// As [`ReencryptPlan::check`], with nothing done; [`Kind::Config`] without a usable state directory; a store that does not answer, cancellation. What fails for one backup is
/// in the summary.
pub async fn apply_reencrypt(
    stores: &[Store],
    plan: &ReencryptPlan,
    keys: &ReencryptKeys,
    options: &ReencryptOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<ReencryptSummary> {
    plan.check(options)?;
    let job = options.rotate.job(monitor);
    let journal = Journal::open(&options.state_dir.join("uploads"))?;
    let mut summary = ReencryptSummary { failed: plan.failed.and(&plan.refused), ..ReencryptSummary::default() };
    job.expect(Counter::FetchedBytes, plan.rewrite.iter().map(|rewrite| 2 * rewrite.stored_bytes).sum());
    for store in stores {
        store.abort_abandoned(&journal).await?;
    }
    for rewrite in &plan.rewrite {
        job.check()?;
        let Some(store) = stores.get(rewrite.store) else { continue };
        job.step(&format!("seal {} anew", rewrite.backup));
        let rewriting = Rewriting { store, keys, options, journal: &journal, job: &job };
        match Box::pin(rewriting.one(rewrite)).await {
            Ok((new, stored_bytes)) => {
                summary.rewritten += 1;
                summary.stored_bytes += stored_bytes;
                summary.proven.push(Replacement { store: rewrite.store, old: rewrite.backup.clone(), new });
            }
            Err(error) if ends_all(&error) => return Err(error),
            Err(error) => summary.failed.add(Failed::named(store.address(), rewrite.backup.to_string(), &error)),
        }
    }
    Ok(summary)
}

struct Rewriting<'a> {
    store: &'a Store,
    keys: &'a ReencryptKeys,
    options: &'a ReencryptOptions,
    journal: &'a Journal,
    job: &'a Job,
}

impl Rewriting<'_> {
    /// The new backup, proven, and how long it is.
    async fn one(&self, rewrite: &Rewrite) -> Result<(BackupPath, u64)> {
        let old = Folder::read(self.store, Owner::Backup(rewrite.backup.clone()), self.job).await?;
        let (stored, key) = open(&old, self.keys, self.job).await?;
        let signer = self.keys.judge(&stored, &rewrite.backup.to_string())?;
        let source = Source { store: self.store, path: &rewrite.backup, stored: &stored, key: key.as_ref() };
        let id = BackupId::generate(rewrite.backup.id.start())?;
        let path = BackupPath { id, ..rewrite.backup.clone() };
        let key = DataKey::generate()?;
        self.put_wraps(&path, &key).await?;
        let (manifest, digests) = self.copy(&source, &path, &key).await?;
        self.commit(&path, &manifest, &key, signer, &digests).await?;
        Ok((path, manifest.stored_bytes()))
    }

    /// What nobody can open is no backup: wraps come before anything that is sealed.
    async fn put_wraps(&self, path: &BackupPath, key: &DataKey) -> Result<()> {
        for wrapping in &self.keys.seal.wraps {
            let wrap = wrapping.wrap(key, path.id.as_str()).await?;
            opens_to(wrapping.as_ref(), &wrap, key).await?;
            let name = path.object(&layout::wrap(&wrap.key));
            self.store.put(self.job, &name, Bytes::from(wrap.to_bytes())).await?;
        }
        Ok(())
    }

    async fn copy(&self, source: &Source<'_>, path: &BackupPath, key: &DataKey) -> Result<(Manifest, Vec<Sha256>)> {
        let (uploader, writers) = Uploader::new(self.store, self.journal, &self.options.upload);
        let copying = Box::pin(self.copy_all(source, path, key, writers));
        let (uploaded, copied) = tokio::join!(uploader.run(self.job), copying);
        let (uploaded, copied) = match (uploaded, copied) {
            (Ok(uploaded), Ok(copied)) => (uploaded, copied),
            // The side that was ended because of the other says only that it was cancelled.
            (Err(uploaded), Err(copied)) if uploaded.kind() == Kind::Cancelled => return Err(copied),
            (Err(error), _) | (_, Err(error)) => return Err(error),
        };
        self.check_lengths(&uploaded, &copied.0, path)?;
        Ok(copied)
    }

    async fn copy_all(
        &self,
        source: &Source<'_>,
        path: &BackupPath,
        key: &DataKey,
        writers: Writers,
    ) -> Result<(Manifest, Vec<Sha256>)> {
        let old = &source.stored.manifest;
        let mut digests = Vec::new();
        let mut objects = Vec::new();
        for object in old.objects() {
            let name = layout::sealed(layout::unsealed(&object.name));
            let sealer = key.sealer(path.id.as_str(), &name)?;
            let part_bytes = self.options.upload.part_bytes;
            let writer = StoredWriter::new(writers.object(path.object(&name)), part_bytes, Some(sealer));
            let (written, digest) = source.copy(object, writer, self.job).await?;
            digests.push(digest);
            objects.push(stored_object(name, part_bytes, written));
        }
        let attachments = objects.split_off(old.script.len());
        let (tool, finished) = (TOOL.to_owned(), self.options.rotate.clock.now());
        let (id, from) = (path.id.clone(), Some(old.id.clone()));
        let manifest =
            Manifest { tool, id, finished, reencrypted_from: from, script: objects, attachments, ..old.clone() };
        Ok((manifest, digests))
    }

    fn check_lengths(&self, uploaded: &[UploadedObject], manifest: &Manifest, path: &BackupPath) -> Result<()> {
        let stored = |object: &StoredObject| {
            uploaded.iter().any(|found| found.name == path.object(&object.name) && found.length == object.length)
        };
        match manifest.objects().find(|object| !stored(object)) {
            None => Ok(()),
            Some(object) => Err(Error::new(Kind::Failure, format!("store {} of {path} whole", object.name))),
        }
    }

    /// Proves what was stored, and only then makes it a backup.
    async fn commit(
        &self,
        path: &BackupPath,
        manifest: &Manifest,
        key: &DataKey,
        signer: Option<&Signer>,
        expected: &[Sha256],
    ) -> Result<()> {
        let bytes = Bytes::from(manifest.to_bytes(Some(key), signer));
        let stored = StoredManifest::parse(bytes.clone())?;
        stored.check_mac(key)?;
        let written = Source { store: self.store, path, stored: &stored, key: Some(key) };
        if written.digests(self.job).await? != expected {
            return Err(Error::new(Kind::Integrity, format!("prove {path}: it does not hold what was sealed anew")));
        }
        self.store.put(self.job, &path.object(MANIFEST), bytes.clone()).await?;
        let read = self.store.get(self.job, &path.object(MANIFEST)).await?;
        if read == bytes {
            return Ok(());
        }
        Err(Error::new(Kind::Integrity, format!("prove the manifest of {path}: it is not the one that was written")))
    }
}

/// The manifest, proven, and the data key of an encrypted backup.
pub(super) async fn open(
    folder: &Folder<'_>,
    keys: &ReencryptKeys,
    job: &Job,
) -> Result<(StoredManifest, Option<DataKey>)> {
    if folder.state() != State::Sealed {
        return Ok((Box::pin(folder.manifest(job)).await?, None));
    }
    // Judged by the caller, for whom signers of ours count too.
    let judges = lifeboat_core::keys::OpenKeys { trusted_signers: Vec::new(), ..keys.open.clone() };
    match Box::pin(folder.open(&judges, job)).await? {
        (key, Proof::Manifest(stored)) => Ok((*stored, Some(key))),
        (_, Proof::Details(..)) => Err(Error::new(Kind::Usage, format!("seal {} anew: it is no backup", folder.owner))),
    }
}

fn stored_object(name: String, part_bytes: usize, written: WrittenBytes) -> StoredObject {
    let WrittenBytes { length, sha256, seal } = written;
    let seal: Option<Header> = seal;
    StoredObject { name, length, sha256, part_bytes: part_bytes as u64, seal }
}
