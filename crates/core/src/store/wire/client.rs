//! The HTTP client: its proxy, the roots it trusts, and how long it waits.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{ClientConfigKey, HttpClient, HttpConnector, ReqwestConnector};
use reqwest::redirect::Policy;
use secrecy::{ExposeSecret as _, SecretString};

use super::pace::Pace;
use super::{Clock, Seen, Wire};
use crate::error::{Error, Kind, Result, ResultExt as _};

/// What lies between this host and the store.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Bytes in a second, sent and received together; without it as many as there can be.
    pub bandwidth: Option<NonZeroU64>,
    /// Certificates in PEM that are trusted beside those of the system.
    pub ca: Option<Vec<u8>>,
    /// URL of the proxy for every request, with user and password where it asks for them. Without it the variables
    /// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count.
    pub proxy: Option<SecretString>,
}

/// Makes the client of a store's requests.
#[derive(Clone, Debug)]
pub(in crate::store) struct Connector {
    client: reqwest::Client,
    direct: reqwest::Client,
    pace: Option<Arc<Pace>>,
    seen: Arc<Seen>,
}

impl Connector {
    /// # Errors
    /// [`Kind::Config`] when certificates or the proxy's address cannot be read.
    pub(in crate::store) fn new(network: &Network, allow_http: bool) -> Result<Self> {
        let doing = || "set up the connection to the store".into();
        let direct = reqwest::Client::builder().no_proxy().redirect(Policy::none()).connect_timeout(DIRECT_TIMEOUT);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("lifeboat/", env!("CARGO_PKG_VERSION")))
            .https_only(!allow_http)
            .http1_only()
            // One that is followed makes a GET of a PUT, whose success then says nothing, and takes headers elsewhere.
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            // The kernel must not be less patient than we are.
            .tcp_user_timeout(PATIENCE);
        if let Some(pem) = &network.ca {
            let doing = "read the certificates that [store] ca names";
            let certificates = reqwest::Certificate::from_pem_bundle(pem).kind_of(Kind::Config, || doing.into())?;
            if certificates.is_empty() {
                return Err(Error::new(Kind::Config, format!("{doing}: the file holds no certificate in PEM")));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        if let Some(url) = &network.proxy {
            // Its error may repeat the address, and so a password.
            let proxy = reqwest::Proxy::all(url.expose_secret()).map_err(|_| no_proxy())?;
            builder = builder.proxy(proxy);
        }
        let client = builder.build().kind_of(Kind::Config, doing)?;
        let direct = direct.build().kind_of(Kind::Config, doing)?;
        let pace = network.bandwidth.map(|rate| Arc::new(Pace::new(rate)));
        Ok(Self { client, direct, pace, seen: Arc::default() })
    }

    /// The store's clock, once it answered.
    pub(in crate::store) fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.seen.clock)
    }

    pub(super) fn wire(&self) -> Wire {
        Wire {
            client: self.client.clone(),
            direct: self.direct.clone(),
            pace: self.pace.clone(),
            patience: PATIENCE,
            first_patience: FIRST_PATIENCE,
            seen: Arc::clone(&self.seen),
        }
    }

    /// Settings of `object_store` that must agree with ours; it shows the same endpoint to both.
    pub(in crate::store) fn options(allow_http: bool) -> ClientOptions {
        ClientOptions::new().with_allow_http(allow_http).with_connect_timeout(CONNECT_TIMEOUT)
    }
}

impl HttpConnector for Connector {
    /// The service that tells a cloud's machine its credentials is asked as `object_store` asks it: quickly, and past any proxy.
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let wait = |options: &ClientOptions| options.get_config_value(&ClientConfigKey::ConnectTimeout);
        if wait(options) != wait(&Self::options(true)) {
            return ReqwestConnector::default().connect(options);
        }
        Ok(HttpClient::new(self.wire()))
    }
}

fn no_proxy() -> Error {
    Error::new(Kind::Config, "read the address of the proxy").hint("write http://host:port")
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a service on the machine's own link.
const DIRECT_TIMEOUT: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(120);
/// So long an operator looks on while nothing is known to be there.
const FIRST_PATIENCE: Duration = Duration::from_secs(30);
