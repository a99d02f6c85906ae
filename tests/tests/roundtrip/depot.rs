//! A store of one test, and the commands that use it.

use std::path::PathBuf;

use lifeboat_core::index::Index;
use lifeboat_core::manifest::{Manifest, StoredManifest};
use lifeboat_tests::{Bucket, Database, Identity, Lifeboat, Outcome, Postgres, Seaweed, unused_name};
use serde_json::Value;
use tempfile::TempDir;

/// The name of every backed-up database in the store.
pub(crate) const NAME: &str = "shop";

/// A store and the variables that lead to it.
pub(crate) struct Depot {
    pub(crate) url: String,
    pub(crate) environment: Vec<(&'static str, String)>,
    place: Place,
}

enum Place {
    Bucket(Bucket),
    Folder(TempDir),
}

impl Depot {
    /// A prefix of a new bucket at the shared S3 server.
    pub(crate) fn s3() -> Depot {
        let server = Seaweed::shared();
        let bucket = server.bucket("roundtrip");
        let environment = server.environment(Identity::Admin);
        Depot { url: bucket.url("prod"), environment, place: Place::Bucket(bucket) }
    }

    /// A folder.
    pub(crate) fn file() -> Depot {
        let folder = TempDir::new().unwrap();
        let url = format!("file://{}/store", folder.path().display());
        Depot { url, environment: Vec::new(), place: Place::Folder(folder) }
    }

    /// The bucket of a depot made by [`Depot::s3`].
    pub(crate) fn bucket(&self) -> &Bucket {
        match &self.place {
            Place::Bucket(bucket) => bucket,
            Place::Folder(_) => panic!("the store is a folder"),
        }
    }

    /// Whether it was made by [`Depot::s3`].
    pub(crate) fn is_s3(&self) -> bool {
        matches!(self.place, Place::Bucket(_))
    }

    /// A command with this store.
    pub(crate) fn lifeboat(&self, verb: &str) -> Lifeboat {
        Lifeboat::new().arg(verb).args(["--store", &self.url]).envs(self.environment.clone())
    }

    /// `lifeboat backup` of `database` as [`NAME`], not run yet.
    pub(crate) fn backup_command(&self, database: &Database<'_>) -> Lifeboat {
        self.lifeboat("backup")
            .args(["--name", NAME, "--database-url", "env:DATABASE_URL", "--json"])
            .env("DATABASE_URL", database.dsn())
            .env("LIFEBOAT_TOOLS_DIR", &database.server.installation.bin)
    }

    /// Backs `database` up and gives the backup.
    #[track_caller]
    pub(crate) fn backup(&self, database: &Database<'_>) -> Backup {
        Backup::of(&self.backup_command(database).run().expect(0))
    }

    /// `lifeboat restore shop/latest` into a database of `server`, not run yet.
    pub(crate) fn restore_command(&self, server: &Postgres, into: &str) -> Lifeboat {
        self.lifeboat("restore")
            .args(["shop/latest", "--into", "env:TARGET_URL", "--json"])
            .env("TARGET_URL", server.dsn(into))
    }

    /// Restores the latest backup into a new database of `server`.
    #[track_caller]
    pub(crate) fn restore<'s>(&self, server: &'s Postgres, options: &[&str]) -> Database<'s> {
        let restored = server.adopt(&unused_name("restored"));
        self.restore_command(server, &restored.name).args(["--create", "--jobs", "3"]).args(options).run().expect(0);
        restored
    }

    /// An object by its name under the store.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        match &self.place {
            Place::Bucket(bucket) => bucket.read(&format!("prod/{name}")),
            Place::Folder(folder) => std::fs::read(folder.path().join("store").join(name)).unwrap(),
        }
    }

    /// The manifest of a backup.
    pub(crate) fn manifest(&self, backup: &Backup) -> Manifest {
        StoredManifest::parse(self.read(&backup.object("manifest.json")).into()).unwrap().manifest
    }

    /// The index of a backup.
    pub(crate) fn index(&self, backup: &Backup) -> Index {
        Index::parse(&self.read(&backup.object("index.json.gz"))).unwrap()
    }

    /// The folder for `lifeboat download`.
    pub(crate) fn scratch_folder() -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let to = folder.path().join("downloaded");
        (folder, to)
    }
}

/// A committed backup, as the command's result tells it.
pub(crate) struct Backup {
    pub(crate) id: String,
    pub(crate) result: Value,
}

impl Backup {
    /// The only backup of a run.
    #[track_caller]
    pub(crate) fn of(outcome: &Outcome) -> Backup {
        let result = outcome.result()["backups"][0].take();
        let id = result["id"].as_str().expect("a backup has an id").to_owned();
        Backup { id, result }
    }

    /// The name of one of its objects under the store.
    pub(crate) fn object(&self, name: &str) -> String {
        format!("backups/daily/{NAME}/{}/{name}", self.id)
    }
}
