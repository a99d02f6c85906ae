//! Knows which semicolons end a statement.

use super::class::{Class, class};

/// What a statement has open around the current place: parentheses and the body of an SQL routine.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    parentheses: u32,
    /// One for `BEGIN ATOMIC` and one for each `CASE` inside, because both end with `END`.
    body: u32,
    creates: bool,
    after_begin: bool,
}

impl Nesting {
    /// Whether a semicolon here ends the statement.
    pub(super) fn is_closed(&self) -> bool {
        self.parentheses == 0 && self.body == 0
    }

    /// Takes note of the first word of a statement, in lower case.
    pub(super) fn first_word(&mut self, word: &[u8]) {
        *self = Self { creates: word == b"create", ..Self::default() };
    }

    /// Takes note of a later word.
    ///
    /// Only `BEGIN` directly before `ATOMIC` opens a body: `begin` alone is a name that needs no quotes, and `psql`
    /// itself trips over it. `CASE` and `END` are reserved, so as names they come in quotes; between parentheses they
    /// come in pairs.
    pub(super) fn word(&mut self, word: &[u8]) {
        if self.creates && self.parentheses == 0 {
            match word {
                b"atomic" if self.after_begin && self.body == 0 => self.body = 1,
                b"case" if self.body > 0 => self.body += 1,
                b"end" => self.body = self.body.saturating_sub(1),
                _ => {}
            }
        }
        self.after_begin = word == b"begin";
    }

    /// Takes note of an opening parenthesis, after [`Self::other`].
    pub(super) fn open(&mut self) {
        self.parentheses += 1;
    }

    /// Takes note of a closing parenthesis, after [`Self::other`].
    pub(super) fn close(&mut self) {
        self.parentheses = self.parentheses.saturating_sub(1);
    }

    /// Takes note of bytes that begin nothing.
    pub(super) fn dull(&mut self, bytes: &[u8]) {
        if self.after_begin && bytes.iter().any(|&byte| class(byte) == Class::Other) {
            self.after_begin = false;
        }
    }

    /// Takes note of anything else that is neither white space nor a comment.
    pub(super) fn other(&mut self) {
        self.after_begin = false;
    }
}
