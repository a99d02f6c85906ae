//! What is wrong with a layout, a key format or an AAD template, and at which place of it.

use std::fmt;
use std::ops::Range;

use lifeboat_core::{Error, Kind};

/// An expression that could not be read. It never repeats more of the expression than a short word, for people put secrets
/// in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// What was being read, such as "layout".
    pub(super) subject: &'static str,
    /// The bytes at fault. Empty at the end of the text.
    pub(super) at: Range<usize>,
    /// How many characters stand before them.
    pub(super) characters: usize,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

impl Misread {
    pub(super) fn new(subject: &'static str, text: &str, at: Range<usize>, what: impl Into<String>) -> Self {
        let characters = text.get(..at.start).map_or(0, |before| before.chars().count());
        Self { subject, at, characters, what: what.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The bytes at fault, for a configuration that points at them. Empty at the end of the text.
    #[must_use]
    pub fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What can be done about it.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read the {} at character {}: {}", self.subject, self.characters + 1, self.what)
    }
}

impl std::error::Error for Misread {}

impl From<Misread> for Error {
    fn from(misread: Misread) -> Self {
        let error = Self::new(Kind::Config, misread.to_string());
        match misread.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}
