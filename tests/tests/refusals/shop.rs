//! A small shop's database and an embedded store: what most of these tests begin with.

use std::collections::BTreeMap;
use std::fs;

use lifeboat_tests::{Database, Lifeboat, Major, Outcome, files, fixtures};
use serde_json::Value;
use tempfile::TempDir;

/// A store of one test, in a folder.
pub(crate) struct Store {
    folder: TempDir,
}

/// A database and a store for its backups.
pub(crate) struct Shop {
    pub(crate) database: Database<'static>,
    pub(crate) store: Store,
}

impl Store {
    pub(crate) fn new() -> Store {
        Store { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.folder.path().display())
    }

    /// A command on this store.
    pub(crate) fn lifeboat(&self, command: &str) -> Lifeboat {
        Lifeboat::new().env("LIFEBOAT_STORE", self.url()).args(command.split_whitespace())
    }

    /// A backup, under the name `shop`, of what is at `dsn`.
    pub(crate) fn backup(&self, dsn: &str) -> Lifeboat {
        self.lifeboat("backup --name shop --database-url env:DATABASE_URL").env("DATABASE_URL", dsn)
    }

    /// A restore of the shop's newest backup into what is at `dsn`.
    pub(crate) fn restore(&self, dsn: &str) -> Lifeboat {
        self.lifeboat("restore shop/latest --into env:TARGET_URL").env("TARGET_URL", dsn)
    }

    /// Every object with its bytes.
    pub(crate) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        files(self.folder.path())
    }

    /// The objects of backups, whole or not: run records stay after a failure on purpose.
    pub(crate) fn objects_of_backups(&self) -> Vec<String> {
        self.objects().into_keys().filter(|name| name.starts_with("backups/")).collect()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.folder.path().join(name)).unwrap();
    }

    /// What `list --json` finds, with these further arguments.
    pub(crate) fn list(&self, arguments: &str) -> Vec<Value> {
        let outcome = self.lifeboat(&format!("list --json {arguments}")).run().expect(0);
        outcome.result()["backups"].as_array().unwrap().clone()
    }
}

impl Shop {
    /// A database with the small shop and an empty store.
    pub(crate) fn new(major: Major) -> Shop {
        Shop { database: fixtures::small(major), store: Store::new() }
    }

    /// The same, with one backup.
    pub(crate) fn backed_up(major: Major) -> Shop {
        let shop = Shop::new(major);
        shop.backup().run().expect(0);
        shop
    }

    /// A backup of the shop.
    pub(crate) fn backup(&self) -> Lifeboat {
        self.store.backup(&self.database.dsn()).env("LIFEBOAT_TOOLS_DIR", &self.database.server.installation.bin)
    }

    /// The id of the newest backup.
    pub(crate) fn id(&self) -> String {
        self.store.list("")[0]["id"].as_str().unwrap().to_owned()
    }
}

/// What every refusal must be: this exit code, these words on stderr, and none of these secrets anywhere.
#[track_caller]
pub(crate) fn assert_refused(outcome: Outcome, code: i32, words: &[&str]) -> Outcome {
    let outcome = outcome.expect(code);
    for word in words {
        assert!(outcome.stderr.contains(word), "{word:?} in\n{}", outcome.stderr);
    }
    assert_eq!(outcome.stdout, "", "an error stands on stderr alone");
    outcome
}
