//! The stores under test, each at a place of the test's own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use lifeboat_core::Job;
use lifeboat_core::monitor::Silent;
use lifeboat_core::store::{self, Network, Probe, ProbeReport, RetryPolicy, Store};
use lifeboat_tests::servers::lookalikes::{BUCKET, Kind, Lookalike};
use lifeboat_tests::{Fault, Identity, Lifeboat, Proxy, Seaweed, When, scratch};
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
}

/// One of them, running.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) environment: Vec<(&'static str, String)>,
    memory: Option<Arc<InMemory>>,
    pub(crate) proxy: Option<Proxy>,
    _folder: Option<TempDir>,
}

impl Stand {
    pub(crate) const ALL: [Stand; 7] =
        [Stand::Memory, Stand::Folder, Stand::Seaweed, Stand::Rclone, Stand::Moto, Stand::S3s, Stand::Heedless];

    /// A place in it that nobody else uses. Its prefix has what prefixes may have.
    pub(crate) fn place(self) -> Place {
        let prefix = format!("a~b c/{:x}", scratch::unique());
        let bucket = format!("s3://{BUCKET}/{prefix}");
        match self {
            Stand::Memory => Place { memory: Some(Arc::default()), ..Place::at(prefix, Vec::new()) },
            Stand::Folder => {
                let folder = TempDir::new().unwrap();
                let url = format!("file://{}", folder.path().display());
                Place { _folder: Some(folder), ..Place::at(url, Vec::new()) }
            }
            Stand::Seaweed => {
                let server = Seaweed::shared();
                Place::at(server.bucket("stores").url(&prefix), server.environment(Identity::Admin))
            }
            Stand::Rclone => Place::at(bucket, Lookalike::shared(Kind::Rclone).environment()),
            Stand::S3s => Place::at(bucket, Lookalike::shared(Kind::S3s).environment()),
            Stand::Moto => {
                let server = Lookalike::shared(Kind::Moto);
                Place::at(format!("s3://{}/{prefix}", server.bucket()), server.environment())
            }
            Stand::Heedless => {
                let server = Lookalike::shared(Kind::Moto);
                let proxy = Proxy::to(SocketAddr::from(([127, 0, 0, 1], server.port())));
                proxy.on(When::any(), Fault::DropHeader("if-none-match"));
                let url = format!("s3://{}/{prefix}", server.bucket());
                Place { proxy: Some(proxy), ..Place::at(url, Vec::new()) }.behind_its_proxy()
            }
        }
    }
}

impl Place {
    pub(crate) fn at(url: String, environment: Vec<(&'static str, String)>) -> Place {
        Place { url, environment, memory: None, proxy: None, _folder: None }
    }

    fn behind_its_proxy(mut self) -> Place {
        self.environment = self.proxy.as_ref().unwrap().environment(Identity::Admin);
        self
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
