//! What the operator does about a failed call: by the words of servers, proxies and TLS, and of the client that found nobody.

use super::{is_unresolved, status, whole_text};
use crate::error::Kind;

/// Which proxy is asked where there is no TLS.
macro_rules! by_http {
    () => {
        "over http the one in [store] proxy, HTTP_PROXY or ALL_PROXY is asked in the store's place (NO_PROXY names hosts that are reached without)"
    };
}

/// Server codes and texts that need the operator, first match wins.
pub(super) const FATAL: &[(&str, Kind, &str)] = &[
    ("NoSuchBucket", Kind::NotFound, "create the bucket, or correct its name and endpoint"),
    ("RequestTimeTooSkewed", Kind::Config, "set this host's clock: it differs from the store's"),
    ("InvalidAccessKeyId", Kind::Config, "correct the access key id"),
    ("SignatureDoesNotMatch", Kind::Config, "correct the secret access key"),
    ("AuthorizationHeaderMalformed", Kind::Config, "correct the region"),
    ("PermanentRedirect", Kind::Config, "correct the region or the endpoint: the bucket lies elsewhere"),
    ("redirect without LOCATION", Kind::Config, "correct the region: the bucket lies elsewhere"),
    ("AccessDenied", Kind::Config, "give the key the right to do this, or use another key"),
    ("No space left on device", Kind::Failure, "free disk space and run again"),
    ("Disk quota exceeded", Kind::Failure, "free disk space and run again"),
    ("Permission denied", Kind::Config, "give this user the right to write there"),
    ("certificate not valid for name", Kind::Config, WRONG_NAME),
    ("certificate expired", Kind::Config, "renew the certificate of the store, or set this host's clock"),
    ("certificate not valid yet", Kind::Config, "set this host's clock, or have the store's certificate made anew"),
    (
        "invalid peer certificate",
        Kind::Config,
        "check the endpoint, and name the authority of its certificate in [store] ca if it is one of your own",
    ),
    ("proxy authorization required", Kind::Config, PROXY_LOGIN),
    ("code: 407", Kind::Config, PROXY_LOGIN),
    ("EntityTooLarge", Kind::Config, "lower the part size or the number of parts this store takes"),
    ("code: 30", Kind::Config, "correct the endpoint: requests are led elsewhere, perhaps to a page to log in"),
    // Azure's. What it says of an old date stands beside AuthenticationFailed.
    ("ContainerNotFound", Kind::NotFound, "create the container, or correct its name and the account's"),
    ("Request date header too old", Kind::Config, "set this host's clock: it differs from the store's"),
    ("AuthenticationFailed", Kind::Config, "correct the account's name and key, or give a token that is still valid"),
    (
        "InvalidAuthenticationInfo",
        Kind::Config,
        "correct the account's name and key, or give a token that is still valid",
    ),
    (
        "AuthorizationFailure",
        Kind::Config,
        "correct the account's key, or give a token that is still valid, or let this host through the account's network rules",
    ),
    (
        "AuthorizationPermissionMismatch",
        Kind::Config,
        "give the identity a role for the container's data, such as Storage Blob Data Contributor, or the token this right",
    ),
    (
        "KeyBasedAuthenticationNotPermitted",
        Kind::Config,
        "give a token or an identity: the account takes no account key",
    ),
    // Google's, where it gives tokens for a service account's key.
    ("invalid_grant", Kind::Config, "give a service account's key that is still valid, and set this host's clock"),
];

/// What to do before the command is run again, when the store stayed out of reach or in trouble.
pub(super) fn before_the_next_run(error: &object_store::Error) -> &'static str {
    let text = whole_text(error);
    // First: where a proxy has no address, its name is the one that is not resolved.
    if text.contains(TUNNEL) {
        NO_WAY
    } else if is_unresolved(error) {
        UNRESOLVED
    } else if text.contains(NO_TLS) {
        PLAIN
    } else if status(error).is_some_and(|status| status >= 500) {
        if may_be_of_a_proxy(&text) { THEY_IN_TROUBLE } else { IN_TROUBLE }
    } else if may_be_of_a_proxy(&text) {
        NEITHER_REACHABLE
    } else {
        UNREACHABLE
    }
}

/// What to do when the call is not allowed, and nothing says why.
pub(super) fn when_refused(text: &str) -> &'static str {
    if may_be_of_a_proxy(text) { BOTH_MAY_REFUSE } else { MAY_NOT }
}

/// Whether a proxy may have said so, or nobody at it: without TLS it is asked as if it were the store. What has a code is the store's.
fn may_be_of_a_proxy(text: &str) -> bool {
    // Also "Error performing list request: ", in front of the request itself.
    let mut urls = text.split("Error performing ").filter_map(|request| request.split(' ').nth(1));
    urls.any(|url| url.starts_with("http://")) && !text.contains("<Code>")
}

const MAY_NOT: &str = "give the key the right to do this, or use another key";
const BOTH_MAY_REFUSE: &str =
    concat!("give the key the right to do this, or use another key; or a proxy refused it: ", by_http!());
const WRONG_NAME: &str = "let the endpoint name a host that the store's certificate is for, or give the store one for this name; where the \
                          bucket's name was put before the host, path_style = true leaves it out";

/// How the client calls the way through a proxy to a store that is spoken to by TLS.
pub(super) const TUNNEL: &str = "tunnel error: ";
const PROXY_LOGIN: &str = "give the proxy's user and password: [store] proxy, HTTPS_PROXY or HTTP_PROXY";
const NO_WAY: &str = "the proxy opens no way to the store: check [store] proxy or HTTPS_PROXY, its user and password, and whether it may \
                      lead there; then run again";

const UNRESOLVED: &str =
    "correct the host name of the store's endpoint, or this host's name resolution, then run again";
const UNREACHABLE: &str = "check that the store's endpoint is right and reachable, then run again";
const NEITHER_REACHABLE: &str =
    concat!("check that the store's endpoint is right and reachable, or the proxy, then run again: ", by_http!());

const IN_TROUBLE: &str =
    "the store is there, and cannot do it now: look at its log, its disk or its status page, then run again";
const THEY_IN_TROUBLE: &str = concat!(
    "the store is there, and cannot do it now: look at its log, its disk or its status page, then run again; or a proxy said so: ",
    by_http!()
);
/// What the client's TLS calls an answer that is none of TLS.
const NO_TLS: &str = "InvalidContentType";
const PLAIN: &str =
    "nothing at the store's endpoint speaks TLS: correct its port, or let it begin with http:// and set allow_http";
