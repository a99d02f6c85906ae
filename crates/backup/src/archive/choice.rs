//! Which of the backups in a store a name means.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{BackupPath, MANIFEST};
use lifeboat_core::{Error, Job, Kind, Result};

use super::BackupRef;
use super::age::Age;
use super::folder::{Folder, manifest};
use super::reference::Which;

/// The backup that `reference` means.
///
/// # Errors
/// [`Kind::NotFound`] when there is none, [`Kind::Usage`] when it may be several.
pub(super) async fn choose(
    store: &Store,
    job: &Job,
    reference: &BackupRef,
    folders: &BTreeMap<BackupPath, Folder>,
) -> Result<BackupPath> {
    let fitting = folders.iter().filter(|(path, folder)| folder.contains_key(MANIFEST) && fits(reference, path));
    let mut fitting: Vec<_> = fitting.map(|(path, _)| path).collect();
    fitting.sort_by(|a, b| b.id.cmp(&a.id));
    let several_databases = fitting.iter().any(|path| path.database != fitting[0].database);
    match (&reference.which, fitting.as_slice()) {
        (_, []) => Err(Error::new(Kind::NotFound, format!("find the backup {reference} in {}", store.address()))
            .hint(what_is_there(reference, folders))),
        (_, [only]) => Ok((*only).clone()),
        (Which::Latest, several) if !several_databases => latest(store, job, several).await,
        (_, several) => Err(ambiguous(reference, several)),
    }
}

/// What somebody who named no backup may have meant.
fn what_is_there(reference: &BackupRef, folders: &BTreeMap<BackupPath, Folder>) -> String {
    let whole = folders.iter().filter(|(_, folder)| folder.contains_key(MANIFEST));
    let databases: BTreeSet<&str> = whole.map(|(path, _)| path.database.as_str()).collect();
    match &reference.database {
        _ if databases.is_empty() => "no backups are there: check the address of the store, its prefix too".to_owned(),
        Some(name) if databases.contains(name.as_str()) => format!("see `lifeboat list {name}`"),
        _ => format!("backups are there of {}", databases.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

fn fits(reference: &BackupRef, path: &BackupPath) -> bool {
    let database = reference.database.as_ref().is_none_or(|name| *name == path.database);
    let which = match &reference.which {
        Which::Latest => true,
        Which::Prefix(prefix) => path.id.as_str().starts_with(prefix),
    };
    database && which
}

/// The newest of backups that are sorted by id, newest first. Manifests are read only of those that share its second.
async fn latest(store: &Store, job: &Job, sorted: &[&BackupPath]) -> Result<BackupPath> {
    let newest = sorted[0];
    let rivals: Vec<_> = sorted.iter().take_while(|path| path.id.start() == newest.id.start()).collect();
    if rivals.len() == 1 {
        return Ok(newest.clone());
    }
    let mut oldest_first = BTreeMap::new();
    for path in rivals {
        let age =
            manifest(store, job, path).await?.map_or_else(|_| Age::unknown(path), |stored| Age::of(&stored.manifest));
        oldest_first.insert(age, *path);
    }
    Ok(oldest_first.last_key_value().map_or(newest, |(_, path)| *path).clone())
}

fn ambiguous(reference: &BackupRef, several: &[&BackupPath]) -> Error {
    let names: Vec<_> = several.iter().take(NAMES_SHOWN).map(ToString::to_string).collect();
    let more = if several.len() > NAMES_SHOWN { ", …" } else { "" };
    let hint = match &reference.which {
        Which::Latest => format!("name the database, as in {}/latest", several[0].database),
        Which::Prefix(_) => "name the database and more of the id".to_owned(),
    };
    Error::new(Kind::Usage, format!("choose a backup: {reference} may be {}{more}", names.join(", "))).hint(hint)
}

const NAMES_SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use lifeboat_core::Job;
    use lifeboat_core::manifest::Manifest;
    use lifeboat_core::monitor::Silent;
    use lifeboat_core::store::layout::MANIFEST;
    use lifeboat_core::store::{Store, create};
    use tokio_util::sync::CancellationToken;

    use super::super::folder::folders;
    use super::super::list::{ListOptions, list};
    use super::choose;

    fn manifest(suffix: &str, started: &str, finished: &str) -> Manifest {
        let id = format!("20261121T021700Z-{suffix}");
        serde_json::from_value(serde_json::json!({
            "format": 1, "tool": "lifeboat 0.1.0", "id": id, "run": id, "database": "shop", "class": "daily",
            "method": "stream", "compression": "gzip", "script": [], "attachments": [],
            "started": started, "snapshot": started, "finished": finished,
        }))
        .unwrap()
    }

    async fn latest(store: &Store, job: &Job) -> String {
        let found = folders(store, job).await.unwrap();
        choose(store, job, &"shop/latest".parse().unwrap(), &found).await.unwrap().id.to_string()
    }

    #[tokio::test]
    async fn of_one_second_the_latest_is_the_one_that_began_last_and_then_the_one_that_ended_last() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = format!("file://{}", folder.path().display()).parse().unwrap();
        let store = create(&url, &BTreeMap::new()).unwrap();
        let job = Job::new(Arc::new(Silent), CancellationToken::new());
        let times = |fraction: &str| format!("2026-11-21T02:17:00.{fraction}Z");
        // Each is newer than all before it, and its id says otherwise.
        for (suffix, started, finished) in [("ffffff", "1", "8"), ("eeeeee", "3", "5"), ("dddddd", "3", "6")] {
            let manifest = manifest(suffix, &times(started), &times(finished));
            let bytes = manifest.to_bytes(None, None).into();
            store.put(&job, &manifest.path().object(MANIFEST), bytes).await.unwrap();
            assert_eq!(latest(&store, &job).await, manifest.id.as_str());
            let listed = list(&store, &ListOptions::default(), Arc::new(Silent)).await.unwrap();
            assert_eq!(listed[0].id, manifest.id, "{listed:?}");
        }
        let unreadable = manifest("000000", &times("0"), &times("0"));
        store.put(&job, &unreadable.path().object(MANIFEST), "{".into()).await.unwrap();
        assert_eq!(latest(&store, &job).await, unreadable.id.as_str(), "it may be the latest, and is not passed over");
    }
}
