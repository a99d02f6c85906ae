//! Backups that are made without a database, by the code that seals real ones: for tests and benchmarks of what does not
//! look inside them. Their objects hold bytes that follow from the backup's time and the object's name.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lifeboat_core::codec::{PartSink, StoredWriter};
use lifeboat_core::keys::{DataKey, OpenKeys, SealKeys};
use lifeboat_core::manifest::{Compression, Manifest, Method, StoredManifest, StoredObject};
use lifeboat_core::monitor::Silent;
use lifeboat_core::run::RunDetails;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, BACKUPS, BackupPath, MANIFEST};
use lifeboat_core::{BackupId, FORMAT, Job, Result, RunId, TOOL};
use tokio_util::sync::CancellationToken;

use crate::keyring;

/// How long the objects of a made backup are, in gzip bytes.
pub const LENGTHS: [(&str, usize); 3] =
    [("dump-0000.sql.gz", 40_000), ("dump-0001.sql.gz", 16_384), ("index.json.gz", 300)];

/// The smallest backup there is, for stores of many.
pub const SMALLEST: [(&str, usize); 1] = [("dump-0000.sql.gz", 100)];

/// A job nobody listens to.
pub fn job() -> Job {
    Job::new(Arc::new(Silent), CancellationToken::new())
}

/// The path of the n-th backup: an hour after the one before.
pub fn path(n: usize) -> BackupPath {
    let first: jiff::Timestamp = "2026-01-01T02:17:00Z".parse().unwrap();
    let start = first + jiff::SignedDuration::from_hours(n as i64);
    let id = BackupId::new(start, suffix(n));
    BackupPath { class: "daily".parse().unwrap(), database: "shop".parse().unwrap(), id }
}

fn suffix(n: usize) -> [u8; 3] {
    [0x7f, (n >> 8) as u8, n as u8]
}

/// Makes the backups `0..count`, sealed where there are keys, a few at once.
pub async fn backups(store: &Store, count: usize, lengths: &[(&str, usize)], keys: Option<&SealKeys>) -> Result<()> {
    let making = stream::iter(0..count).map(|n| async move { backup(store, &path(n), lengths, keys).await });
    making.buffer_unordered(16).try_collect().await
}

/// Makes one backup.
pub async fn backup(
    store: &Store,
    path: &BackupPath,
    lengths: &[(&str, usize)],
    keys: Option<&SealKeys>,
) -> Result<()> {
    let job = job();
    let key = DataKey::generate()?;
    let mut script = Vec::new();
    if let Some(keys) = keys {
        for wrap in keys.wrap(&key, path.id.as_str()).await? {
            store.put(&job, &path.object(&layout::wrap(&wrap.key)), wrap.to_bytes().into()).await?;
        }
    }
    for (name, length) in lengths {
        let content = content(path, name, *length);
        let name = if keys.is_some() { layout::sealed(name) } else { (*name).to_owned() };
        let (bytes, object) = stored(&key, path.id.as_str(), name, &content, keys.is_some())?;
        store.put(&job, &path.object(&object.name), bytes).await?;
        script.push(object);
    }
    let attachments = script.split_off(1);
    let manifest = manifest(path, script, attachments);
    let signer = keys.and_then(|keys| keys.signer.as_deref());
    let bytes = manifest.to_bytes(keys.map(|_| &key), signer);
    store.put(&job, &path.object(MANIFEST), bytes.into()).await
}

/// Makes the sealed details of a run that began when the n-th backup did.
pub async fn run_details(store: &Store, n: usize, keys: &SealKeys) -> Result<RunId> {
    let (run, key, job) = (RunId::new(path(n).id.start(), suffix(n)), DataKey::generate()?, job());
    for wrap in keys.wrap(&key, run.as_str()).await? {
        store.put(&job, &layout::run_object(&run, &layout::wrap(&wrap.key)), wrap.to_bytes().into()).await?;
    }
    let json = serde_json::to_vec(&RunDetails { format: FORMAT, errors: Vec::new() }).unwrap();
    let name = layout::sealed(layout::RUN_DETAILS);
    let (bytes, _) = stored(&key, run.as_str(), name.clone(), &json, true)?;
    store.put(&job, &layout::run_object(&run, &name), bytes).await?;
    Ok(run)
}

