//! What is tried, and the five answers.

use std::fmt;

use object_store::Error as StoreError;
use serde::Serialize;

use super::super::fault::{ON_THE_NETWORK, status};

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
    /// `If-None-Match: *` keeps what is there.
    CreateOnly,
    /// Of eight who write the same name so at once, one succeeds.
    CreateRace,
    /// An object can be written in parts.
    Multipart,
    /// Completing an upload once more succeeds.
    CompleteAgain,
    /// A part may have the number 10,000.
    PartNumbers,
    /// Open uploads can be listed.
    ListUploads,
    /// An upload can be aborted, and takes no part afterwards.
    Abort,
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
    pub const ALL: [Self; 19] = [
        Self::Write,
        Self::SignedPayload,
        Self::ChecksumCrc64nvme,
        Self::ChecksumSha256,
        Self::CreateOnly,
        Self::CreateRace,
        Self::Multipart,
        Self::CompleteAgain,
        Self::PartNumbers,
        Self::ListUploads,
        Self::Abort,
        Self::Read,
        Self::ReadIfMatch,
        Self::List,
        Self::ListAfter,
        Self::Delete,
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
            Self::CreateOnly => "keep what is there (If-None-Match)",
            Self::CreateRace => "the same for eight at once",
            Self::Multipart => "write in parts",
            Self::CompleteAgain => "complete an upload once more",
            Self::PartNumbers => "take part 10,000",
            Self::ListUploads => "list open uploads",
            Self::Abort => "abort an upload",
            Self::Read => "read by ranges",
            Self::ReadIfMatch => "notice a replaced object (If-Match)",
            Self::List => "list objects",
            Self::ListAfter => "list after a name",
            Self::Delete => "delete an object",
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

/// The answer that an error of the store is.
pub(super) fn answer(error: &StoreError) -> Answer {
    match error {
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
