//! Lists what is in a store, and says of each backup whether it could be restored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use lifeboat_core::clock::{Clock, SystemClock};
use lifeboat_core::keys::KeyId;
use lifeboat_core::manifest::{Manifest, StoredManifest};
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, BACKUPS, BackupPath, MANIFEST};
use lifeboat_core::{Job, Kind, Name, Result};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::age::Age;
use super::runs::{Around, MAY_RUN};

/// What to list.
#[derive(Clone)]
pub struct ListOptions {
    /// Only this database.
    pub database: Option<Name>,
    /// How long backups of a class are kept; older ones with missing objects are expired, not damaged.
    pub kept: BTreeMap<Name, SignedDuration>,
    /// Ends the listing early.
    pub cancel: CancellationToken,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { database: None, kept: BTreeMap::new(), cancel: CancellationToken::new(), clock: Arc::new(SystemClock) }
    }
}

/// One backup, or what is left of one.
#[derive(Clone, Debug, Serialize)]
pub struct ListedBackup {
    /// The database's name in the store.
    pub database: Name,
    /// Class.
    pub class: Name,
    /// Id.
    pub id: lifeboat_core::BackupId,
    /// Whether it could be restored.
    #[serde(flatten)]
    pub state: BackupState,
    /// When it was started.
    pub started: Timestamp,
    /// The moment whose state it holds, where the manifest tells.
    pub snapshot: Option<Timestamp>,
    /// Whether its manifest says that it is encrypted.
    pub encrypted: bool,
    /// The keys that open it, as the names of its wraps tell.
    pub keys: Vec<KeyId>,
    /// Bytes it takes in the store.
    pub stored_bytes: u64,
    /// Objects it has in the store.
    pub objects: usize,
}

impl ListedBackup {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> BackupPath {
        BackupPath { class: self.class.clone(), database: self.database.clone(), id: self.id.clone() }
    }
}

/// Whether a backup could be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "kebab-case")]
pub enum BackupState {
    /// Every object is there with its length.
    Available,
    /// It cannot be restored: why.
    Damaged(String),
    /// Older than its class is kept, and objects are gone.
    Expired,
    /// Without a manifest, young enough to be running, and of no run that is known to have ended.
    InFlight,
    /// Without a manifest, and its run has ended, or it is old enough to be given up.
    Orphan,
}

/// Every backup in the store, newest first.
///
/// # Errors
/// Those of the store; a manifest that cannot be read is a damaged backup, not an error.
pub async fn list(store: &Store, options: &ListOptions, monitor: Arc<dyn Monitor>) -> Result<Vec<ListedBackup>> {
    let job = Job::new(monitor, options.cancel.clone());
    let store = &store.clone().at_first_contact();
    let found = folders(store, &job).await?;
    let wanted =
        found.into_iter().filter(|(path, _)| options.database.as_ref().is_none_or(|name| *name == path.database));
    let listed = stream::iter(wanted.map(|(path, folder)| describe(store, &job, options, path, folder)));
    let mut listed: Vec<_> = listed.buffer_unordered(MANIFESTS_AT_ONCE).try_collect().await?;
    give_up(listed.iter_mut().map(|(_, backup)| backup), store, &job, options).await?;
    listed.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(listed.into_iter().map(|(_, backup)| backup).collect())
}

/// Takes what runs left that have ended for what it is. Without a word from their records nobody can tell, and a list of backups is
/// worth having all the same.
async fn give_up(
    listed: impl Iterator<Item = &mut ListedBackup>,
    store: &Store,
    job: &Job,
    options: &ListOptions,
) -> Result<()> {
    let mut unfinished: Vec<_> = listed.filter(|backup| backup.state == BackupState::InFlight).collect();
    let Some(oldest) = unfinished.iter().map(|backup| backup.started).min() else { return Ok(()) };
    let around = match Around::since(oldest - MAY_RUN, options.clock.now(), store, job).await {
        Ok(around) => around,
        Err(error) if error.kind() == Kind::Cancelled => return Err(error),
        Err(error) => {
            job.warn(&format!("could not read how runs ended: {}", error.chain()));
            return Ok(());
        }
    };
    for backup in &mut unfinished {
        if let Some(state) = around.end_of(&backup.path()) {
            backup.state = state;
        }
    }
    Ok(())
}

