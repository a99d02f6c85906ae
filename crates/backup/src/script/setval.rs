//! Reads where a sequence was.

use super::name::SqlName;
use super::recognise::{next_bool, next_is_call};
use super::words::{Word, Words, undouble};

/// What `SELECT pg_catalog.setval('schema.sequence', value, is_called);` sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setval {
    /// The sequence's schema; always there in what `pg_dump` prints.
    pub schema: Option<SqlName>,
    /// The sequence.
    pub sequence: SqlName,
    /// Its value.
    pub value: i64,
    /// Whether the value was already handed out.
    pub is_called: bool,
}

/// The sequence and value of a `setval` statement; `None` for every other statement.
#[must_use]
pub fn setval(statement: &[u8]) -> Option<Setval> {
    let mut words = Words::new(statement);
    if !next_is_call(&mut words, b"setval") {
        return None;
    }
    let Some(Word::Text(name)) = words.next() else { return None };
    let (schema, sequence) = qualified_name(&undouble(name, b'\''))?;
    let value = next_argument(&mut words, number)?;
    let is_called = next_argument(&mut words, next_bool)?;
    (words.next_is_symbol(b')') && words.at_end()).then_some(Setval { schema, sequence, value, is_called })
}

/// A name with or without its schema, and nothing else, as SQL reads it.
#[must_use]
pub fn qualified_name(text: &[u8]) -> Option<(Option<SqlName>, SqlName)> {
    let mut words = Words::new(text);
    let name = words.qualified_name()?;
    words.next().is_none().then_some(name)
}

fn next_argument<'a, T>(words: &mut Words<'a>, read: fn(&mut Words<'a>) -> Option<T>) -> Option<T> {
    if words.next_is_symbol(b',') { read(words) } else { None }
}

fn number(words: &mut Words<'_>) -> Option<i64> {
    let sign = if words.take_symbol(b'-') { "-" } else { "" };
    let Word::Bare(digits) = words.next()? else { return None };
    format!("{sign}{}", std::str::from_utf8(digits).ok()?).parse().ok()
}
