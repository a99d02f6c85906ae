//! What is tried, and the five answers.

use std::fmt;

use object_store::Error as StoreError;
use serde::Serialize;

use super::super::fault::{ON_THE_NETWORK, is_trouble, status};

/// Something that a store may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// An object can be written.
    Write,
    /// Bytes that changed on the way are refused, by the signature over them.
    SignedPayload,
    /// The same, by a CRC-64/NVME.
    ChecksumCrc64nvme,
    /// The same, by a SHA-256.
    ChecksumSha256,
    /// Bytes that no signature covers are taken.
    UnsignedPayload,
    /// What is said of an object beside its bytes is kept with it.
    Metadata,
    /// `If-None-Match: *` keeps what is there.
    CreateOnly,
    /// Of eight who write the same name so at once, one succeeds.
    CreateRace,
    /// An object can be written in parts.
    Multipart,
    /// Completing an upload once more succeeds.
    CompleteAgain,
    /// Parts may differ in size.
    UnequalParts,
    /// A part may have the number 10,000.
    PartNumbers,
    /// Open uploads can be listed.
    ListUploads,
    /// An upload can be aborted, and takes no part afterwards.
    Abort,
    /// Aborting once more says that the upload is gone.
    AbortAgain,
    /// An object can be read by ranges.
    Read,
    /// A reader is refused an object that was replaced meanwhile.
    ReadIfMatch,
    /// Objects can be listed.
    List,
    /// A listing can begin after a name.
    ListAfter,
    /// An object can be deleted.
    Delete,
    /// A deleted object is gone, and not only hidden.
    DeleteFrees,
    /// What is hidden can be deleted by its version.
    DeleteVersion,
    /// The bucket keeps what is overwritten or deleted.
    Versioning,
    /// The bucket can lock objects.
    ObjectLock,
    /// A rule of the bucket aborts uploads that were left open.
    AbortRule,
}

/// What came of trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It works.
    Ok,
    /// This key may not.
    Denied,
    /// The store says that it does not do this.
    Unsupported,
    /// The store says yes and does not do it.
    Ignored,
    /// Nobody knows.
    Inconclusive,
}

impl Behaviour {
    /// Every one, in the order in which they are tried.
    pub const ALL: [Self; 25] = [
        Self::Write,
        Self::SignedPayload,
        Self::ChecksumCrc64nvme,
        Self::ChecksumSha256,
        Self::UnsignedPayload,
        Self::Metadata,
        Self::CreateOnly,
        Self::CreateRace,
        Self::Multipart,
        Self::CompleteAgain,
        Self::UnequalParts,
        Self::PartNumbers,
        Self::ListUploads,
        Self::Abort,
        Self::AbortAgain,
        Self::Read,
        Self::ReadIfMatch,
        Self::List,
        Self::ListAfter,
        Self::Delete,
        Self::DeleteFrees,
        Self::DeleteVersion,
        Self::Versioning,
        Self::ObjectLock,
        Self::AbortRule,
    ];

    /// What is asked, in words.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Write => "write an object",
            Self::SignedPayload => "refuse changed bytes (signature)",
            Self::ChecksumCrc64nvme => "refuse changed bytes (crc64nvme)",
            Self::ChecksumSha256 => "refuse changed bytes (sha256)",
            Self::UnsignedPayload => "take bytes that are not signed",
            Self::Metadata => "keep metadata",
            Self::CreateOnly => "keep what is there (If-None-Match)",
            Self::CreateRace => "the same for eight at once",
            Self::Multipart => "write in parts",
            Self::CompleteAgain => "complete an upload once more",
            Self::UnequalParts => "take parts of unequal size",
            Self::PartNumbers => "take part 10,000",
            Self::ListUploads => "list open uploads",
            Self::Abort => "abort an upload",
            Self::AbortAgain => "abort it once more",
            Self::Read => "read by ranges",
            Self::ReadIfMatch => "notice a replaced object (If-Match)",
            Self::List => "list objects",
            Self::ListAfter => "list after a name",
            Self::Delete => "delete an object",
            Self::DeleteFrees => "let go of what is deleted",
            Self::DeleteVersion => "delete an old version",
            Self::Versioning => "keep old versions",
            Self::ObjectLock => "lock objects",
            Self::AbortRule => "abort old uploads by a rule",
        }
    }
}

impl Answer {
    /// The answer in a word.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Ignored => "ignored",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// The answer that an error of the store is. One that passes, as when there were too many requests, is none.
pub(super) fn answer(error: &StoreError) -> Answer {
    match error {
        trouble if is_trouble(trouble) => Answer::Inconclusive,
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => Answer::Denied,
        StoreError::NotSupported { .. } | StoreError::NotImplemented { .. } => Answer::Unsupported,
        _ => match status(error) {
            // `object_store` has a name for these in some calls only.
            Some(401 | 403) => Answer::Denied,
            Some(400 | 405 | 411 | 415 | 501) => Answer::Unsupported,
            _ => Answer::Inconclusive,
        },
    }
}

/// Whether the store answered, and meant it: what it says of its own troubles is no answer.
pub(super) fn is_answer(error: &StoreError) -> bool {
    match error {
        trouble if is_trouble(trouble) => false,
        StoreError::NotFound { .. }
        | StoreError::AlreadyExists { .. }
        | StoreError::Precondition { .. }
        | StoreError::PermissionDenied { .. }
        | StoreError::Unauthenticated { .. }
        | StoreError::NotSupported { .. }
        | StoreError::NotImplemented { .. } => true,
        // A store without a network has no troubles of that kind.
        StoreError::Generic { store, .. } if !ON_THE_NETWORK.contains(store) => true,
        _ => status(error).is_some_and(|status| status < 500 || status == 501),
    }
}

#[cfg(test)]
mod tests {
    use object_store::Error as StoreError;

    use super::{Answer, answer, is_answer};

    fn said(status: &str) -> StoreError {
        StoreError::Generic { store: "S3", source: format!("Server returned non-2xx status code: {status}").into() }
    }

    #[test]
    fn a_store_that_is_asked_too_much_has_neither_refused_nor_agreed() {
        for troubled in [
            "429 Too Many Requests: <Code>TooManyRequests</Code>",
            "408 Request Timeout: ",
            "503 Service Unavailable: <Code>SlowDown</Code>",
            "400 Bad Request: <Code>RequestTimeout</Code>",
            "500 Internal Server Error: ",
        ] {
            assert_eq!(
                (answer(&said(troubled)), is_answer(&said(troubled))),
                (Answer::Inconclusive, false),
                "{troubled}"
            );
        }
        for (meant, told) in [
            ("400 Bad Request: <Code>InvalidArgument</Code>", Answer::Unsupported),
            ("501 Not Implemented: ", Answer::Unsupported),
            ("403 Forbidden: ", Answer::Denied),
        ] {
            assert_eq!((answer(&said(meant)), is_answer(&said(meant))), (told, true), "{meant}");
        }
    }
}
