//! One backup's folder as a listing shows it, held against its manifest.

use std::collections::BTreeMap;

use lifeboat_core::manifest::{Manifest, StoredManifest};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, BACKUPS, BackupPath, MANIFEST};
use lifeboat_core::{Job, Kind, Result};

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
