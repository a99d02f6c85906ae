//! A store of made backups, a keyring, and the commands that rotate one with the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lifeboat_core::keys::{KeyKind, KeyWrap, Keyring, OpenKeys, SealKeys};
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::store::{Store, StoreUrl, create};
use lifeboat_tests::{Files, Lifeboat, files, made, run};
use tempfile::TempDir;

/// A folder of stores, a state directory and a keyring with the enabled key `old` and the primary key `new`.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) keyring: PathBuf,
}

impl World {
    /// One without backups.
    pub(crate) fn new() -> World {
        let folder = TempDir::new().unwrap();
        let keyring = folder.path().join("keyring.toml");
        let world = World { folder, keyring };
        world.add("old", KeyKind::Aes256, "2026-01-01T00:00:00Z");
        world.add("new", KeyKind::Aes256, "2026-02-01T00:00:00Z");
        world
    }

    /// One with so many backups in the store `a`, sealed under `old`, and as many details of runs as tens of them.
    pub(crate) fn with_backups(count: usize) -> World {
        let world = World::new();
        let seal = world.seal(&["old"]);
        run(async {
            let store = world.store("a");
            made::backups(&store, count, &made::LENGTHS, Some(&seal)).await.unwrap();
            for n in 0..count.div_ceil(10) {
                made::run_details(&store, n, &seal).await.unwrap();
            }
        });
        world
    }

    /// Adds a key, primary if it can be, at a time.
    pub(crate) fn add(&self, id: &str, kind: KeyKind, time: &str) {
        let (id, time): (_, Timestamp) = (id.parse().unwrap(), time.parse().unwrap());
        Keyring::edit(&self.keyring, |ring| ring.add(&id, kind, kind != KeyKind::X25519, time)).unwrap();
    }

    pub(crate) fn ring(&self) -> Keyring {
        Keyring::load(&self.keyring).unwrap()
    }

    /// These keys of the keyring, each as one that seals; a signing key signs.
    pub(crate) fn seal(&self, ids: &[&str]) -> SealKeys {
        let ring = self.ring();
        let keys: Vec<_> = ids.iter().map(|id| ring.key(id).unwrap()).collect();
        let wraps = keys.iter().filter_map(|key| key.as_wrap()).collect();
        SealKeys::new(wraps, keys.iter().find_map(|key| key.as_signer())).unwrap()
    }

    /// Readers that hold these keys alone.
    pub(crate) fn opens(&self, ids: &[&str]) -> OpenKeys {
        let ring = self.ring();
        let keys: Vec<std::sync::Arc<dyn KeyWrap>> =
            ids.iter().map(|id| ring.key(id).unwrap().as_wrap().unwrap()).collect();
        OpenKeys { keys, ..OpenKeys::default() }
    }

    pub(crate) fn path(&self, store: &str) -> PathBuf {
        self.folder.path().join(store)
    }

    pub(crate) fn url(&self, store: &str) -> String {
        format!("file://{}", self.path(store).display())
    }

    pub(crate) fn store(&self, name: &str) -> Store {
        create(&self.url(name).parse::<StoreUrl>().unwrap(), &BTreeMap::new()).unwrap()
    }

    /// `lifeboat rotate backups` and a command line, on the store `a`.
    pub(crate) fn rotate(&self, line: &str) -> Lifeboat {
        self.rotate_in(&["a"], line)
    }

    pub(crate) fn rotate_in(&self, stores: &[&str], line: &str) -> Lifeboat {
        let lifeboat = Lifeboat::new().args(["rotate", "backups"]).args(line.split(' '));
        let lifeboat = stores.iter().fold(lifeboat, |lifeboat, store| lifeboat.args(["--store", &self.url(store)]));
        lifeboat.state_dir(&self.path("state")).args(["--keyring", &format!("file:{}", self.keyring.display())])
    }

    pub(crate) fn files(&self, store: &str) -> Files {
        whole_files(&self.path(store))
    }

    /// How many backups of the store `a` these keys open, each of them; the contents are compared.
    pub(crate) fn proven(&self, ids: &[&str]) -> Vec<BackupPath> {
        self.proven_in("a", ids)
    }

    pub(crate) fn proven_in(&self, store: &str, ids: &[&str]) -> Vec<BackupPath> {
        run(made::proven(&self.store(store), &self.opens(ids)))
    }
}

/// Everything below a folder but drafts that a killed process left.
pub(crate) fn whole_files(root: &Path) -> Files {
    files(root).into_iter().filter(|(name, _)| !name.contains('#')).collect()
}

/// What is no wrap.
pub(crate) fn without_wraps(files: &Files) -> Files {
    files
        .iter()
        .filter(|(name, _)| !name.contains("/keys/"))
        .map(|(name, bytes)| (name.clone(), bytes.clone()))
        .collect()
}

/// How many wraps under this key there are.
pub(crate) fn wraps_under(files: &Files, id: &str) -> usize {
    files.keys().filter(|name| name.ends_with(&format!("/keys/{id}.json"))).count()
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    let done = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}
