//! The stores under test, each at a place of the test's own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use lifeboat_core::Job;
use lifeboat_core::monitor::Silent;
use lifeboat_core::store::{self, Network, Probe, ProbeReport, RetryPolicy, Store};
use lifeboat_tests::inventory::OpenUpload;
use lifeboat_tests::servers::azurite::{Azurite, CONTAINER};
use lifeboat_tests::servers::lookalikes::{BUCKET, Kind, Lookalike};
use lifeboat_tests::{Bucket, Fault, Identity, Lifeboat, Proxy, Seaweed, When, scratch};
use object_store::memory::InMemory;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    Memory,
    Folder,
    Seaweed,
    Rclone,
    Moto,
    S3s,
    /// Takes `If-None-Match` and does not look at it: moto, behind a proxy that takes it away.
    Heedless,
    /// `az://`, at Azurite.
    Azure,
    /// `gs://`, at moto: the requests are those of S3, under another authorization, at which moto does not look.
    Google,
}

/// One of them, running.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) environment: Vec<(&'static str, String)>,
    memory: Option<Arc<InMemory>>,
    _proxy: Option<Proxy>,
    /// The bucket, where it is one that lists open uploads to who speaks S3, and the place's prefix in it.
    listing: Option<(Bucket, String)>,
    _folder: Option<TempDir>,
}

impl Stand {
    pub(crate) const ALL: [Stand; 9] = [
        Stand::Memory,
        Stand::Folder,
        Stand::Seaweed,
        Stand::Rclone,
        Stand::Moto,
        Stand::S3s,
        Stand::Heedless,
        Stand::Azure,
        Stand::Google,
    ];

    /// A place in it that nobody else uses. Its prefix has what prefixes may have.
    pub(crate) fn place(self) -> Place {
        let prefix = format!("a~b c/{:x}", scratch::unique());
        match self {
            Stand::Memory => Place { memory: Some(Arc::default()), ..Place::at(prefix, Vec::new()) },
            Stand::Folder => {
                let folder = TempDir::new().unwrap();
                let url = format!("file://{}", folder.path().display());
                Place { _folder: Some(folder), ..Place::at(url, Vec::new()) }
            }
            Stand::Seaweed => {
                let server = Seaweed::shared();
                Place::at(String::new(), server.environment(Identity::Admin)).listing(server.bucket("stores"), prefix)
            }
            Stand::Rclone => {
                let server = Lookalike::shared(Kind::Rclone);
                Place::at(String::new(), server.environment()).listing(server.seen(BUCKET.to_owned()), prefix)
            }
            Stand::S3s => Place::at(format!("s3://{BUCKET}/{prefix}"), Lookalike::shared(Kind::S3s).environment()),
            Stand::Moto => {
                let server = Lookalike::shared(Kind::Moto);
                Place::at(String::new(), server.environment()).listing(server.seen(server.bucket()), prefix)
            }
            Stand::Heedless => {
                let server = Lookalike::shared(Kind::Moto);
                let proxy = Proxy::to(SocketAddr::from(([127, 0, 0, 1], server.port())));
                proxy.on(When::any(), Fault::DropHeader("if-none-match"));
                let place = Place::at(String::new(), proxy.environment(Identity::Admin));
                Place { _proxy: Some(proxy), ..place }.listing(server.seen(server.bucket()), prefix)
            }
            Stand::Azure => Place::at(format!("az://{CONTAINER}/{prefix}"), Azurite::shared().environment()),
            Stand::Google => {
                let server = Lookalike::shared(Kind::Moto);
                let bucket = server.seen(server.bucket());
                let url = format!("gs://{}/{prefix}", bucket.name);
                Place { url, ..Place::at(String::new(), server.as_google()).listing(bucket, prefix) }
            }
        }
    }
}

impl Place {
    pub(crate) fn at(url: String, environment: Vec<(&'static str, String)>) -> Place {
        Place { url, environment, memory: None, _proxy: None, listing: None, _folder: None }
    }

    /// At this prefix of a bucket that lists open uploads.
    fn listing(self, bucket: Bucket, prefix: String) -> Place {
        Place { url: bucket.url(&prefix), listing: Some((bucket, prefix)), ..self }
    }

    /// The uploads left open here; none too where nobody can tell.
    pub(crate) fn open_uploads(&self) -> Vec<OpenUpload> {
        let Some((bucket, prefix)) = &self.listing else { return Vec::new() };
        bucket.open_uploads().into_iter().filter(|upload| upload.key.starts_with(prefix.as_str())).collect()
    }

    /// The store, with little patience.
    pub(crate) fn store(&self) -> Store {
        let store = match &self.memory {
            Some(memory) => Store::new(memory.clone(), memory.clone(), self.url.as_str(), "memory"),
            None => return self.store_with(&[]),
        };
        hasty(store)
    }

    /// The store, with more settings.
    pub(crate) fn store_with(&self, more: &[(&str, &str)]) -> Store {
        let mut settings = self.settings();
        settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        hasty(store::create(&self.url.parse().unwrap(), &settings).unwrap())
    }

    /// What `lifeboat store test` finds out.
    pub(crate) fn probed(&self) -> ProbeReport {
        let probe = match &self.memory {
            Some(_) => Probe::of(self.store()),
            None => Probe::open(&self.url.parse().unwrap(), &self.settings(), &Network::default()).unwrap(),
        };
        lifeboat_tests::run(probe.run(jiff::Timestamp::now(), &job())).unwrap()
    }

    /// `lifeboat`, with this store. Memory is out of its reach.
    pub(crate) fn lifeboat(&self) -> Lifeboat {
        Lifeboat::new().envs(self.environment.clone()).env("LIFEBOAT_STORE", &self.url)
    }

    fn settings(&self) -> BTreeMap<String, String> {
        self.environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }
}

/// A job nobody listens to.
pub(crate) fn job() -> Job {
    Job::new(Arc::new(Silent), CancellationToken::new())
}

fn hasty(store: Store) -> Store {
    store.with_retry(RetryPolicy { give_up_after: std::time::Duration::from_secs(3), ..RetryPolicy::default() })
}
