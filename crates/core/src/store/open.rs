//! From a store's address to a [`Store`].

use std::collections::BTreeMap;
use std::path::Path as FsPath;
use std::sync::Arc;
use std::time::Duration;

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, RetryConfig};

use super::address::{Place, Scheme, StoreUrl};
use super::clouds::Cloud;
use super::local::LocalUploads;
use super::s3::{Bucket, Requests};
use super::wire::Network;
use super::{Deletes, Store};
use crate::codec::PART_BYTES;
use crate::error::{Error, Kind, Result, ResultExt};

/// Opens the store at `url`, with nothing special on the way. `settings` are names and values as environment variables have them, in
/// any case: `AWS_*`, the names in [`settings`](super::settings), and for `gs://` and `az://` `GOOGLE_*` and `AZURE_*`; others
/// are ignored.
///
/// Nothing is sent yet: whether bucket and key exist shows with the first call.
///
/// # Errors
/// [`Kind::Config`] when the settings contradict each other; [`Kind::NotFound`] when the folder of a `file://` store is
/// missing: a disk may not be mounted.
pub fn open(url: &StoreUrl, settings: &BTreeMap<String, String>) -> Result<Store> {
    Network::default().open(url, settings)
}

/// As [`open`], for writers: the folder of a `file://` store is made where it is missing.
///
/// # Errors
/// [`Kind::Config`] when the settings contradict each other or the folder cannot be made.
pub fn create(url: &StoreUrl, settings: &BTreeMap<String, String>) -> Result<Store> {
    Network::default().create(url, settings)
}

impl Network {
    /// As [`open`], through this network.
    ///
    /// # Errors
    /// As [`open`]; [`Kind::Config`] when the certificates or the proxy's address cannot be read.
    pub fn open(&self, url: &StoreUrl, settings: &BTreeMap<String, String>) -> Result<Store> {
        let store = match &url.place {
            Place::Bucket { scheme: Scheme::S3 | Scheme::B2, name, prefix, region } => {
                open_s3(Bucket { url, name, region: region.as_ref() }, prefix, settings, self)?
            }
            Place::Bucket { name, prefix, .. } => open_cloud(url, name, prefix, settings, self)?,
            Place::Folder(folder) => return open_folder(url, FsPath::new(folder), false),
        };
        Ok(Store { paced: self.bandwidth.is_some(), ..store })
    }

    /// As [`create`], through this network.
    ///
    /// # Errors
    /// As [`create`] and [`Network::open`].
    pub fn create(&self, url: &StoreUrl, settings: &BTreeMap<String, String>) -> Result<Store> {
        if let Place::Folder(folder) = &url.place {
            std::fs::create_dir_all(folder).kind_of(Kind::Config, || format!("make the store {url}"))?;
        }
        self.open(url, settings)
    }
}

fn open_s3(bucket: Bucket<'_>, prefix: &Path, settings: &BTreeMap<String, String>, network: &Network) -> Result<Store> {
    let s3 = bucket.configure(settings, network)?;
    let client = |retry: RetryConfig| {
        let s3 = s3.summed().with_retry(retry).build().kind_of(Kind::Config, || format!("open {}", bucket.url))?;
        Ok::<_, Error>(Arc::new(s3))
    };
    let uploads = client(no_retry())?;
    let store = Store::new(client(inner_retry())?, uploads, prefix.clone(), bucket.url.to_string());
    let versions = (s3.deletes == Deletes::Versions).then(|| Arc::new(Requests::new(&s3, bucket.name)));
    Ok(Store { clock: s3.connector.clock(), versions, ..store.with_parts_max(s3.parts_max) })
}

fn open_cloud(
    url: &StoreUrl,
    name: &str,
    prefix: &Path,
    settings: &BTreeMap<String, String>,
    network: &Network,
) -> Result<Store> {
    let cloud = Cloud { url, name, given: settings };
    // One for both: they share what may move in a second.
    let connector = cloud.connector(network)?;
    let (objects, _) = cloud.client(inner_retry(), &connector)?;
    let (_, uploads) = cloud.client(no_retry(), &connector)?;
    let store = Store::new(objects, uploads, prefix.clone(), url.to_string());
    Ok(Store { clock: connector.clock(), ..store })
}

/// Short, because every later attempt should carry a fresh signature: see [`RetryPolicy`](super::RetryPolicy).
fn inner_retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 2,
        retry_timeout: Duration::from_secs(130),
    }
}

/// An upload that is begun anew where nobody sees it is one that nobody aborts.
pub(super) fn no_retry() -> RetryConfig {
    RetryConfig { max_retries: 0, ..inner_retry() }
}

/// With `tidy`, folders go with the last object in them.
pub(super) fn open_folder(url: &StoreUrl, folder: &FsPath, tidy: bool) -> Result<Store> {
    let doing = || format!("open the store {url}");
    if !folder.is_dir() {
        return Err(Error::new(Kind::NotFound, format!("{}: there is no such folder", doing()))
            .hint("check the address, and that its disk is mounted; `lifeboat backup` makes the folder"));
    }
    let files = LocalFileSystem::new_with_prefix(folder).kind_of(Kind::Config, doing)?;
    let files = Arc::new(files.with_fsync(true).with_automatic_cleanup(tidy));
    let uploads = Arc::new(LocalUploads::new(Arc::clone(&files), PART_BYTES as u64));
    Ok(Store::new(files, uploads, "", url.to_string()))
}
