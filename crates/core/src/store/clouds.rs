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
        Scheme::Gs => google(url, name, settings, retry, connector),
        #[cfg(feature = "az")]
        Scheme::Az => azure(url, name, settings, retry, connector),
        other => {
            // Without the features nothing is done with them.
            let _ = (name, settings, retry, connector);
            Err(not_built(url, other))
        }
    }
}

#[cfg(feature = "gs")]
fn google(
    url: &StoreUrl,
    name: &str,
    settings: &BTreeMap<String, String>,
    retry: RetryConfig,
    connector: &Connector,
) -> Result<Client> {
    use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_retry(retry)
        .with_client_options(Connector::options(false))
        .with_http_connector(connector.clone());
    for (name, value) in settings {
        if let Ok(key) = name.to_ascii_lowercase().parse::<GoogleConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    // After what the environment says: a variable of its own must not lead to another one.
    let builder = builder.with_bucket_name(name);
    let client = Arc::new(builder.build().map_err(|error| unfit(url, error))?);
    Ok((client.clone(), client))
}

#[cfg(feature = "az")]
fn azure(
    url: &StoreUrl,
    name: &str,
    settings: &BTreeMap<String, String>,
    retry: RetryConfig,
    connector: &Connector,
) -> Result<Client> {
    use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
    let mut builder = MicrosoftAzureBuilder::new()
        .with_retry(retry)
        .with_client_options(Connector::options(false))
        .with_http_connector(connector.clone());
    for (name, value) in settings {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AzureConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    // After what the environment says: a variable of its own must not lead to another one.
    let builder = builder.with_container_name(name);
    let client = Arc::new(builder.build().map_err(|error| unfit(url, error))?);
    Ok((client.clone(), client))
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