/// What the object called `name`, sealed or not, holds. A backup that was sealed anew holds the same.
pub fn content(path: &BackupPath, name: &str, length: usize) -> Vec<u8> {
    let seed = format!("{} {}", path.id.start(), layout::unsealed(name));
    let mut state = seed
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(byte).take(length).collect()
}

/// Every backup in the store that has a manifest, in the order of time; each is opened with `keys` and holds what it was
/// made with. Fails the test when one does not.
pub async fn proven(store: &Store, keys: &OpenKeys) -> Vec<BackupPath> {
    let job = job();
    let listed: Vec<_> = store.list_each(&job, BACKUPS).try_collect().await.unwrap();
    let names: Vec<_> = listed.iter().filter_map(|object| BackupPath::parse(&object.name)).collect();
    let mut paths: Vec<_> = names.iter().filter(|(_, name)| *name == MANIFEST).map(|(path, _)| path.clone()).collect();
    paths.sort();
    for path in &paths {
        let wraps: Vec<_> =
            names.iter().filter(|(of, _)| of == path).filter_map(|(_, name)| layout::wrapped_under(name)).collect();
        prove(store, path, &wraps, keys).await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
    }
    paths
}

async fn prove(store: &Store, path: &BackupPath, wraps: &[lifeboat_core::keys::KeyId], keys: &OpenKeys) -> Result<()> {
    let job = &job();
    let stored = StoredManifest::parse(store.get(job, &path.object(MANIFEST)).await?)?;
    let mut key = None;
    if stored.manifest.is_encrypted() {
        let fetch = |id| async move { store.get(job, &path.object(&layout::wrap(&id))).await };
        let (opened, _) = keys.open(path.id.as_str(), wraps, fetch).await?;
        stored.check_mac(&opened)?;
        key = Some(opened);
    }
    for object in stored.manifest.objects() {
        let bytes = store.get(job, &path.object(&object.name)).await?;
        let content_found = match &key {
            Some(key) => keyring::opened(key, path.id.as_str(), object, &bytes)?,
            None => bytes.to_vec(),
        };
        assert_eq!(content_found, content(path, &object.name, content_found.len()), "{path} {}", object.name);
        assert!(!content_found.is_empty(), "{path} {} is empty", object.name);
    }
    Ok(())
}

fn stored(key: &DataKey, owner: &str, name: String, content: &[u8], seal: bool) -> Result<(Bytes, StoredObject)> {
    let sealer = if seal { Some(key.sealer(owner, &name)?) } else { None };
    let mut bytes = Whole::default();
    let mut writer = StoredWriter::new(&mut bytes, usize::MAX, sealer);
    writer.push(content)?;
    let written = writer.finish()?;
    let object =
        StoredObject { name, length: written.length, sha256: written.sha256, part_bytes: 16 << 20, seal: written.seal };
    Ok((bytes.0, object))
}

fn manifest(path: &BackupPath, script: Vec<StoredObject>, attachments: Vec<StoredObject>) -> Manifest {
    let BackupPath { class, database, id } = path.clone();
    let started = id.start();
    let run = RunId::new(started, [0; 3]);
    Manifest {
        format: FORMAT,
        tool: TOOL.to_owned(),
        id,
        run,
        database,
        class,
        method: Method::Stream,
        compression: Compression::Gzip,
        started,
        snapshot: started,
        finished: started,
        reencrypted_from: None,
        imported: None,
        script,
        attachments,
    }
}

/// The one part of a small object.
#[derive(Default)]
struct Whole(Bytes);

impl PartSink for &mut Whole {
    fn part(&mut self, bytes: Bytes, _: bool) -> Result<()> {
        self.0 = bytes;
        Ok(())
    }
}
