//! What became of one value.

use std::fmt;

use super::stored::Stored;

/// What re-encryption made of a value.
#[derive(Debug)]
pub enum Outcome {
    /// It opened with another enabled key, and this is to be written in its place: proven to open with the primary key
    /// to the same plaintext.
    Rotated(Stored),
    /// It opens with the primary key: nothing is to be written.
    AlreadyNew,
    /// It did not open: nothing is to be written.
    Unopened(Unopened),
}

impl Outcome {
    /// Its name in reports: one of seven.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rotated(_) => "rotated",
            Self::AlreadyNew => "already new",
            Self::Unopened(why) => why.name(),
        }
    }

    /// Whether the old key must not be given up because of this value.
    #[must_use]
    pub fn keeps_finalize_closed(&self) -> bool {
        !matches!(self, Self::Rotated(_) | Self::AlreadyNew | Self::Unopened(Unopened::Empty))
    }
}

/// Why a value did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// It is NULL or empty, or the JSON document has nothing at that place.
    Empty,
    /// It does not look like anything the layout writes: somebody stored it unencrypted.
    Plaintext,
    /// It names a key that is not among those at hand.
    UnknownKey,
    /// It has the layout's form, and no key at hand opens it: another key, another AAD, or damage. Without a key id in the
    /// value these cannot be told apart.
    FailedAuthentication,
    /// It looks like the layout, and is not: the reason, without a part of the value.
    Malformed(&'static str),
}

impl Unopened {
    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Plaintext => "plaintext",
            Self::UnknownKey => "unknown key",
            Self::FailedAuthentication => "failed authentication",
            Self::Malformed(_) => "malformed",
        }
    }
}

impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "malformed: {why}"),
            other => f.write_str(other.name()),
        }
    }
}

impl std::error::Error for Unopened {}
