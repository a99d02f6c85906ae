//! From a store's URL to a [`Store`].

use std::collections::BTreeMap;
use std::path::Path as FsPath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use url::Url;

use super::Store;
use super::local::LocalUploads;
use crate::codec::PART_BYTES;
use crate::error::{Error, Kind, Result, ResultExt};

/// The address of a store: `s3://bucket/prefix` or `file:///folder`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreUrl {
    kind: StoreKind,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum StoreKind {
    S3 { bucket: String, prefix: Path },
    File { folder: String },
}

impl std::str::FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Error::new(Kind::Config, format!("read the store's address: {why}"))
                .hint("a store is s3://bucket/prefix or file:///folder")
        };
        let url = Url::parse(text).map_err(|error| refuse("it is no URL").caused_by(error))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                refuse("it carries credentials").hint("give them by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("it has a query or a fragment"));
        }
        let kind = match url.scheme() {
            "s3" => StoreKind::S3 {
                bucket: url.host_str().ok_or_else(|| refuse("it names no bucket"))?.to_owned(),
                // Decoded here, once: from now on the prefix is the text that stands in the bucket.
                prefix: Path::from_url_path(url.path().trim_matches('/')).map_err(|error| {
                    refuse("its prefix cannot begin an object's name")
                        .hint(
                            "a prefix is UTF-8 without control characters, and no part of it between slashes is \
                             empty, `.` or `..`",
                        )
                        .caused_by(error)
                })?,
            },
            "file" => StoreKind::File {
                folder: url.to_file_path().map_err(|()| refuse("its folder is not absolute"))?.to_string_lossy().into(),
            },
            _ => return Err(refuse("its scheme is unknown")),
        };
        Ok(Self { kind, text: text.trim_end_matches('/').to_owned() })
    }
}

impl std::fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Opens the store at `url`. `settings` are the names and values of `AWS_*` variables, in any case; others are ignored.
///
/// Nothing is sent yet: whether bucket and key exist shows with the first call.
///
/// # Errors
/// [`Kind::Config`] when the settings contradict each other; [`Kind::NotFound`] when the folder of a `file://` store is
/// missing: a disk may not be mounted.
pub fn open(url: &StoreUrl, settings: &BTreeMap<String, String>) -> Result<Store> {
    match &url.kind {
        StoreKind::S3 { bucket, prefix } => open_s3(url, bucket, prefix, settings),
        StoreKind::File { folder } => open_folder(url, FsPath::new(folder)),
    }
}

/// As [`open`], for writers: the folder of a `file://` store is made where it is missing.
///
/// # Errors
/// [`Kind::Config`] when the settings contradict each other or the folder cannot be made.
pub fn create(url: &StoreUrl, settings: &BTreeMap<String, String>) -> Result<Store> {
    if let StoreKind::File { folder } = &url.kind {
        std::fs::create_dir_all(folder).kind_of(Kind::Config, || format!("make the store {url}"))?;
    }
    open(url, settings)
}

fn open_s3(url: &StoreUrl, bucket: &str, prefix: &Path, settings: &BTreeMap<String, String>) -> Result<Store> {
    let mut builder = AmazonS3Builder::new().with_bucket_name(bucket);
    for (name, value) in settings {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let allow_http =
        settings.iter().any(|(name, value)| name.eq_ignore_ascii_case("AWS_ALLOW_HTTP") && value == "true");
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint);
    if !allow_http && endpoint.is_some_and(|endpoint| is_plain_http(&endpoint)) {
        return Err(plain_http(&format!("open {url}")));
    }
    let builder = builder
        .with_client_options(client_options(allow_http))
        // Names are never reused, so no write needs a condition, and some stores answer one with an error.
        .with_conditional_put(S3ConditionalPut::Disabled)
        .with_disable_tagging(true);
    let client = |retry: RetryConfig| {
        let s3 = builder.clone().with_retry(retry).build().kind_of(Kind::Config, || format!("open {url}"))?;
        Ok::<_, Error>(Arc::new(s3))
    };
    // An upload that is begun anew where nobody sees it is one that nobody aborts.
    let uploads = client(RetryConfig { max_retries: 0, ..inner_retry() })?;
    Ok(Store::new(client(inner_retry())?, uploads, prefix.clone(), url.to_string()))
}

/// Whether requests to the endpoint would not be encrypted.
#[must_use]
pub fn is_plain_http(endpoint: &str) -> bool {
    endpoint.trim_start().to_ascii_lowercase().starts_with("http://")
}

/// The refusal of an endpoint that [`is_plain_http`].
#[must_use]
pub fn plain_http(doing: &str) -> Error {
    Error::new(Kind::Config, format!("{doing}: plain http is not allowed")).hint(HTTPS)
}

/// What to do about it.
pub(super) const HTTPS: &str =
    "use https, or set allow_http = true in [store] or AWS_ALLOW_HTTP=true for a store on loopback";

/// A part of 16 MiB has two minutes: the crate's own 30 seconds would cut off lines below 4.5 Mbit/s.
fn client_options(allow_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_timeout(Duration::from_secs(120))
        .with_connect_timeout(Duration::from_secs(10))
        .with_allow_http(allow_http)
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

fn open_folder(url: &StoreUrl, folder: &FsPath) -> Result<Store> {
    let doing = || format!("open the store {url}");
    if !folder.is_dir() {
        return Err(Error::new(Kind::NotFound, format!("{}: there is no such folder", doing()))
            .hint("check the address, and that its disk is mounted; `lifeboat backup` makes the folder"));
    }
    let files = Arc::new(LocalFileSystem::new_with_prefix(folder).kind_of(Kind::Config, doing)?.with_fsync(true));
    let uploads = Arc::new(LocalUploads::new(Arc::clone(&files), PART_BYTES as u64));
    Ok(Store::new(files, uploads, "", url.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{StoreKind, StoreUrl};
    use crate::error::Kind;

    #[test]
    fn an_address_with_credentials_is_refused_without_repeating_them() {
        let error = "s3://key:hunter2@bucket/x".parse::<StoreUrl>().unwrap_err();
        assert!(!format!("{error:?}{:?}", error.help()).contains("hunter2"));
    }

    #[test]
    fn a_prefix_is_decoded_once_and_refused_when_it_cannot_begin_a_name() {
        let prefix = |text: &str| match text.parse::<StoreUrl>().unwrap().kind {
            StoreKind::S3 { prefix, .. } => prefix.to_string(),
            StoreKind::File { .. } => panic!("{text} is S3"),
        };
        for text in ["s3://bucket/a~b c/", "s3://bucket/a~b%20c", "s3://bucket/%61~b c"] {
            assert_eq!(prefix(text), "a~b c", "{text}");
        }
        assert_eq!(prefix("s3://bucket/50%25/höhe"), "50%/höhe");
        assert_eq!(prefix("s3://bucket"), "");
        for text in ["s3://bucket/a//b", "s3://bucket/a%0Ab", "s3://bucket/%FF", "s3://bucket/a/..%2Fb"] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{text}");
            assert!(error.help().unwrap().contains("control characters"), "{text}: {error:?}");
        }
    }

    #[test]
    fn addresses_of_unknown_kinds_are_refused() {
        for text in ["", "bucket", "ftp://x/y", "s3:///x", "s3://bucket?x=1"] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
        assert_eq!("s3://bucket/a/".parse::<StoreUrl>().unwrap().to_string(), "s3://bucket/a");
    }
}
