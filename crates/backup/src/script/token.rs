//! What the lexer tells its consumer.

use super::copy_target::CopyTarget;

/// A piece of a script, in order: the bytes of all [`Token::Sql`] and [`Token::Rows`] together are the input, exactly.
///
/// Between two slices at most two bytes are held back: a `\` or `\.` that may begin the end of the rows.
#[derive(Debug)]
pub enum Token<'a> {
    /// SQL text, comments and psql commands; may begin and end anywhere.
    Sql(&'a [u8]),
    /// A statement, a psql command or a `\.` line ended with the last byte given: the script may be cut here.
    ///
    /// White space and comments after it belong to the next statement. A `COPY … FROM stdin` ends with
    /// [`Token::CopyBegin`] instead.
    StatementEnd(StatementKind),
    /// `COPY … FROM stdin;` and its newline ended with the last byte given: rows follow.
    CopyBegin(CopyTarget),
    /// Rows, each ended by a newline. A row is split between two tokens only where the input was split: a token that
    /// does not end with a newline is continued by the next.
    Rows(&'a [u8]),
    /// The rows ended with the last byte given; the line `\.` follows as [`Token::Sql`].
    CopyEnd,
}

/// What a statement is to someone who runs the script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatementKind {
    /// A statement for the server.
    Sql,
    /// White space and comments only: the end of a range.
    Blank,
    /// A line for psql, such as `\restrict KEY`.
    MetaCommand,
    /// `COPY … FROM stdin;` with its newline: rows follow.
    CopyBegin,
    /// The line `\.` that ends rows.
    CopyEnd,
}

/// Whether a script says that it is complete, with no statement after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trailer {
    /// It does not: the script was cut, or is not the work of `pg_dump`.
    Missing,
    /// `pg_dump` finished.
    Database,
    /// `pg_dumpall` finished.
    Cluster,
}

impl Trailer {
    /// Whether the tool that wrote the script says that it finished.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self != Self::Missing
    }
}
