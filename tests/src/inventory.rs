//! What lies in a bucket, and ways to damage it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::runtime::run;
use crate::servers::installation::in_venv;
use crate::servers::seaweed::{Identity, REGION};

/// A bucket of one test, seen with the key that may do everything.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    endpoint: String,
    client: AmazonS3,
}

/// A multipart upload that was begun and neither completed nor aborted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenUpload {
    /// The key of the object to be.
    pub key: String,
    /// The upload's id.
    pub id: String,
}

impl Bucket {
    /// A bucket that exists at `endpoint`.
    pub fn new(endpoint: String, name: String) -> Bucket {
        let client = AmazonS3Builder::new()
            .with_endpoint(&endpoint)
            .with_allow_http(true)
            .with_region(REGION)
            .with_bucket_name(&name)
            .with_access_key_id(Identity::Admin.access_key())
            .with_secret_access_key(Identity::Admin.secret_key())
            .build()
            .unwrap();
        Bucket { name, endpoint, client }
    }

    /// `s3://bucket/prefix`.
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{}/{prefix}", self.name)
    }

    /// Every key under the bucket with its length.
    pub fn objects(&self) -> BTreeMap<String, u64> {
        let found: Vec<_> = run(self.client.list(None).try_collect()).unwrap();
        found.into_iter().map(|object| (object.location.to_string(), object.size)).collect()
    }

    /// The bytes of an object that must be there.
    pub fn read(&self, key: &str) -> Vec<u8> {
        let client = &self.client;
        run(async { client.get(&Key::from(key)).await?.bytes().await })
            .unwrap_or_else(|error| panic!("read {key}: {error}"))
            .to_vec()
    }

    /// Writes or replaces an object of this very key.
    pub fn write(&self, key: &str, bytes: Vec<u8>) {
        run(self.client.put(&Key::parse(key).unwrap(), PutPayload::from(bytes))).unwrap();
    }

    /// Removes an object.
    pub fn delete(&self, key: &str) {
        run(self.client.delete(&Key::from(key))).unwrap();
    }

    /// Replaces an object by what `damage` makes of it.
    pub fn damage(&self, key: &str, damage: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.read(key);
        damage(&mut bytes);
        self.write(key, bytes);
    }

    /// The uploads left open.
    pub fn open_uploads(&self) -> Vec<OpenUpload> {
        let text = self.aws(&["s3api", "list-multipart-uploads", "--bucket", &self.name, "--output", "json"]);
        let answer: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let uploads = answer["Uploads"].as_array().cloned().unwrap_or_default();
        let field = |upload: &serde_json::Value, name: &str| upload[name].as_str().unwrap_or_default().to_owned();
        uploads.iter().map(|upload| OpenUpload { key: field(upload, "Key"), id: field(upload, "UploadId") }).collect()
    }

    /// The bytes of an object, fetched with the stock client.
    pub fn fetch_with_aws(&self, key: &str) -> Vec<u8> {
        self.aws(&["s3", "cp", "--only-show-errors", &self.url(key), "-"])
    }

    /// Fetches everything under `prefix`, which ends with a slash, into `folder` with the stock client.
    pub fn fetch_folder_with_aws(&self, prefix: &str, folder: &Path) {
        let to = folder.to_str().expect("a temporary path is UTF-8");
        self.aws(&["s3", "cp", "--only-show-errors", "--recursive", &self.url(prefix), to]);
    }

    /// Runs the stock client as [`Identity::Admin`] and returns its output.
    pub fn aws(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(in_venv("bin/aws"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(Identity::Admin.environment(&self.endpoint))
            .output()
            .expect("run aws");
        assert!(output.status.success(), "aws {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}
