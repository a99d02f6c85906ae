//! The one error type of the libraries.
//!
//! Policy: the kind says what the operator does next, the text is a verb phrase that says what we were doing
//! ("read the manifest of shop/20261121T021700Z-7f3a9c"), the source is attached once and printed once, by the
//! binary. A text never holds a secret.

use std::error::Error as StdError;
use std::fmt;

/// What the operator does next; each kind has one exit code, and new kinds may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Read the message; nothing more specific is known.
    Failure,
    /// Correct the arguments.
    Usage,
    /// Part of the run succeeded; the run record says which.
    Partial,
    /// Correct the name of the store or the backup.
    NotFound,
    /// Wait for the other run, or end it.
    Locked,
    /// Supply the key that opens this backup.
    WrongKey,
    /// Look at the database server, the network or the credentials.
    Database,
    /// Install the right Postgres client tools.
    Tool,
    /// Do not trust these bytes; use another backup.
    Integrity,
    /// Decide: the request was refused, and the message names the option that allows it.
    Policy,
    /// Run again later.
    TryAgain,
    /// Correct the configuration.
    Config,
    /// Nothing: the run was cancelled.
    Cancelled,
}

impl Kind {
    /// The exit code of a program that ends with this kind of error: a contract, listed in the README.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::NotFound => 10,
            Self::Locked => 11,
            Self::WrongKey => 12,
            Self::Database => 20,
            Self::Tool => 21,
            Self::Integrity => 30,
            Self::Policy => 40,
            Self::TryAgain => 75,
            Self::Config => 78,
            // As by SIGTERM; a program that was ended by SIGINT says 130.
            Self::Cancelled => 143,
        }
    }

    /// The kind's name in JSON and run records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Usage => "usage",
            Self::Partial => "partial",
            Self::NotFound => "not_found",
            Self::Locked => "locked",
            Self::WrongKey => "wrong_key",
            Self::Database => "database",
            Self::Tool => "tool",
            Self::Integrity => "integrity",
            Self::Policy => "policy",
            Self::TryAgain => "try_again",
            Self::Config => "config",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with a [`Kind`], the action that failed, an optional hint and the cause.
///
/// `Display` gives the action alone; walk [`StdError::source`] for the chain.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    doing: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error that starts here: `doing` is a lower-case phrase without a full stop.
    pub fn new(kind: Kind, doing: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, doing: doing.into(), hint: None, source: None }))
    }

    /// Attaches the cause, printed after this error's own text.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Attaches what the operator can do about it: a sentence without a full stop.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Says what we were doing when this error came up, keeping its kind.
    #[must_use]
    pub fn while_doing(self, doing: impl Into<String>) -> Self {
        Self::new(self.kind(), doing).caused_by(self)
    }

    /// What the operator does next.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The first hint along the chain of our own errors.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        match &self.0.hint {
            Some(hint) => Some(hint),
            None => self.0.source.as_deref()?.downcast_ref::<Self>()?.help(),
        }
    }

    /// The whole chain on one line, for logs and run records.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.doing)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind(), self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Attaches kind and context to foreign errors, and context to our own.
pub trait ResultExt<T> {
    /// Turns a foreign error into ours.
    fn kind_of(self, kind: Kind, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Box<dyn StdError + Send + Sync>>> ResultExt<T> for Result<T, E> {
    fn kind_of(self, kind: Kind, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::new(kind, doing()).caused_by(source))
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Kind};

    #[test]
    fn the_chain_names_every_step_once() {
        let error = Error::new(Kind::Integrity, "check the digest of dump-0000.sql.gz")
            .hint("restore another backup")
            .while_doing("verify shop/latest");
        assert_eq!(error.chain(), "verify shop/latest: check the digest of dump-0000.sql.gz");
        assert_eq!(error.kind(), Kind::Integrity);
        assert_eq!(error.help(), Some("restore another backup"));
    }
}
