//! Endpoints without TLS, which are refused where they are not allowed.

use super::address::Scheme;
use crate::error::{Error, Kind};

/// Whether requests to the endpoint would not be encrypted.
#[must_use]
pub fn is_plain_http(endpoint: &str) -> bool {
    endpoint.trim_start().to_ascii_lowercase().starts_with("http://")
}

/// The refusal of an endpoint that [`is_plain_http`].
#[must_use]
pub fn plain_http(doing: &str) -> Error {
    refused(doing, Scheme::S3)
}

/// The same at a store of this kind.
pub(super) fn refused(doing: &str, scheme: Scheme) -> Error {
    Error::new(Kind::Config, format!("{doing}: plain http is not allowed")).hint(https(scheme))
}

/// What to do about it, at a store of this kind.
pub(super) fn https(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Gs => "use https, or set GOOGLE_ALLOW_HTTP=true for a store on loopback",
        Scheme::Az => "use https, or set AZURE_ALLOW_HTTP=true for a store on loopback",
        Scheme::S3 | Scheme::B2 | Scheme::File => {
            "use https, or set allow_http = true in [store] or AWS_ALLOW_HTTP=true for a store on loopback"
        }
    }
}