/// The databases that have backups in the store, finished or not. Nothing is read but names.
///
/// # Errors
/// Those of the store.
pub async fn databases(store: &Store, job: &Job) -> Result<BTreeSet<Name>> {
    let found = folders(&store.clone().at_first_contact(), job).await?;
    Ok(found.into_keys().map(|path| path.database).collect())
}

/// Names and lengths of the objects in one backup's folder.
pub(super) type Folder = BTreeMap<String, u64>;

/// One listing, by backup. Names that are not ours are passed over.
pub(super) async fn folders(store: &Store, job: &Job) -> Result<BTreeMap<BackupPath, Folder>> {
    let mut folders: BTreeMap<BackupPath, Folder> = BTreeMap::new();
    for object in store.list(job, BACKUPS).await? {
        if let Some((path, name)) = BackupPath::parse(&object.name) {
            folders.entry(path).or_default().insert(name.to_owned(), object.length);
        }
    }
    Ok(folders)
}

/// The manifest at `path`. One that is damaged or another's is the inner error; the outer one is the store's.
pub(super) async fn manifest(store: &Store, job: &Job, path: &BackupPath) -> Result<Result<StoredManifest>> {
    match store.get(job, &path.object(MANIFEST)).await {
        Ok(bytes) => Ok(StoredManifest::parse_at(bytes, path)),
        Err(error) if error.kind() == Kind::NotFound => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

/// What is wrong with the objects a manifest names, if anything.
pub(super) fn damage(manifest: &Manifest, folder: &Folder) -> Option<String> {
    let is_closed = manifest.is_encrypted() && !folder.keys().any(|name| layout::wrapped_under(name).is_some());
    let lost = is_closed.then(|| "it is encrypted, and no wrap of its data key is left".to_owned());
    lost.or_else(|| missing_or_cut(manifest, folder))
}

fn missing_or_cut(manifest: &Manifest, folder: &Folder) -> Option<String> {
    manifest.objects().find_map(|object| match folder.get(&object.name) {
        None => Some(format!("{} is missing", object.name)),
        Some(length) if *length != object.length => {
            Some(format!("{} has {length} bytes instead of {}", object.name, object.length))
        }
        Some(_) => None,
    })
}

async fn describe(
    store: &Store,
    job: &Job,
    options: &ListOptions,
    path: BackupPath,
    folder: Folder,
) -> Result<(Age, ListedBackup)> {
    let age = options.clock.now().duration_since(path.id.start());
    let (mut snapshot, mut encrypted, mut order) = (None, false, Age::unknown(&path));
    let state = if folder.contains_key(MANIFEST) {
        match manifest(store, job, &path).await? {
            Ok(StoredManifest { manifest, .. }) => {
                order = Age::of(&manifest);
                snapshot = Some(manifest.snapshot);
                encrypted = manifest.is_encrypted();
                let expired = options.kept.get(&path.class).is_some_and(|kept| age > *kept);
                match damage(&manifest, &folder) {
                    None => BackupState::Available,
                    Some(_) if expired => BackupState::Expired,
                    Some(damage) => BackupState::Damaged(damage),
                }
            }
            Err(error) => BackupState::Damaged(error.chain()),
        }
    } else if age < MAY_RUN {
        BackupState::InFlight
    } else {
        BackupState::Orphan
    };
    // Wraps beside a manifest that is not of an encrypted backup open nothing.
    let is_plain = snapshot.is_some() && !encrypted;
    let wraps = folder.keys().filter(|_| !is_plain).filter_map(|name| layout::wrapped_under(name));
    let backup = ListedBackup {
        keys: wraps.collect(),
        started: path.id.start(),
        database: path.database,
        class: path.class,
        id: path.id,
        state,
        snapshot,
        encrypted,
        stored_bytes: folder.values().sum(),
        objects: folder.len(),
    };
    Ok((order, backup))
}

const MANIFESTS_AT_ONCE: usize = 16;
