//! Words, strings and signs of layouts and key formats.

use std::ops::Range;

use super::misread::Misread;

/// What an expression is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Letters, digits, `-` and `_`.
    Word(String),
    /// What stands between quotes.
    Quoted(String),
    /// Any other character.
    Sign(char),
    End,
}

/// Reads token by token, one ahead.
pub(super) struct Scanner<'t> {
    subject: &'static str,
    text: &'t str,
    ahead: (Token, Range<usize>),
}

impl<'t> Scanner<'t> {
    /// At the beginning of `text`, which is called `subject` in errors.
    pub(super) fn new(subject: &'static str, text: &'t str) -> Result<Self, Misread> {
        let mut scanner = Self { subject, text, ahead: (Token::End, 0..0) };
        scanner.advance()?;
        Ok(scanner)
    }

    /// What comes next.
    pub(super) fn peek(&self) -> &Token {
        &self.ahead.0
    }

    /// Where that stands.
    pub(super) fn place(&self) -> Range<usize> {
        self.ahead.1.clone()
    }

    /// Whether that is `word`.
    pub(super) fn sees(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Word(found) if found == word)
    }

    /// Takes it.
    pub(super) fn advance(&mut self) -> Result<(Token, Range<usize>), Misread> {
        let next = self.scan(self.ahead.1.end)?;
        Ok(std::mem::replace(&mut self.ahead, next))
    }

    /// Takes a sign if it comes next.
    pub(super) fn take(&mut self, sign: char) -> Result<bool, Misread> {
        let found = *self.peek() == Token::Sign(sign);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Takes a sign that must come next.
    pub(super) fn expect(&mut self, sign: char) -> Result<(), Misread> {
        if self.take(sign)? { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    /// The error of finding anything else than `wanted`.
    pub(super) fn unexpected(&self, wanted: &str) -> Misread {
        let found = match self.peek() {
            Token::End => "the end".to_owned(),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::Quoted(_) => "a text in quotes".to_owned(),
            Token::Word(word) if short(word) => format!("`{word}`"),
            Token::Word(_) => "something else".to_owned(),
        };
        self.misread(self.place(), format!("expected {wanted}, found {found}"))
    }

    /// An error at a place.
    pub(super) fn misread(&self, at: Range<usize>, what: impl Into<String>) -> Misread {
        Misread::new(self.subject, self.text, at, what)
    }

    /// A number from a word.
    pub(super) fn number(&mut self, wanted: &str) -> Result<u32, Misread> {
        let number = match self.peek() {
            Token::Word(word) => word.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.unexpected(wanted))?;
        self.advance()?;
        Ok(number)
    }

    fn scan(&self, from: usize) -> Result<(Token, Range<usize>), Misread> {
        let text = self.text;
        let start = text[from..].find(|c: char| !c.is_whitespace()).map_or(text.len(), |skipped| from + skipped);
        let Some(first) = text[start..].chars().next() else { return Ok((Token::End, start..start)) };
        if first == '"' || first == '\'' {
            return self.quoted(start, first);
        }
        let word = text[start..].find(|c| !in_word(c)).unwrap_or(text.len() - start);
        if word > 0 {
            return Ok((Token::Word(text[start..start + word].to_owned()), start..start + word));
        }
        Ok((Token::Sign(first), start..start + first.len_utf8()))
    }

    fn quoted(&self, start: usize, quote: char) -> Result<(Token, Range<usize>), Misread> {
        let mut content = String::new();
        let mut rest = self.text[start + 1..].char_indices();
        while let Some((at, c)) = rest.next() {
            match c {
                c if c == quote => return Ok((Token::Quoted(content), start..start + 1 + at + 1)),
                '\\' => content.push(self.escaped(start + 1 + at, rest.next())?),
                c => content.push(c),
            }
        }
        Err(self.misread(start..self.text.len(), format!("this text has no closing {quote}")))
    }

    fn escaped(&self, at: usize, escaped: Option<(usize, char)>) -> Result<char, Misread> {
        match escaped {
            Some((_, c @ ('"' | '\'' | '\\'))) => Ok(c),
            Some((_, 'n')) => Ok('\n'),
            Some((_, 'r')) => Ok('\r'),
            Some((_, 't')) => Ok('\t'),
            _ => Err(self.misread(at..at + 1, "unknown escape").hint(r#"known are \" \' \\ \n \r \t"#)),
        }
    }
}

/// As it is written between double quotes.
pub(super) fn in_quotes(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether all of it can stand without quotes.
pub(super) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(in_word)
}

fn in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Whether it can be repeated in an error: no key is so short.
fn short(word: &str) -> bool {
    word.len() <= 16
}
