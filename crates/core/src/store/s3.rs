//! From settings to the client of an S3 store, by what is known of its provider.

mod requests;

use std::collections::BTreeMap;

use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, S3ConditionalPut};
use url::Url;

use super::address::{Region, Scheme, StoreUrl};
use super::checksum::Checksum;
use super::deletes::Deletes;
use super::plain_http::{is_plain_http, plain_http};
use super::provider::{PARTS_MAX, Provider};
use super::sendable::{check_endpoint, check_region, check_text};
use super::settings;
use super::wire::{Connector, Network};
use crate::error::{Error, Kind, Result, ResultExt};

pub(super) use requests::{Requests, Said, Version, code, keys, versions};

/// A client that is not built yet, and what is known of the store.
pub(super) struct S3 {
    pub(super) builder: AmazonS3Builder,
    pub(super) connector: Connector,
    pub(super) client_options: ClientOptions,
    /// What goes with every part, and is not in the builder yet.
    pub(super) checksum: Checksum,
    pub(super) parts_max: u64,
    pub(super) deletes: Deletes,
}

impl S3 {
    /// The client of backups, with the checksum that is configured.
    pub(super) fn summed(&self) -> AmazonS3Builder {
        let builder = self.builder.clone();
        match self.checksum.of_s3() {
            Some(checksum) => builder.with_checksum_algorithm(checksum),
            None => builder,
        }
    }
}

/// A bucket's place among the stores that speak S3.
#[derive(Clone, Copy)]
pub(super) struct Bucket<'a> {
    pub(super) url: &'a StoreUrl,
    pub(super) name: &'a str,
    pub(super) region: Option<&'a Region>,
}

impl Bucket<'_> {
    /// The client of this bucket. Each setting beats what is known of the provider.
    pub(super) fn configure(&self, given: &BTreeMap<String, String>, network: &Network) -> Result<S3> {
        // After what the environment says: a variable of its own must not lead to another bucket.
        let mut builder = self.keyed(passed_on(given), given)?.with_bucket_name(self.name);
        let doing = format!("open {}", self.url);
        let allow_http = settings::find(given, "AWS_ALLOW_HTTP") == Some("true");
        let endpoint = endpoint_of(&builder);
        if !allow_http && endpoint.as_deref().is_some_and(is_plain_http) {
            return Err(plain_http(&doing));
        }
        endpoint.as_deref().map_or(Ok(()), |endpoint| check_endpoint(endpoint, &doing))?;
        let provider = self.provider(endpoint.as_deref(), given)?;
        let traits = provider.map(Provider::traits);
        if let Some(region) = self.region {
            builder = builder.with_region(region.as_str());
        }
        let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
        if let (None, Some(region)) = (&region, traits.and_then(|traits| traits.region)) {
            builder = builder.with_region(region);
        }
        let endpoint = match (endpoint, traits) {
            (None, Some(traits)) if traits.provider != Provider::Aws => {
                Some(traits.endpoint(region.map(|region| region.parse()).transpose()?.as_ref())?)
            }
            (endpoint, _) => endpoint,
        };
        check_texts(&builder, &doing)?;
        builder = self.addressed(builder, endpoint, given)?;
        let known = traits.map_or(Checksum::None, |traits| traits.checksum);
        let checksum = checksum(given)?.unwrap_or(known);
        let connector = Connector::new(network, allow_http)?;
        let client_options = Connector::options(allow_http);
        let builder = builder
            .with_client_options(client_options.clone())
            .with_http_connector(connector.clone())
            // Names are never reused, so no write needs a condition, and some stores answer one with an error.
            .with_conditional_put(S3ConditionalPut::Disabled)
            // One object at a time is deleted, by the call that every store has.
            .with_disable_bulk_delete(true)
            .with_disable_tagging(true);
        let parts_max = parts_max(given)?.or(traits.map(|traits| traits.parts_max)).unwrap_or(PARTS_MAX);
        let deletes = settings::find(given, settings::DELETES).map(str::parse).transpose()?.unwrap_or_default();
        Ok(S3 { builder, connector, client_options, checksum, parts_max, deletes })
    }

    /// The key of a B2 store is told by B2's own names. Without one the client would go and ask a cloud's machine for its.
    fn keyed(&self, builder: AmazonS3Builder, given: &BTreeMap<String, String>) -> Result<AmazonS3Builder> {
        if self.url.scheme() != Scheme::B2 {
            return Ok(builder);
        }
        let key = (settings::find(given, settings::B2_KEY_ID), settings::find(given, settings::B2_KEY));
        let has_key = builder.get_config_value(&AmazonS3ConfigKey::AccessKeyId).is_some();
        match key {
            (Some(id), Some(key)) => Ok(builder.with_access_key_id(id).with_secret_access_key(key)),
            (None, None) if has_key => Ok(builder),
            _ => Err(Error::new(Kind::Config, format!("open {}: its application key is not given", self.url))
                .hint("set B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY; the master key does not work with this API")),
        }
    }

    fn provider(&self, endpoint: Option<&str>, given: &BTreeMap<String, String>) -> Result<Option<Provider>> {
        let named = settings::find(given, settings::PROVIDER).map(str::parse::<Provider>).transpose()?;
        match (self.url.scheme(), named, endpoint) {
            (Scheme::B2, Some(other), _) if other != Provider::B2 => {
                Err(Error::new(Kind::Config, format!("open {} as a store of {other}", self.url))
                    .hint("b2:// is for stores of b2; others begin with s3://"))
            }
            (Scheme::B2, ..) => Ok(Some(Provider::B2)),
            (_, Some(named), _) => Ok(Some(named)),
            (_, None, Some(endpoint)) => Ok(host(endpoint).as_deref().and_then(Provider::of_host)),
            (_, None, None) => Ok(Some(Provider::Aws)),
        }
    }

    /// With the endpoint, and the bucket in its path, or in its host's name where that is asked for.
    fn addressed(
        &self,
        builder: AmazonS3Builder,
        endpoint: Option<String>,
        given: &BTreeMap<String, String>,
    ) -> Result<AmazonS3Builder> {
        let in_path = settings::find(given, settings::PATH_STYLE).map(str::parse::<bool>).transpose();
        let in_path =
            in_path.kind_of(Kind::Config, || "read path_style of the store, which is true or false".to_owned())?;
        let endpoint = match (endpoint, in_path) {
            (Some(endpoint), Some(false)) => Some(self.in_host(&endpoint)?),
            (endpoint, _) => endpoint,
        };
        let builder = match in_path {
            Some(in_path) => builder.with_virtual_hosted_style_request(!in_path),
            None => builder,
        };
        // By the key that wins over the other one.
        Ok(match endpoint {
            Some(endpoint) => builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint),
            None => builder,
        })
    }

    fn in_host(&self, endpoint: &str) -> Result<String> {
        let refuse = || {
            Error::new(Kind::Config, format!("put the bucket {} into the endpoint's host name", self.name))
                .hint("leave path_style out, or give an endpoint with a host name")
        };
        let mut url = Url::parse(endpoint).map_err(|error| refuse().caused_by(error))?;
        let host = url.domain().ok_or_else(refuse)?;
        if !host.starts_with(&format!("{}.", self.name)) {
            let host = format!("{}.{host}", self.name);
            url.set_host(Some(&host)).map_err(|error| refuse().caused_by(error))?;
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }
}

