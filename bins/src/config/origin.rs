//! Where a setting's value comes from: what `config show` prints beside it.

use std::fmt;
use std::ops::Range;

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An option of the command line, such as `--store`.
    Flag(&'static str),
    /// An environment variable.
    Env(&'static str),
    /// The configuration file: bytes of it, and the line for people.
    File { span: Range<usize>, line: usize },
    /// Nobody.
    Default,
}

/// A value and who set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sourced<T> {
    /// The value.
    pub(crate) value: T,
    /// Who set it.
    pub(crate) origin: Origin,
}

impl<T> Sourced<T> {
    /// A value that nobody set.
    pub(crate) fn default_of(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Env(name) => f.write_str(name),
            Self::File { line, .. } => write!(f, "line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}
