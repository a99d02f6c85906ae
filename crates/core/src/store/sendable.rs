//! What a request can carry.
//!
//! `object_store` ends the program where an endpoint is no URL or a key holds a control character, as a carriage return that
//! an editor of Windows left: such settings never reach it.

use url::Url;

use crate::error::{Error, Kind, Result};

/// Refuses what is no address of a server. It is not repeated: there may be a password in it.
pub(super) fn check_endpoint(endpoint: &str, doing: &str) -> Result<()> {
    let is_printable = endpoint.bytes().all(|byte| byte.is_ascii_graphic());
    let leads_to_a_host = |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_printable && Url::parse(endpoint).is_ok_and(leads_to_a_host) {
        return Ok(());
    }
    let doing = format!("{doing}: its endpoint is no address of a server");
    Err(Error::new(Kind::Config, doing).hint(
        "begin the endpoint with https://, and end it behind host or port, without a blank or a line break: https://s3.example.com:9000",
    ))
}

/// Refuses a setting that holds what no header may. It is not repeated: it may be a secret.
pub(super) fn check_text(what: &str, text: &str, doing: &str) -> Result<()> {
    if !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::new(Kind::Config, format!("{doing}: {what} holds a character that cannot be sent"))
        .hint("look for a carriage return or a line break at its end: `printenv NAME | cat -A` shows it as ^M"))
}

/// Refuses a region that no host's name could hold. What is one is the store's affair: some have capitals in it.
pub(super) fn check_region(region: &str, doing: &str) -> Result<()> {
    if region.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Ok(());
    }
    Err(Error::new(Kind::Config, format!("{doing}: {region:?} is no region"))
        .hint("a region is letters, digits and dashes, without a blank or a line break, as in eu-central-1"))
}
