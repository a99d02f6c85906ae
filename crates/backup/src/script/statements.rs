//! Cuts a range of SQL that is already in memory into statements.

use lifeboat_core::{Error, Kind, Result};

use super::copy_target::CopyTarget;
use super::scan::{End, Scanner};
use super::token::StatementKind;
use super::words::Words;

/// One statement of a range, with the comments before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The statement as it stands in the script, with the white space and comments before it.
    pub text: &'a [u8],
    /// What it is.
    pub kind: StatementKind,
}

impl<'a> Statement<'a> {
    /// The statement without the white space and comments before it.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        Words::new(self.text).rest()
    }

    /// The name of a psql command without its backslash: `restrict`, `connect`, `!`.
    #[must_use]
    pub fn meta_command(&self) -> Option<&'a [u8]> {
        if self.kind != StatementKind::MetaCommand {
            return None;
        }
        let command = self.body().strip_prefix(b"\\")?;
        let len = command.iter().position(u8::is_ascii_whitespace).unwrap_or(command.len());
        Some(&command[..len])
    }

    /// The table that rows follow for, of a [`StatementKind::CopyBegin`].
    #[must_use]
    pub fn copy_target(&self) -> Option<CopyTarget> {
        CopyTarget::parse(self.body()).ok().flatten()
    }
}

/// Cuts a range of the script that holds no rows into statements: the texts together are the range, exactly.
///
/// A range that follows rows begins with the line `\.`; one that stands before rows ends with `COPY … FROM stdin;`
/// and its newline. What breaks this, or ends inside a statement, is an error of [`Kind::Integrity`], after which
/// nothing follows.
#[derive(Debug)]
pub struct Statements<'a> {
    range: &'a [u8],
    rest: &'a [u8],
    scanner: Scanner,
}

impl<'a> Statements<'a> {
    /// The statements of `range`.
    #[must_use]
    pub fn new(range: &'a [u8]) -> Self {
        Self { range, rest: range, scanner: Scanner::default() }
    }

    fn cut(&mut self) -> Result<Statement<'a>> {
        let is_first = self.rest.len() == self.range.len();
        let (used, end) = self.scanner.scan(self.rest)?;
        let (text, rest) = self.rest.split_at(used);
        self.rest = rest;
        let kind = match end {
            None => self.scanner.finish().map(|_| StatementKind::Blank)?,
            Some(End::Statement) => StatementKind::Sql,
            Some(End::MetaCommand) => StatementKind::MetaCommand,
            Some(End::Copy(_)) if rest.is_empty() => StatementKind::CopyBegin,
            Some(End::Terminator) if is_first => StatementKind::CopyEnd,
            Some(End::Copy(_) | End::Terminator) => return Err(holds_rows()),
        };
        Ok(Statement { text, kind })
    }
}

impl<'a> Iterator for Statements<'a> {
    type Item = Result<Statement<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let statement = self.cut();
        if statement.is_err() {
            self.rest = b"";
        }
        Some(statement)
    }
}

fn holds_rows() -> Error {
    Error::new(Kind::Integrity, "read statements from a range of the script that holds rows")
}
