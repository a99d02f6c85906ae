//! Lists what is in a store, and says of each backup whether it could be restored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::SignedDuration;
use lifeboat_core::clock::{Clock, SystemClock};
use lifeboat_core::manifest::StoredManifest;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, BackupPath, MANIFEST};
use lifeboat_core::{Job, Name, Result};
use tokio_util::sync::CancellationToken;

use super::age::Age;
use super::folder::{Folder, damage, folders, manifest};
use super::listed::{BackupState, ListedBackup};
use super::runs::MAY_RUN;
use super::unfinished::give_up;

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
    give_up(listed.iter_mut().map(|(_, backup)| backup), options.clock.now(), store, &job).await?;
    listed.sort_by(|(a, _), (b, _)| b.cmp(a));
    Ok(listed.into_iter().map(|(_, backup)| backup).collect())
}

/// The databases that have backups in the store, finished or not. Nothing is read but names.
///
/// # Errors
/// Those of the store.
pub async fn databases(store: &Store, job: &Job) -> Result<BTreeSet<Name>> {
    let found = folders(&store.clone().at_first_contact(), job).await?;
    Ok(found.into_keys().map(|path| path.database).collect())
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
