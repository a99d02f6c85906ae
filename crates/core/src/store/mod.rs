//! The object store: a bucket and a prefix, seen through `object_store`.
//!
//! Writing uses PUT and the multipart calls alone, so that a key which may only write suffices; everything else is for
//! readers. Every call is repeated as [`RetryPolicy`] says, each attempt signed anew.
//!
//! Invariant: no name outside [`layout`] is ever written, and nothing is ever written twice; but two rewraps at
//! once may write the same wrap, each around the same data key.

mod address;
mod admitted;
mod bucket_name;
mod checksum;
mod clouds;
mod deletes;
mod download;
mod fault;
mod journal;
pub mod layout;
mod listing;
mod local;
mod open;
mod plain_http;
mod probe;
mod provider;
mod retry;
mod s3;
mod sendable;
pub mod settings;
mod upload;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::multipart::MultipartStore;
use object_store::path::{Path, PathPart};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload};
use url::Url;

pub use address::{Scheme, StoreUrl};
use admitted::{Admitted, Call};
pub use checksum::Checksum;
pub use deletes::Deletes;
pub use download::BLOCK_BYTES;
pub use journal::Journal;
pub use open::{create, open};
pub use plain_http::{is_plain_http, plain_http};
pub use probe::{Advice, Answer, Behaviour, Finding, Probe, ProbeReport};
pub use provider::Provider;
pub use retry::RetryPolicy;
pub use s3::is_for_client;
pub use upload::{Parts, UploadOptions, UploadedObject, Uploader, Writers};
use wire::Clock;
pub use wire::Network;

use crate::error::Result;
use crate::job::Job;
use crate::monitor::Counter;

/// A bucket and a prefix.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    uploads: Arc<dyn MultipartStore>,
    prefix: Path,
    address: String,
    retry: RetryPolicy,
    parts_max: u64,
    /// What it has let this run do.
    admitted: Arc<Admitted>,
    /// Whether names are others', and taken as they are.
    verbatim: bool,
    /// Whether the operator bounded how fast bytes move: then nobody is told that they move slowly.
    paced: bool,
    /// The clock of a store on the network.
    clock: Arc<Clock>,
    /// Where every version is to be deleted: how.
    versions: Option<Arc<s3::Requests>>,
}

impl Store {
    /// A store made of the embedder's own objects. `address` is shown to operators and must hold no credentials.
    /// A `prefix` that is a [`Path`] is taken as it is; text becomes one as `object_store` encodes it.
    pub fn new(
        objects: Arc<dyn ObjectStore>,
        uploads: Arc<dyn MultipartStore>,
        prefix: impl Into<Path>,
        address: impl Into<String>,
    ) -> Self {
        Self {
            objects,
            uploads,
            prefix: prefix.into(),
            address: address.into(),
            retry: RetryPolicy::default(),
            parts_max: provider::PARTS_MAX,
            admitted: Arc::default(),
            verbatim: false,
            paced: false,
            clock: Arc::default(),
            versions: None,
        }
    }

    /// The same store, whose objects may have so many parts.
    #[must_use]
    pub(crate) fn with_parts_max(mut self, parts_max: u64) -> Self {
        self.parts_max = parts_max;
        self
    }

    /// The same store with other patience.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// The same store, impatient: for the calls that begin a run, whose failure should be told while the operator looks.
    #[must_use]
    pub fn at_first_contact(self) -> Self {
        let retry = self.retry.first_contact();
        self.with_retry(retry)
    }

    /// The same store, for objects that something else wrote: their names are taken byte for byte, and no manifest names them.
    #[must_use]
    pub fn of_others(mut self) -> Self {
        self.verbatim = true;
        self
    }

