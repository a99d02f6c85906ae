//! A store of one test, the commands that use it, and what a refusal must be.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lifeboat_core::keys::DataKey;
use lifeboat_core::manifest::{Manifest, StoredManifest};
use lifeboat_core::store::layout;
use lifeboat_tests::{Backup, Bucket, Database, Identity, Lifeboat, Major, Postgres, Seaweed, keyring, unused_name};
use serde_json::Value;
use tempfile::TempDir;

/// A prefix of a bucket, and a folder for keyrings and downloads.
pub(crate) struct Vault {
    pub(crate) bucket: Bucket,
    folder: TempDir,
}

impl Vault {
    /// An empty one at the shared S3 server.
    pub(crate) fn new() -> Vault {
        Vault { bucket: Seaweed::shared().bucket("encryption"), folder: TempDir::new().unwrap() }
    }

    /// A keyring of these entries, and the reference that names it.
    pub(crate) fn keyring(&self, entries: &[&str]) -> String {
        keyring::written(self.folder.path(), entries)
    }

    /// A file or folder of this test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command with this store and no keys.
    pub(crate) fn lifeboat(&self, verb: &str) -> Lifeboat {
        let environment = Seaweed::shared().environment(Identity::Admin);
        Lifeboat::new().arg(verb).args(["--store", &self.bucket.url("prod")]).envs(environment)
    }

    /// `lifeboat backup` of `database` as [`NAME`], with no keys yet. By the method whose objects have names that a test can
    /// damage; that sealing is the same by both is proven by the round trip of every way.
    pub(crate) fn backup_command(&self, database: &Database<'_>) -> Lifeboat {
        self.lifeboat("backup").of(database).arg("--json").env("LIFEBOAT_METHOD", "stream")
    }

    /// Backs `database` up, sealed by a keyring of these entries.
    #[track_caller]
    pub(crate) fn backup(&self, database: &Database<'_>, entries: &[&str]) -> Backup {
        let keyring = self.keyring(entries);
        Backup::of(&self.backup_command(database).args(["--keyring", &keyring]).run().expect(0))
    }

    /// `lifeboat restore shop/latest` into a database of `server`, with no keys yet.
    pub(crate) fn restore_command(&self, server: &Postgres, into: &str) -> Lifeboat {
        self.lifeboat("restore").latest_into(server, into)
    }

    /// Restores the latest backup into a new database of `server`.
    #[track_caller]
    pub(crate) fn restore<'s>(&self, server: &'s Postgres, options: &[&str]) -> Database<'s> {
        let restored = server.adopt(&unused_name("restored"));
        self.restore_command(server, &restored.name).args(["--create", "--jobs", "3"]).args(options).run().expect(0);
        restored
    }

    /// What `list --json` says of the backups, newest first.
    pub(crate) fn list(&self) -> Vec<Value> {
        let outcome = self.lifeboat("list").arg("--json").run().expect(0);
        outcome.result()["backups"].as_array().unwrap().clone()
    }

    /// Every object of a backup by its name in the backup's folder.
    pub(crate) fn objects(&self, backup: &Backup) -> BTreeMap<String, Vec<u8>> {
        let folder = backup.object("");
        let keys = self.bucket.objects().into_keys();
        keys.filter_map(|key| Some((key.strip_prefix(&folder)?.to_owned(), self.bucket.read(&key)))).collect()
    }

    /// The manifest of a backup.
    pub(crate) fn manifest(&self, backup: &Backup) -> Manifest {
        StoredManifest::parse(self.bucket.read(&backup.object("manifest.json")).into()).unwrap().manifest
    }

    /// The data key of a backup, as whoever holds these entries gets it.
    pub(crate) fn data_key(&self, backup: &Backup, entries: &[&str]) -> DataKey {
        keyring::data_key(&backup.id, entries, |id| self.bucket.read(&backup.object(&layout::wrap(id))))
    }

    /// Runs every command that opens a backup, with these arguments: each ends with this code and says these words,
    /// prints nothing, and leaves neither a database nor a row nor a file.
    #[track_caller]
    pub(crate) fn assert_refused(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let server = Postgres::shared(Major::V15);
        let (new, empty, to) = (unused_name("refused"), server.database("empty"), self.path("refused"));
        let target = |name: &str| server.dsn(name);
        let commands = [
            self.lifeboat("verify").arg("shop/latest"),
            self.lifeboat("show").arg("shop/latest"),
            self.lifeboat("cat").arg("shop/latest"),
            self.lifeboat("download").args(["shop/latest", "--to"]).arg(&to),
            self.restore_command(server, &new).arg("--create"),
            self.restore_command(server, &new).args(["--create", "--dry-run"]),
            self.restore_command(server, &empty.name).env("TARGET_URL", target(&empty.name)),
        ];
        for command in commands {
            let told = format!("{command:?}");
            let outcome = command.args(arguments).run();
            assert_eq!(outcome.code(), code, "{told}\n{}", outcome.text());
            assert_eq!(outcome.stdout, "", "{told}");
            for word in words {
                assert!(outcome.stderr.contains(word), "{word:?} is not said by {told}:\n{}", outcome.stderr);
            }
        }
        assert_eq!(server.databases_like(&new), "");
        assert!(!to.exists());
        let relations = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
        assert_eq!(empty.psql(relations), "0");
    }
}

/// A database of three small tables.
pub(crate) fn tiny() -> Database<'static> {
    let database = Postgres::shared(Major::V15).database("tiny");
    database.psql(
        "CREATE TABLE wide AS SELECT g AS id, repeat(md5(g::text), 40) AS text FROM generate_series(1, 3000) g;
         CREATE TABLE few AS SELECT g AS id FROM generate_series(1, 30) g;
         CREATE TABLE none (x int);
         CREATE VIEW seen AS SELECT * FROM few",
    );
    database
}
