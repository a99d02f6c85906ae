//! Reads a whole statement word by word, for the few statements that are understood.

use super::name::SqlName;

/// A word of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<'a> {
    /// A keyword, a name without quotes or a number, as written.
    Bare(&'a [u8]),
    /// A name between quotes, without them; quotes inside are still doubled.
    Quoted(&'a [u8]),
    /// A plain text between quotes, without them; quotes inside are still doubled.
    Text(&'a [u8]),
    /// Any other byte.
    Symbol(u8),
}

/// The words of a statement, without white space and comments.
#[derive(Clone, Debug)]
pub(super) struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    pub(super) fn new(statement: &'a [u8]) -> Self {
        Self { rest: statement }
    }

    /// What is left, from the next word on.
    pub(super) fn rest(mut self) -> &'a [u8] {
        self.skip_blank();
        self.rest
    }

    /// Takes the next word; whether it is this keyword, given in lower case.
    pub(super) fn next_is(&mut self, keyword: &[u8]) -> bool {
        matches!(self.next(), Some(Word::Bare(word)) if word.eq_ignore_ascii_case(keyword))
    }

    /// Takes the next word; whether it is this symbol.
    pub(super) fn next_is_symbol(&mut self, symbol: u8) -> bool {
        self.next() == Some(Word::Symbol(symbol))
    }

    /// Takes the next word if it is this symbol.
    pub(super) fn take_symbol(&mut self, symbol: u8) -> bool {
        let mut ahead = self.clone();
        let found = ahead.next_is_symbol(symbol);
        if found {
            *self = ahead;
        }
        found
    }

    /// Takes the next word as a name.
    pub(super) fn name(&mut self) -> Option<SqlName> {
        match self.next()? {
            Word::Bare(name) => Some(SqlName::new(name.to_ascii_lowercase())),
            Word::Quoted(name) => Some(SqlName::new(undouble(name, b'"'))),
            _ => None,
        }
    }

    /// Takes a name with or without its schema.
    pub(super) fn qualified_name(&mut self) -> Option<(Option<SqlName>, SqlName)> {
        let first = self.name()?;
        if self.take_symbol(b'.') { Some((Some(first), self.name()?)) } else { Some((None, first)) }
    }

    /// Whether nothing but the end of the statement is left.
    pub(super) fn at_end(mut self) -> bool {
        self.next_is_symbol(b';') && self.next().is_none()
    }

    /// Whether nothing is left but the semicolon that may end a statement.
    pub(super) fn ends_here(mut self) -> bool {
        self.take_symbol(b';');
        self.next().is_none()
    }

    fn skip_blank(&mut self) {
        loop {
            self.rest = self.rest.trim_ascii_start();
            match self.rest {
                [b'-', b'-', ..] => self.skip(self.rest.iter().position(|b| matches!(b, b'\n' | b'\r'))),
                [b'/', b'*', ..] => self.skip(block_comment_len(self.rest)),
                [0x0b, ..] => self.skip(Some(1)), // a vertical tab is white space to Postgres, not to `trim_ascii`
                _ => return,
            }
        }
    }

    fn skip(&mut self, len: Option<usize>) {
        self.rest = &self.rest[len.unwrap_or(self.rest.len())..];
    }

    fn split(&mut self, len: usize) -> &'a [u8] {
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        word
    }

    /// Takes what stands between the quote at the front and its end; a text without end ends with the statement.
    fn quoted(&mut self, quote: u8) -> &'a [u8] {
        self.skip(Some(1));
        let mut end = 0;
        while end < self.rest.len() && (self.rest[end] != quote || self.rest.get(end + 1) == Some(&quote)) {
            end += if self.rest[end] == quote { 2 } else { 1 };
        }
        let inside = self.split(end);
        self.skip(Some(self.rest.len().min(1)));
        inside
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        self.skip_blank();
        Some(match *self.rest.first()? {
            b'"' => Word::Quoted(self.quoted(b'"')),
            b'\'' => Word::Text(self.quoted(b'\'')),
            byte if is_word_byte(byte) && byte != b'$' => {
                let len = self.rest.iter().position(|&b| !is_word_byte(b)).unwrap_or(self.rest.len());
                Word::Bare(self.split(len))
            }
            symbol => {
                self.skip(Some(1));
                Word::Symbol(symbol)
            }
        })
    }
}

/// Whether a byte may stand inside a name without quotes; those above 127 belong to letters.
pub(super) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// The text that a quoted text stands for.
pub(super) fn undouble(inside: &[u8], quote: u8) -> Vec<u8> {
    let mut text = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(&byte) = bytes.next() {
        text.push(byte);
        if byte == quote {
            bytes.next();
        }
    }
    text
}

fn block_comment_len(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0);
    loop {
        match text.get(at..at + 2)? {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}