    /// The store's address as operators know it, without credentials.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The folder in which it lies, where it is one of this host.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        Url::parse(&self.address).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok()
    }

    /// How far the store's clock is ahead of this host's, by its last answer; none before the first, and where it does not say.
    #[must_use]
    pub fn clock_ahead_seconds(&self) -> Option<i64> {
        self.clock.ahead_seconds()
    }

    /// What to tell an operator whose clock is not the store's, if it is so.
    #[must_use]
    pub fn clock_off(&self) -> Option<String> {
        let ahead = self.clock_ahead_seconds().filter(|seconds| seconds.abs() > CLOCK_SECONDS)?;
        let way = if ahead > 0 { "behind" } else { "ahead of" };
        Some(format!(
            "this host's clock is {} s {way} the store's: set it. Backups bear its time, and at 15 minutes stores refuse everything",
            ahead.abs()
        ))
    }

    /// Writes a small object by one PUT.
    ///
    /// # Errors
    /// [`NotFound`](crate::Kind::NotFound) without a bucket, [`Config`](crate::Kind::Config) without the right to write,
    /// [`TryAgain`](crate::Kind::TryAgain) when the store stays unreachable.
    pub async fn put(&self, job: &Job, name: &str, bytes: Bytes) -> Result<()> {
        let (path, stored) = (self.path(name), bytes.len() as u64);
        let doing = format!("write {name} to {}", self.address);
        let put = || self.objects.put(&path, PutPayload::from_bytes(bytes.clone()));
        self.call(Call::Put, job, PUT_DEADLINE, &doing, put).await?;
        job.count(Counter::StoredBytes, stored);
        Ok(())
    }

    /// Reads a small object whole.
    ///
    /// # Errors
    /// As [`Store::put`]; [`NotFound`](crate::Kind::NotFound) without the object.
    pub async fn get(&self, job: &Job, name: &str) -> Result<Bytes> {
        let path = self.path(name);
        let doing = format!("read {name} from {}", self.address);
        let read = || async { self.objects.get(&path).await?.bytes().await };
        let bytes = self.call(Call::Read, job, Duration::ZERO, &doing, read).await?;
        job.count(Counter::FetchedBytes, bytes.len() as u64);
        Ok(bytes)
    }

    /// How many bytes an object has, asked for by its name: a key that may read suffices, whether it may list or not.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn length(&self, job: &Job, name: &str) -> Result<u64> {
        let path = self.path(name);
        let doing = format!("read {name} from {}", self.address);
        // The answer to a HEAD has no words in which the store could say what is wrong; what it sends of the object is not waited for.
        let look = || async { Ok(self.objects.get(&path).await?.meta.size) };
        self.call(Call::Read, job, Duration::ZERO, &doing, look).await
    }

    /// Names and lengths of everything under `folder`, in no particular order.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn list(&self, job: &Job, folder: &str) -> Result<Vec<Listed>> {
        let path = self.path(folder);
        let doing = format!("list {folder} in {}", self.address);
        let list = || async { self.objects.list(Some(&path)).try_collect::<Vec<_>>().await };
        let found = self.call(Call::List, job, Duration::ZERO, &doing, list).await?;
        Ok(found.iter().filter_map(|meta| self.listed(meta)).collect())
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// As [`Store::put`]; [`Config`](crate::Kind::Config) without the right to delete.
    pub async fn delete(&self, job: &Job, name: &str) -> Result<()> {
        if let Some(requests) = &self.versions {
            return self.delete_versions(requests, job, name).await;
        }
        let path = self.path(name);
        let doing = format!("delete {name} from {}", self.address);
        let delete = || async {
            match self.objects.delete(&path).await {
                Err(object_store::Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        };
        self.call(Call::Delete, job, Duration::ZERO, &doing, delete).await
    }

    /// Makes a call as often as the policy says; one under way when the job is cancelled has `deadline` to end by itself.
    async fn call<T, F>(
        &self,
        call: Call,
        job: &Job,
        deadline: Duration,
        doing: &str,
        attempt: impl FnMut() -> F,
    ) -> Result<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let may_pass = || self.admitted.refusals_that_may_pass(call);
        let done = self.retry.run_to_its_end(job, deadline, &may_pass, doing, attempt).await?;
        self.admitted.note(call);
        Ok(done)
    }

    fn listed(&self, meta: &ObjectMeta) -> Option<Listed> {
        let parts: Vec<_> = meta.location.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned()).collect();
        Some(Listed { name: parts.join("/"), length: meta.size, modified: meta.last_modified.timestamp() })
    }

    fn path(&self, name: &str) -> Path {
        // Part by part: the prefix is a path already and must not be encoded again.
        let join = |path: Path, part: &str| match PathPart::parse(part) {
            Ok(part) if self.verbatim => path.join(part),
            _ => path.join(part),
        };
        name.split('/').filter(|part| !part.is_empty()).fold(self.prefix.clone(), join)
    }
}

/// An object found by a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name, relative to the store's prefix.
    pub name: String,
    /// Stored bytes.
    pub length: u64,
    /// When the store says it was written, in seconds of Unix time.
    pub modified: i64,
}

/// So far clocks drift apart where nobody sets them.
const CLOCK_SECONDS: i64 = 60;
/// How long a PUT under way may go on when the job is cancelled: cut short, one to a file leaves its staging file.
const PUT_DEADLINE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use object_store::path::Path;
    use tokio_util::sync::CancellationToken;

    use super::Store;
    use crate::job::Job;
    use crate::monitor::Silent;

    #[tokio::test]
    async fn what_is_written_under_any_prefix_is_found_and_read() {
        let job = Job::new(Arc::new(Silent), CancellationToken::new());
        for prefix in ["", "prod", "a~b c", "50%/höhe", "a%20b"] {
            let memory = Arc::new(InMemory::new());
            let store = Store::new(memory.clone(), memory, Path::parse(prefix).unwrap(), "memory");
            store.put(&job, "backups/x/y.json", "text".into()).await.unwrap();
            let names: Vec<_> = store.list(&job, "backups").await.unwrap().into_iter().map(|o| o.name).collect();
            assert_eq!(names, ["backups/x/y.json"], "{prefix}");
            assert_eq!(store.get(&job, "backups/x/y.json").await.unwrap(), "text", "{prefix}");
            assert_eq!(store.path("backups/x").as_ref(), format!("{prefix}/backups/x").trim_start_matches('/'));
        }
    }
}
