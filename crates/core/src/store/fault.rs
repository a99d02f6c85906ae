//! What an error of `object_store` means: whether to try again, and what the operator does otherwise.
//!
//! `object_store` keeps the server's answer as text, so its error codes are looked for in the text.

mod remedy;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;

use remedy::{FATAL, TUNNEL, before_the_next_run, when_refused};

use super::address::Scheme;
use super::clouds::keys_of;
use super::plain_http::https;
use super::wire::STILL;
use crate::error::{Error, Kind};

/// What to do about a failed call.
pub(super) enum Fault {
    /// The same call may work later.
    Transient,
    /// It will not: the kind, and what the operator can do.
    Fatal(Kind, &'static str),
}

/// 4xx answers that pass: 408, 425, 429, and S3's 400 for a connection that was idle too long.
const TRANSIENT: &[&str] = &["RequestTimeout", "SlowDown", "code: 408", "code: 425", "code: 429", "InternalError"];

/// What `object_store` calls those whose failures may pass.
pub(super) const ON_THE_NETWORK: &[&str] = &["S3", "GCS", "MicrosoftAzure", "HTTP"];

pub(super) fn judge(error: &object_store::Error) -> Fault {
    use object_store::Error as E;
    let text = whole_text(error);
    if text.contains("OperationAborted") {
        // Another call about the same object is under way: one of ours, whose answer was lost.
        return Fault::Transient;
    }
    if lacks_credentials(&text) {
        return Fault::Fatal(Kind::Config, keys_of(scheme(error)));
    }
    if text.contains("URL scheme is not allowed") {
        return Fault::Fatal(Kind::Config, https(scheme(error)));
    }
    if let Some((_, kind, hint)) = FATAL.iter().find(|(code, ..)| text.contains(code)) {
        return Fault::Fatal(*kind, hint);
    }
    match error {
        E::NotFound { .. } => Fault::Fatal(Kind::NotFound, "see `lifeboat list` for what is there"),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => Fault::Fatal(Kind::Config, when_refused(&text)),
        E::Generic { .. } if is_refusal(error) => Fault::Fatal(Kind::Config, when_refused(&text)),
        E::Precondition { .. } => Fault::Fatal(Kind::Integrity, "the object was replaced while it was read"),
        E::Generic { store, .. } if ON_THE_NETWORK.contains(store) => judge_answer(&text),
        _ => Fault::Fatal(Kind::Failure, "see the message of the store"),
    }
}

fn judge_answer(text: &str) -> Fault {
    let refused = text.contains("code: 4") || text.contains("code: 501");
    if refused && !TRANSIENT.iter().any(|code| text.contains(code)) {
        return Fault::Fatal(Kind::Failure, "see the answer of the store");
    }
    Fault::Transient
}

/// Our error for a call that will not be tried again.
pub(super) fn fatal(error: &object_store::Error, doing: &str) -> Error {
    let (kind, hint) = match judge(error) {
        Fault::Fatal(kind, hint) => (kind, hint),
        Fault::Transient => (Kind::TryAgain, before_the_next_run(error)),
    };
    Error::new(kind, doing).hint(hint).caused_by(told(error))
}

/// What the search for the credentials of a cloud's machine says.
const CREDENTIALS: &[&str] = &["Error getting credentials", "failed to get IMDS", "169.254.169.254"];

fn lacks_credentials(text: &str) -> bool {
    CREDENTIALS.iter().any(|code| text.contains(code))
}

/// What kind of store was asked.
fn scheme(error: &object_store::Error) -> Scheme {
    match error {
        object_store::Error::Generic { store: "GCS", .. } => Scheme::Gs,
        object_store::Error::Generic { store: "MicrosoftAzure", .. } => Scheme::Az,
        _ => Scheme::S3,
    }
}

/// What went wrong, once: `object_store` says it at each of its layers.
pub(super) fn told(error: &object_store::Error) -> String {
    let text = whole_text(error);
    if let Some(answer) = answer(&text) {
        return answer;
    }
    let texts = texts(error);
    if lacks_credentials(&text) {
        return format!(
            "no credentials are set, and this machine's own are not to be had: {}",
            without_repetitions(&texts)
        );
    }
    let innermost = texts.last().map_or("", String::as_str);
    match endpoint(&text) {
        Some(endpoint) if text.contains(TUNNEL) => {
            format!("{endpoint} cannot be reached through the proxy: {}", innermost.trim_start_matches(TUNNEL))
        }
        Some(endpoint) if text.contains("(Connect)") => {
            format!("{endpoint} cannot be reached: {}", names_alone(innermost))
        }
        Some(endpoint) => format!("no answer of {endpoint}: {innermost}"),
        None => without_repetitions(&texts),
    }
}

/// What TLS says of a certificate, without the kind that stands around each of its names.
fn names_alone(text: &str) -> String {
    let mut parts = text.split("DnsName(");
    let before = parts.next().unwrap_or_default().to_owned();
    parts.fold(before, |told, part| told + &part.replacen("\")", "\"", 1))
}

/// Scheme, host and port of the request that failed without an answer.
fn endpoint(text: &str) -> Option<String> {
    let end = ["error sending request", STILL].iter().find_map(|unanswered| text.find(unanswered))?;
    let (_, request) = text[..end].rsplit_once("Error performing ")?;
    let url = url::Url::parse(request.split(' ').nth(1)?).ok()?;
    Some(url.origin().ascii_serialization())
}

/// The texts of a chain, without those that hold the next one.
fn without_repetitions(texts: &[String]) -> String {
    let holds_next = |at: usize| texts.get(at + 1).is_some_and(|next| texts[at].contains(next.as_str()));
    let kept = texts.iter().enumerate().filter(|(at, _)| !holds_next(*at)).map(|(_, text)| text.as_str());
    kept.collect::<Vec<_>>().join(": ")
}

/// Whether the endpoint's host name has no address.
pub(super) fn is_unresolved(error: &object_store::Error) -> bool {
    whole_text(error).contains("dns error")
}

/// What the server said, without the XML around it.
fn answer(text: &str) -> Option<String> {
    let between = |from: &str, to: &str| Some(text.split_once(from)?.1.split_once(to)?.0.trim().to_owned());
    let code = between("<Code>", "</Code>")?;
    let status = between("status code: ", ": ").unwrap_or_default();
    let message = between("<Message>", "</Message>").unwrap_or_default();
    // Azure adds a line each for the request's id and its time.
    let message = message.lines().next().unwrap_or_default();
    Some(format!("the store answered {status} ({code}): {message}"))
}

/// The status of the server's answer, where it is an error that `object_store` has no name for.
pub(super) fn status(error: &object_store::Error) -> Option<u16> {
    let text = whole_text(error);
    // The latter of one among several that Azure deletes.
    let (_, status) = ["status code: ", "(code: "].iter().find_map(|before| text.split_once(before))?;
    status.get(..3)?.parse().ok()
}

/// Whether the server refused the bucket, the key or the request's signature: it would refuse every other call too.
pub(super) fn is_about_the_way(error: &object_store::Error) -> bool {
    let text = whole_text(error);
    WAY.iter().any(|code| text.contains(code))
}

/// Whether the server refused the key, or what it may do.
pub(super) fn is_refusal(error: &object_store::Error) -> bool {
    use object_store::Error as E;
    matches!(error, E::PermissionDenied { .. } | E::Unauthenticated { .. }) || matches!(status(error), Some(401 | 403))
}

/// What every call to a wrong address, or with a wrong key, is answered with.
const WAY: &[&str] = &[
    "NoSuchBucket",
    "RequestTimeTooSkewed",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "ContainerNotFound",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "KeyBasedAuthenticationNotPermitted",
    "invalid_grant",
];

/// Whether the server says that it does not know the multipart upload. Azure knows none: it misses parts that are in an object already.
pub(super) fn is_unknown_upload(error: &object_store::Error) -> bool {
    let text = whole_text(error);
    ["NoSuchUpload", "InvalidBlockList"].iter().any(|code| text.contains(code))
        || matches!(error, object_store::Error::NotFound { .. })
}

/// Whether the server may have done what it was asked for: the call reached it, and no answer came.
pub(super) fn is_unanswered(error: &object_store::Error) -> bool {
    let text = whole_text(error);
    matches!(error, object_store::Error::Generic { store, .. } if ON_THE_NETWORK.contains(store))
        && !["status code: ", "client error (Connect)"].iter().any(|told| text.contains(told))
}

/// Whether the server may be at work on what it was asked for, or have done it, although the call failed.
pub(super) fn may_be_under_way(error: &object_store::Error) -> bool {
    is_unanswered(error) || status(error).is_some_and(|status| status >= 500 && status != 501)
}

/// Whether the store, or the way to it, is in trouble that may pass: then its words are no answer to what was asked.
pub(super) fn is_trouble(error: &object_store::Error) -> bool {
    matches!(judge(error), Fault::Transient)
}

fn whole_text(error: &object_store::Error) -> String {
    texts(error).join(": ")
}

fn texts(error: &object_store::Error) -> Vec<String> {
    let chain = std::iter::successors(Some(error as &dyn StdError), |error| (*error).source());
    chain.map(ToString::to_string).collect()
}
