//! Stores that do not speak S3, each behind its feature: `gs` (Google Cloud Storage) and `az` (Azure Blob Storage).

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::multipart::MultipartStore;
use object_store::{ObjectStore, RetryConfig};

use super::address::{Scheme, StoreUrl};
use super::plain_http::{is_plain_http, refused};
use super::sendable::{check_endpoint, check_text};
use super::settings;
use super::wire::{Connector, Network};
use crate::error::{Error, Kind, Result};

/// One client, as what reads and as what uploads.
pub(super) type Client = (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>);

/// A bucket's place in Google's cloud, or a container's in Azure.
#[derive(Clone, Copy)]
pub(super) struct Cloud<'a> {
    pub(super) url: &'a StoreUrl,
    pub(super) name: &'a str,
    /// Names and values of `GOOGLE_*` and `AZURE_*` variables.
    pub(super) given: &'a BTreeMap<String, String>,
}

/// Builders of one shape and no common trait: settings first, then what the environment may not change.
#[cfg(any(feature = "gs", feature = "az"))]
macro_rules! built {
    ($builder:expr, $key:ty, $named:ident, $cloud:ident, $retry:ident, $connector:ident) => {{
        let settings = $cloud.given.iter().filter_map(|(name, value)| {
            let key = name.to_ascii_lowercase().parse::<$key>().ok()?;
            Some((key, value))
        });
        let builder = settings.fold($builder, |builder, (key, value)| builder.with_config(key, value));
        let client = builder
            .with_retry($retry)
            .with_client_options(Connector::options($cloud.allows_http()))
            .with_http_connector($connector.clone())
            .$named($cloud.name)
            .build()
            .map_err(|error| unfit($cloud.url, error))?;
        let client = Arc::new(client);
        Ok((client.clone(), client))
    }};
}

impl Cloud<'_> {
    /// What makes the requests of its clients.
    pub(super) fn connector(&self, network: &Network) -> Result<Connector> {
        let allow_http = self.allows_http();
        if !allow_http && self.endpoint().is_some_and(is_plain_http) {
            return Err(refused(&format!("open {}", self.url), self.url.scheme()));
        }
        let doing = format!("open {}", self.url);
        self.endpoint().map_or(Ok(()), |endpoint| check_endpoint(endpoint, &doing))?;
        // A service account's key is a document of several lines; all others go into lines of requests.
        let mut of_one_line = self.given.iter().filter(|(name, _)| *name != "GOOGLE_SERVICE_ACCOUNT_KEY");
        of_one_line.try_for_each(|(name, value)| check_text(name, value, &doing))?;
        Connector::new(network, allow_http)
    }

    /// Its client.
    pub(super) fn client(&self, retry: RetryConfig, connector: &Connector) -> Result<Client> {
        match self.url.scheme() {
            #[cfg(feature = "gs")]
            Scheme::Gs => {
                use object_store::gcp::{GoogleCloudStorageBuilder as Builder, GoogleConfigKey as Key};
                built!(Builder::new(), Key, with_bucket_name, self, retry, connector)
            }
            #[cfg(feature = "az")]
            Scheme::Az => {
                use object_store::azure::{AzureConfigKey as Key, MicrosoftAzureBuilder as Builder};
                built!(Builder::new(), Key, with_container_name, self, retry, connector)
            }
            other => {
                // Without the features nothing is done with them.
                let _ = (self.name, retry, connector);
                Err(not_built(self.url, other))
            }
        }
    }

    /// Whether requests may go out without TLS, as to an emulator on loopback.
    fn allows_http(&self) -> bool {
        self.of_google_or_azure(&["GOOGLE_ALLOW_HTTP"], &["AZURE_ALLOW_HTTP"]) == Some("true")
    }

    /// Where requests go, if that is not the cloud itself.
    fn endpoint(&self) -> Option<&str> {
        self.of_google_or_azure(&["GOOGLE_BASE_URL"], &["AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"])
    }

    fn of_google_or_azure(&self, google: &[&str], azure: &[&str]) -> Option<&str> {
        let names = if self.url.scheme() == Scheme::Gs { google } else { azure };
        names.iter().find_map(|name| settings::find(self.given, name))
    }
}

/// Where the keys of a store of this kind are looked for.
pub(super) fn keys_of(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Gs => "set GOOGLE_SERVICE_ACCOUNT to the path of a service account's key",
        Scheme::Az => "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_SAS_TOKEN",
        Scheme::B2 => "set B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY",
        Scheme::S3 | Scheme::File => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    }
}

#[cfg(any(feature = "gs", feature = "az"))]
fn unfit(url: &StoreUrl, error: object_store::Error) -> Error {
    Error::new(Kind::Config, format!("open {url}")).hint(keys_of(url.scheme())).caused_by(error)
}

fn not_built(url: &StoreUrl, scheme: Scheme) -> Error {
    let feature = if scheme == Scheme::Gs { "gs" } else { "az" };
    Error::new(Kind::Config, format!("open {url}: this build cannot"))
        .hint(format!("build Lifeboat with it: cargo install --path bins --features {feature}"))
}

#[cfg(test)]
mod tests;