/// `object_store`'s own settings; those that are also ours come later.
fn passed_on(given: &BTreeMap<String, String>) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::new();
    for (name, value) in given {
        match name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            Ok(AmazonS3ConfigKey::Checksum) | Err(_) => {}
            Ok(key) => builder = builder.with_config(key, value),
        }
    }
    builder
}

/// Those that stand in the head of every request, and the region, of which a host's name may be made.
fn check_texts(builder: &AmazonS3Builder, doing: &str) -> Result<()> {
    let texts =
        [("the access key id", AmazonS3ConfigKey::AccessKeyId), ("the session token", AmazonS3ConfigKey::Token)];
    for (what, key) in texts {
        builder.get_config_value(&key).map_or(Ok(()), |text| check_text(what, &text, doing))?;
    }
    let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
    region.map_or(Ok(()), |region| check_region(&region, doing))
}

/// Whether the client of a store of this kind looks at the environment variable by itself, and goes by it.
#[must_use]
pub fn is_for_client(scheme: Scheme, variable: &str) -> bool {
    use AmazonS3ConfigKey as Key;
    if !matches!(scheme, Scheme::S3 | Scheme::File) {
        return true;
    }
    let key = variable.to_ascii_lowercase().parse::<Key>();
    // Those are set by us whatever the environment says.
    let ours = |key: &Key| {
        matches!(key, Key::Bucket | Key::Checksum | Key::ConditionalPut | Key::DisableTagging | Key::DisableBulkDelete)
            || matches!(
                key,
                Key::Client(_) | Key::Endpoint | Key::S3Endpoint | Key::Region | Key::VirtualHostedStyleRequest
            )
    };
    key.is_ok_and(|key| !ours(&key))
}

fn endpoint_of(builder: &AmazonS3Builder) -> Option<String> {
    let keys = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
    keys.iter().find_map(|key| builder.get_config_value(key))
}

fn host(endpoint: &str) -> Option<String> {
    Url::parse(endpoint).ok()?.host_str().map(str::to_owned)
}

fn checksum(given: &BTreeMap<String, String>) -> Result<Option<Checksum>> {
    let asked = settings::find(given, settings::CHECKSUM).or_else(|| settings::find(given, "AWS_CHECKSUM_ALGORITHM"));
    asked.map(|text| text.to_ascii_lowercase().parse()).transpose()
}

fn parts_max(given: &BTreeMap<String, String>) -> Result<Option<u64>> {
    let Some(text) = settings::find(given, settings::PARTS_MAX) else { return Ok(None) };
    match text.parse() {
        Ok(parts) if (PARTS_MIN..=PARTS_MAX).contains(&parts) => Ok(Some(parts)),
        _ => Err(Error::new(Kind::Config, format!("take {text:?} as the number of parts that an object may have"))
            .hint(format!("parts_max is from {PARTS_MIN} to {PARTS_MAX}"))),
    }
}

/// Fewer would make objects of a few parts each.
const PARTS_MIN: u64 = 100;

#[cfg(test)]
mod tests;
