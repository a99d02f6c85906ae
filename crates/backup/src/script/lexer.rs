//! Cuts a whole script into statements and rows.

use lifeboat_core::{Error, Kind, Result};

use super::rows::{RowScanner, TERMINATOR};
use super::scan::{End, Scanner, cut_inside};
use super::token::{StatementKind, Token, Trailer};

/// Cuts a script into SQL and COPY rows, fed in slices of any size; rows are borrowed from the input, never copied.
///
/// It holds the text of the `COPY` statement it is in, up to 1 MiB, and nothing else that grows.
#[derive(Debug, Default)]
pub struct Lexer {
    sql: Scanner,
    rows: RowScanner,
    in_rows: bool,
}

impl Lexer {
    /// A lexer at the start of a script.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next slice of the script, giving `sink` what it holds.
    ///
    /// # Errors
    /// The sink's; [`Kind::Integrity`] for what `pg_dump` does not print; [`Kind::Failure`] for settings under which
    /// quotes mean something else. After an error the lexer is of no more use.
    pub fn push(&mut self, input: &[u8], sink: &mut impl FnMut(Token<'_>) -> Result<()>) -> Result<()> {
        let mut rest = input;
        while !rest.is_empty() {
            rest = if self.in_rows { self.push_rows(rest, sink)? } else { self.push_sql(rest, sink)? };
        }
        Ok(())
    }

    /// Ends the script. Without this call a cut script goes unnoticed.
    ///
    /// # Errors
    /// [`Kind::Integrity`], naming what is open, when the script ends inside a statement, a quote, a comment or rows.
    pub fn finish(self) -> Result<Trailer> {
        if self.in_rows { Err(cut_inside("the rows of a table")) } else { self.sql.finish() }
    }

    fn push_sql<'a>(&mut self, input: &'a [u8], sink: &mut impl FnMut(Token<'_>) -> Result<()>) -> Result<&'a [u8]> {
        let (used, end) = self.sql.scan(input)?;
        let (sql, rest) = input.split_at(used);
        sink(Token::Sql(sql))?;
        match end {
            None => {}
            Some(End::Statement) => sink(Token::StatementEnd(StatementKind::Sql))?,
            Some(End::MetaCommand) => sink(Token::StatementEnd(StatementKind::MetaCommand))?,
            Some(End::Terminator) => return Err(Error::new(Kind::Integrity, "read a line \\. that ends no rows")),
            Some(End::Copy(target)) => {
                self.in_rows = true;
                sink(Token::CopyBegin(*target))?;
            }
        }
        Ok(rest)
    }

    fn push_rows<'a>(&mut self, input: &'a [u8], sink: &mut impl FnMut(Token<'_>) -> Result<()>) -> Result<&'a [u8]> {
        let found = self.rows.scan(input);
        for rows in [found.held, found.rows] {
            if !rows.is_empty() {
                sink(Token::Rows(rows))?;
            }
        }
        let Some(rest) = found.after_end else { return Ok(b"") };
        self.in_rows = false;
        sink(Token::CopyEnd)?;
        sink(Token::Sql(TERMINATOR))?;
        sink(Token::StatementEnd(StatementKind::CopyEnd))?;
        Ok(rest)
    }
}
