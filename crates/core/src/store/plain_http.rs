//! Endpoints without TLS, which are refused where they are not allowed.

use crate::error::{Error, Kind};

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
