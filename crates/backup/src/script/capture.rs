//! Keeps the text of the few statements that say how the script goes on.

use lifeboat_core::{Error, Kind, Result};

use super::copy_target::CopyTarget;
use super::words::{Word, Words};

/// The text of a statement, as long as it may be a `COPY` or a `SET`; all others are not kept.
#[derive(Debug, Default)]
pub(super) struct Capture {
    text: Vec<u8>,
    dropped: bool,
}

impl Capture {
    /// Begins with the first byte of a statement.
    pub(super) fn begin(&mut self) {
        self.text.clear();
        self.dropped = false;
    }

    /// Decides by the statement's first word, in lower case, or empty if it begins with none, whether its text is kept.
    pub(super) fn first_word(&mut self, word: &[u8]) {
        self.dropped = !matches!(word, b"copy" | b"set");
    }

    /// Adds the next piece of the statement.
    pub(super) fn extend(&mut self, piece: &[u8]) -> Result<()> {
        if self.dropped {
            return Ok(());
        }
        if self.text.len() + piece.len() > STATEMENT_BYTES_MAX {
            return Err(Error::new(Kind::Integrity, "find the end of a COPY or SET statement within 1 MiB"));
        }
        self.text.extend_from_slice(piece);
        Ok(())
    }

    /// Ends the statement: the table whose rows follow, if any do.
    pub(super) fn end(&mut self) -> Result<Option<CopyTarget>> {
        if self.dropped {
            return Ok(None);
        }
        check_setting(&self.text)?;
        CopyTarget::parse(&self.text)
    }
}

/// Refuses settings under which quotes end elsewhere than this lexer believes.
fn check_setting(statement: &[u8]) -> Result<()> {
    let mut words = Words::new(statement);
    if !words.next_is(b"set") {
        return Ok(());
    }
    if sets(words.clone(), b"standard_conforming_strings", &[b"off", b"false", b"no", b"0"]) {
        return Err(Error::new(Kind::Failure, "read a script with standard_conforming_strings off")
            .hint("dump again with standard_conforming_strings on, the default since Postgres 9.1"));
    }
    if sets(words, b"client_encoding", UNSAFE_ENCODINGS) {
        return Err(Error::new(Kind::Failure, "read a script in an encoding that hides quotes in its characters")
            .hint("dump again with --encoding=UTF8"));
    }
    Ok(())
}

/// Whether the words name this setting and, after that, one of these values.
fn sets(mut words: Words<'_>, setting: &[u8], values: &[&[u8]]) -> bool {
    words.any(|word| is_one_of(word, &[setting])) && words.any(|word| is_one_of(word, values))
}

fn is_one_of(word: Word<'_>, known: &[&[u8]]) -> bool {
    let (Word::Bare(word) | Word::Text(word)) = word else { return false };
    known.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Client encodings whose multi-byte characters may contain ASCII bytes; no server uses them.
const UNSAFE_ENCODINGS: &[&[u8]] = &[b"SJIS", b"SHIFT_JIS_2004", b"BIG5", b"GBK", b"UHC", b"GB18030", b"JOHAB"];

/// Far above the longest COPY: 1,600 columns with names of 63 bytes, all quoted and doubled, are 200 KiB.
const STATEMENT_BYTES_MAX: usize = 1 << 20;
