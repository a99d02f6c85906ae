//! Stores that do not speak S3, each behind its feature: `gs` (Google Cloud Storage) and `az` (Azure Blob Storage).

use std::collections::BTreeMap;
use std::sync::Arc;

use object_store::multipart::MultipartStore;
use object_store::{ObjectStore, RetryConfig};

use super::address::{Scheme, StoreUrl};
use super::wire::Connector;
use crate::error::{Error, Kind, Result};

/// One client, as what reads and as what uploads.
pub(super) type Client = (Arc<dyn ObjectStore>, Arc<dyn MultipartStore>);

/// Builders of one shape and no common trait: settings first, then what the environment may not change.
#[cfg(any(feature = "gs", feature = "az"))]
macro_rules! built {
    ($builder:expr, $key:ty, $named:ident, $url:ident, $name:ident, $settings:ident, $retry:ident, $connector:ident) => {{
        let settings = $settings.iter().filter_map(|(name, value)| {
            let key = name.to_ascii_lowercase().parse::<$key>().ok()?;
            Some((key, value))
        });
        let builder = settings.fold($builder, |builder, (key, value)| builder.with_config(key, value));
        let client = builder
            .with_retry($retry)
            .with_client_options(Connector::options(false))
            .with_http_connector($connector.clone())
            .$named($name)
            .build()
            .map_err(|error| unfit($url, error))?;
        let client = Arc::new(client);
        Ok((client.clone(), client))
    }};
}

/// The client of the bucket or container `name`; `settings` are the names and values of `GOOGLE_*` and `AZURE_*` variables.
pub(super) fn client(
    url: &StoreUrl,
    name: &str,
    settings: &BTreeMap<String, String>,
    retry: RetryConfig,
    connector: &Connector,
) -> Result<Client> {
    match url.scheme() {
        #[cfg(feature = "gs")]
        Scheme::Gs => {
            use object_store::gcp::{GoogleCloudStorageBuilder as Builder, GoogleConfigKey as Key};
            built!(Builder::new(), Key, with_bucket_name, url, name, settings, retry, connector)
        }
        #[cfg(feature = "az")]
        Scheme::Az => {
            use object_store::azure::{AzureConfigKey as Key, MicrosoftAzureBuilder as Builder};
            built!(Builder::new(), Key, with_container_name, url, name, settings, retry, connector)
        }
        other => {
            // Without the features nothing is done with them.
            let _ = (name, settings, retry, connector);
            Err(not_built(url, other))
        }
    }
}

#[cfg(any(feature = "gs", feature = "az"))]
fn unfit(url: &StoreUrl, error: object_store::Error) -> Error {
    Error::new(Kind::Config, format!("open {url}")).caused_by(error)
}

fn not_built(url: &StoreUrl, scheme: Scheme) -> Error {
    let feature = if scheme == Scheme::Gs { "gs" } else { "az" };
    Error::new(Kind::Config, format!("open {url}: this build cannot"))
        .hint(format!("build Lifeboat with it: cargo install --path bins --features {feature}"))
}
