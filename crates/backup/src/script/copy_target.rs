//! Which table and columns a `COPY … FROM stdin` fills.

use lifeboat_core::{Error, Kind, Result};

use super::name::SqlName;
use super::words::{Word, Words};

/// A `COPY … FROM stdin` statement, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyTarget {
    /// The schema; always there in what `pg_dump` prints.
    pub schema: Option<SqlName>,
    /// The table.
    pub table: SqlName,
    /// The columns in the order of the rows' fields; none for a table without columns.
    pub columns: Vec<SqlName>,
    /// The statement from `COPY` to `;`, as it stands in the script.
    pub statement: Vec<u8>,
}

impl CopyTarget {
    /// Reads a statement that ends with its semicolon; `None` when no rows follow it.
    ///
    /// # Errors
    /// [`Kind::Policy`] for a COPY in a form that `pg_dump` does not print: where its rows end is not known.
    pub fn parse(statement: &[u8]) -> Result<Option<Self>> {
        let mut words = Words::new(statement);
        if !words.next_is(b"copy") || reads_no_rows(words.clone()) {
            return Ok(None);
        }
        let statement = Words::new(statement).rest().trim_ascii_end();
        parse_rows_follow(words, statement).map(Some).ok_or_else(|| not_understood(statement))
    }
}

/// Whether this is a COPY of a query, to somewhere, or from a file or program of the server.
fn reads_no_rows(mut words: Words<'_>) -> bool {
    if words.take_symbol(b'(') {
        return true;
    }
    let named = words.qualified_name().is_some();
    let listed = !words.take_symbol(b'(') || columns(&mut words).is_some();
    named && listed && {
        let is_from = words.clone().next_is(b"from");
        match (words.next(), words.next()) {
            (Some(Word::Bare(to)), _) if to.eq_ignore_ascii_case(b"to") => true,
            (_, Some(Word::Text(_))) => is_from,
            (_, Some(Word::Bare(from))) => is_from && from.eq_ignore_ascii_case(b"program"),
            _ => false,
        }
    }
}

fn parse_rows_follow(mut words: Words<'_>, statement: &[u8]) -> Option<CopyTarget> {
    let (schema, table) = words.qualified_name()?;
    let columns = if words.take_symbol(b'(') { columns(&mut words)? } else { Vec::new() };
    let understood = words.next_is(b"from") && words.next_is(b"stdin") && words.at_end();
    understood.then(|| CopyTarget { schema, table, columns, statement: statement.to_vec() })
}

/// The names up to the closing parenthesis.
fn columns(words: &mut Words<'_>) -> Option<Vec<SqlName>> {
    let mut columns = vec![words.name()?];
    while words.take_symbol(b',') {
        columns.push(words.name()?);
    }
    words.next_is_symbol(b')').then_some(columns)
}

fn not_understood(statement: &[u8]) -> Error {
    let text = String::from_utf8_lossy(&statement[..statement.len().min(TEXT_BYTES_MAX)]).into_owned();
    Error::new(Kind::Policy, format!("read {text:?} as one of pg_dump's COPY statements")).hint(TRUST)
}

const TEXT_BYTES_MAX: usize = 200;
const TRUST: &str =
    "pg_dump writes no such COPY: a script that somebody else wrote is run by psql as it is, with --trust-script";
