//! A store of one test, and the commands that back up into it and restore from it.

use std::path::PathBuf;

use lifeboat_core::index::Index;
use lifeboat_core::manifest::{Manifest, StoredManifest};
use lifeboat_core::store::layout;
use serde_json::Value;
use tempfile::TempDir;

use crate::Bucket;
use crate::keyring::{self, NOVEMBER};
use crate::lifeboat::{Lifeboat, NAME, Outcome};
use crate::scratch::unused_name;
use crate::servers::postgres::{Database, Postgres};
use crate::servers::seaweed::{Identity, Seaweed};
use crate::stock;
use crate::way::Way;

/// A store, the variables that lead to it, and the way in which its backups are taken.
#[derive(Debug)]
pub struct Depot {
    /// The store's URL.
    pub url: String,
    /// What every command on it sees.
    pub environment: Vec<(&'static str, String)>,
    bucket: Option<Bucket>,
    folder: TempDir,
}

impl Depot {
    /// A prefix of a new bucket at the shared S3 server; backups are taken as the program does by itself.
    pub fn s3() -> Depot {
        let server = Seaweed::shared();
        let bucket = server.bucket("depot");
        let environment = server.environment(Identity::Admin);
        Depot { url: bucket.url("prod"), environment, bucket: Some(bucket), folder: TempDir::new().unwrap() }
    }

    /// A folder.
    pub fn file() -> Depot {
        let folder = TempDir::new().unwrap();
        Depot { url: format!("file://{}/prod", folder.path().display()), environment: Vec::new(), bucket: None, folder }
    }

    /// The same, with backups that are taken this way.
    pub fn by(mut self, way: Way) -> Depot {
        self.environment.extend(way.environment(self.folder.path()));
        self
    }

    /// The bucket of a depot made by [`Depot::s3`].
    pub fn bucket(&self) -> &Bucket {
        self.bucket.as_ref().expect("the store is a folder")
    }

    /// A file or folder of this test, such as one to download into.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command with this store.
    pub fn lifeboat(&self, verb: &str) -> Lifeboat {
        Lifeboat::new().arg(verb).args(["--store", &self.url]).envs(self.environment.clone())
    }

    /// `lifeboat backup` of `database` as [`NAME`], not run yet.
    pub fn backup_command(&self, database: &Database<'_>) -> Lifeboat {
        self.lifeboat("backup").of(database).arg("--json")
    }

    /// Backs `database` up and gives the backup.
    #[track_caller]
    pub fn backup(&self, database: &Database<'_>) -> Backup {
        Backup::of(&self.backup_command(database).run().expect(0))
    }

    /// `lifeboat restore shop/latest` into a database of `server`, not run yet.
    pub fn restore_command(&self, server: &Postgres, into: &str) -> Lifeboat {
        self.lifeboat("restore").latest_into(server, into).arg("--json")
    }

    /// Restores the latest backup into a new database of `server`.
    #[track_caller]
    pub fn restore<'s>(&self, server: &'s Postgres, options: &[&str]) -> Database<'s> {
        let restored = server.adopt(&unused_name("restored"));
        self.restore_command(server, &restored.name).args(["--create", "--jobs", "3"]).args(options).run().expect(0);
        restored
    }

    /// What `cat` prints of the latest backup.
    #[track_caller]
    pub fn printed(&self) -> Vec<u8> {
        let output = self.lifeboat("cat").arg("shop/latest").command().output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// An object by what [`Backup::object`] calls it.
    pub fn read(&self, object: &str) -> Vec<u8> {
        match &self.bucket {
            Some(bucket) => bucket.read(object),
            None => std::fs::read(self.path(object)).unwrap(),
        }
    }

    /// The gzip bytes of one of a backup's objects, by its name where nothing is sealed.
    pub fn gzip_bytes(&self, backup: &Backup, name: &str) -> Vec<u8> {
        let manifest = self.manifest(backup);
        let object = manifest.objects().find(|object| layout::unsealed(&object.name) == name).expect(name);
        let stored = self.read(&backup.object(&object.name));
        if object.seal.is_none() {
            return stored;
        }
        let key = keyring::data_key(&backup.id, &[NOVEMBER], |id| self.read(&backup.object(&layout::wrap(id))));
        keyring::opened(&key, &backup.id, object, &stored).unwrap()
    }

    /// The manifest of a backup.
    pub fn manifest(&self, backup: &Backup) -> Manifest {
        StoredManifest::parse(self.read(&backup.object("manifest.json")).into()).unwrap().manifest
    }

    /// The index of a backup.
    pub fn index(&self, backup: &Backup) -> Index {
        Index::parse(&self.gzip_bytes(backup, "index.json.gz")).unwrap()
    }

    /// The script of a backup, as whoever has no Lifeboat gets it: a stock S3 client fetches, [`stock::script_in`] reads.
    pub fn script_by_hand(&self, backup: &Backup) -> Vec<u8> {
        let fetched = TempDir::new().unwrap();
        let folder = match &self.bucket {
            Some(bucket) => {
                bucket.fetch_folder_with_aws(&backup.object(""), fetched.path());
                fetched.path().to_owned()
            }
            None => self.path(&backup.object("")),
        };
        stock::script_in(&folder)
    }
}

/// A committed backup, as the command's result tells it.
#[derive(Debug)]
pub struct Backup {
    /// Its id.
    pub id: String,
    /// What the command's result says of it.
    pub result: Value,
}

impl Backup {
    /// The only backup of a run.
    #[track_caller]
    pub fn of(outcome: &Outcome) -> Backup {
        let result = outcome.result()["backups"][0].take();
        let id = result["id"].as_str().expect("a backup has an id").to_owned();
        Backup { id, result }
    }

    /// One of its objects, where the store is the folder `prod`.
    pub fn object(&self, name: &str) -> String {
        format!("prod/backups/daily/{NAME}/{}/{name}", self.id)
    }
}
