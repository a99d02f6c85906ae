//! Looks at every statement of a script that somebody else made, before anybody runs one.
//!
//! Invariant: what passes is a dump of one database, and complete as far as pg_dump says so: nothing in it talks to psql, to
//! another database or to the server as a whole.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_core::{Error, Kind, Result};

use crate::foreign::opened_by_hand;
use crate::script::{
    CopyTarget, SqlName, Statement, StatementKind, Trailer, Transaction, beyond_the_database, created_extension,
    makes_or_drops_a_database, roles_named,
};

/// What a script needs, and how it was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vetted {
    /// Roles that it gives something to.
    pub(crate) roles: BTreeSet<SqlName>,
    /// Extensions that it creates, and their schemas.
    pub(crate) extensions: BTreeMap<SqlName, Option<SqlName>>,
    /// Whether pg_dump was told to quote all names.
    pub(crate) quotes_all: bool,
    /// Whether rows come as INSERT: there are no fingerprints of them.
    pub(crate) inserts: bool,
}

/// Looks at one script.
#[derive(Debug)]
pub(super) struct Vet {
    /// The line on which the next bytes begin.
    line: u64,
    found: Vetted,
    /// The line in which the transaction begins that is open. What is in one that nobody commits is gone with the session, and other
    /// sessions see nothing of it until then.
    begun: Option<u64>,
}

impl Default for Vet {
    fn default() -> Self {
        Self { line: 1, found: Vetted::default(), begun: None }
    }
}

impl Vet {
    /// Looks at a statement, with the comments before it.
    pub(super) fn statement(&mut self, kind: StatementKind, text: &[u8]) -> Result<()> {
        let statement = Statement { text, kind };
        match (kind, statement.meta_command()) {
            (StatementKind::MetaCommand, Some(b"restrict" | b"unrestrict")) => {}
            (StatementKind::MetaCommand, Some(b"connect" | b"c")) => {
                return Err(self.refuse(&statement, "psql would connect to another database").hint(WITHOUT_CREATE));
            }
            (StatementKind::MetaCommand, _) => return Err(self.refuse(&statement, "it is a command for psql")),
            (StatementKind::Sql, _) => self.sql(&statement)?,
            _ => {}
        }
        self.line += newlines(text);
        Ok(())
    }

    /// Looks at a `COPY … FROM stdin`, with the comments before it.
    pub(super) fn copy(&mut self, target: &CopyTarget, text: &[u8]) -> Result<()> {
        let statement = Statement { text, kind: StatementKind::CopyBegin };
        if let Some(begun) = self.begun {
            return Err(self.refuse_within(&statement, begun));
        }
        if target.schema.is_none() {
            return Err(self.refuse(
                &statement,
                "its table has no schema, as pg_dump wrote before 2018: its place depends on settings",
            ));
        }
        self.found.quotes_all |= statement_quotes_all(&target.statement);
        self.line += newlines(text);
        Ok(())
    }

    /// Counts rows.
    pub(super) fn rows(&mut self, rows: u64) {
        self.line += rows;
    }

    /// Where the lexer is, more or less.
    pub(super) fn place(&self) -> String {
        format!("read the script from line {} on", self.line)
    }

    /// What was found in a complete script.
    pub(super) fn end(self, trailer: Trailer) -> Result<Vetted> {
        match (trailer, self.begun) {
            (Trailer::Database, None) => Ok(self.found),
            (Trailer::Database, Some(begun)) => Err(Error::new(
                Kind::Policy,
                format!("take the script: the transaction that begins in line {begun} is never committed"),
            )
            .hint(WITHOUT_TRANSACTION)),
            (Trailer::Cluster, _) => Err(of_cluster(&[])),
            (Trailer::Missing, _) => Err(Error::new(Kind::Integrity, "find the last line of pg_dump, \"PostgreSQL database dump complete\"")
                .hint("the dump is cut: use another one; a script that pg_dump did not write is run by psql with --trust-script")),
        }
    }

    fn sql(&mut self, statement: &Statement<'_>) -> Result<()> {
        let body = statement.body();
        if let Some(why) = beyond_the_database(body) {
            let error = self.refuse(statement, why);
            return Err(if makes_or_drops_a_database(body) { error.hint(WITHOUT_CREATE) } else { error });
        }
        self.transaction(statement)?;
        self.found.roles.extend(roles_named(body));
        self.found.extensions.extend(created_extension(body));
        self.found.inserts |= body.get(..11).is_some_and(|head| head.eq_ignore_ascii_case(b"INSERT INTO"));
        Ok(())
    }

    fn transaction(&mut self, statement: &Statement<'_>) -> Result<()> {
        match (Transaction::of(statement.body()), self.begun) {
            (Transaction::Begins, None) => self.begun = Some(self.line_of(statement)),
            (Transaction::Commits, _) => self.begun = None,
            (Transaction::Begins | Transaction::Other, Some(begun)) => return Err(self.refuse_within(statement, begun)),
            (Transaction::WritesLargeObject, None) => {
                return Err(self
                    .refuse(statement, "it writes a large object outside of a transaction")
                    .hint(LARGE_OBJECTS));
            }
            (Transaction::WritesLargeObject, Some(_)) | (Transaction::Other, None) => {}
        }
        Ok(())
    }

    fn refuse_within(&self, statement: &Statement<'_>, begun: u64) -> Error {
        let why = format!("it is within the transaction that begins in line {begun}");
        self.refuse(statement, &why).hint(WITHOUT_TRANSACTION)
    }

    fn line_of(&self, statement: &Statement<'_>) -> u64 {
        self.line + newlines(&statement.text[..statement.text.len() - statement.body().len()])
    }

    /// Its first words only: what follows may be a password.
    fn refuse(&self, statement: &Statement<'_>, why: &str) -> Error {
        let (body, line) = (statement.body(), self.line_of(statement));
        let words = String::from_utf8_lossy(body);
        let shown = if statement.kind == StatementKind::MetaCommand { 1 } else { 3 };
        let words: Vec<_> = words.split_whitespace().take(shown).collect();
        Error::new(Kind::Policy, format!("take line {line} of the script, {}: {why}", words.join(" "))).hint(TRUST)
    }
}

/// The refusal of what pg_dumpall made, in a file of these forms. Trust changes nothing: psql would fill databases of the file's
/// choice, and not the one that was asked for.
pub(crate) fn of_cluster(forms: &[&str]) -> Error {
    Error::new(Kind::Policy, "read a dump of a whole cluster, by pg_dumpall").hint(format!(
        "have pg_dump make one of each database; where its server is gone, run the file into a new one ({}) and have pg_dump make them there",
        by_psql(forms)
    ))
}

/// The command line that has psql run a file of these forms.
fn by_psql(forms: &[&str]) -> String {
    let opened = opened_by_hand(forms);
    opened.map_or_else(|| "psql -X -d postgres < FILE".into(), |opened| format!("{opened} | psql -X -d postgres"))
}

fn newlines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

/// A name in quotes that needs none.
fn statement_quotes_all(copy: &[u8]) -> bool {
    let quoted = copy.get(5..).and_then(|rest| rest.strip_prefix(b"\"")).unwrap_or_default();
    let end = quoted.iter().position(|byte| *byte == b'"').unwrap_or(0);
    end > 0 && quoted[..end].iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_')
}

const TRUST: &str =
    "with --trust-script psql runs the whole script as it is, whatever it does to this host and the server";
const WITHOUT_TRANSACTION: &str = "take BEGIN and COMMIT out of the script: with --create nothing of it stays where it fails; or with --trust-script \
    psql runs the whole script as it is, whatever it does to this host and the server";
/// psql would fail on it too.
const LARGE_OBJECTS: &str = "have pg_restore make the script again, without --single-transaction: then it prints a BEGIN and a COMMIT around \
    the contents of large objects, which stay there";
/// Trusted, it cannot fill the database that was asked for.
const WITHOUT_CREATE: &str = "have pg_dump make it without --create (-C): with --trust-script psql would drop and fill the database \
    that the script names, whatever is in it; where you want that, run the script by psql yourself";

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::{Vet, by_psql};
    use crate::script::{Lexer, Token};

    /// The refusal of a script, or nothing.
    fn refusal(script: &str) -> Option<(Kind, String)> {
        let (mut vet, mut statement) = (Vet::default(), Vec::new());
        let mut lexer = Lexer::new();
        let pushed = lexer.push(script.as_bytes(), &mut |token| match token {
            Token::Sql(bytes) => {
                statement.extend_from_slice(bytes);
                Ok(())
            }
            Token::StatementEnd(kind) => vet.statement(kind, &std::mem::take(&mut statement)),
            Token::CopyBegin(target) => vet.copy(&target, &std::mem::take(&mut statement)),
            Token::Rows(rows) => {
                vet.rows(rows.iter().filter(|byte| **byte == b'\n').count() as u64);
                Ok(())
            }
            Token::CopyEnd => Ok(()),
        });
        let ended = pushed.and_then(|()| vet.end(lexer.finish()?));
        ended.err().map(|error| (error.kind(), error.to_string()))
    }

    const END: &str = "--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n";

    #[test]
    fn the_very_line_is_told() {
        let script = "--\n-- c\n--\n\n\\restrict abc\nCOPY public.t (a) FROM stdin;\n1\n2\n\\.\n\n\\connect \"dbname=x password=hunter2\"\n";
        let (kind, said) = refusal(&format!("{script}{END}")).unwrap();
        assert_eq!(kind, Kind::Policy);
        assert_eq!(said, "take line 11 of the script, \\connect: psql would connect to another database");
        let (_, said) = refusal(&format!("SELECT 1;\n\n-- c\nCREATE  DATABASE shop\n TEMPLATE x;\n{END}")).unwrap();
        assert_eq!(said, "take line 4 of the script, CREATE DATABASE shop: it is about a whole database");
    }

    #[test]
    fn commands_of_psql_are_refused_whatever_they_are() {
        for line in ["\\! rm -rf /", "\\i other.sql", "\\set x 1", "\\gexec", "\\copy t from 'x'"] {
            assert_eq!(refusal(&format!("{line}\n{END}")).map(|(kind, _)| kind), Some(Kind::Policy), "{line}");
        }
        assert_eq!(refusal(&format!("\\restrict abc\nSELECT '\\! no command';\n{END}")), None);
    }

    #[test]
    fn the_contents_of_large_objects_are_in_a_transaction_of_their_own() {
        let written = "SELECT pg_catalog.lo_open('1', 131072);\nSELECT pg_catalog.lowrite(0, '\\x01');\nSELECT pg_catalog.lo_close(0);\n";
        let created = "SELECT pg_catalog.lo_create('1');\n";
        assert_eq!(refusal(&format!("{created}\nBEGIN;\n\n{written}\nCOMMIT;\n\n{END}")), None);
        let (kind, said) = refusal(&format!("{created}{written}{END}")).unwrap();
        assert_eq!(kind, Kind::Policy);
        let expected = "take line 2 of the script, SELECT pg_catalog.lo_open('1', 131072);: it writes a large object outside of a transaction";
        assert_eq!(said, expected);
    }

    #[test]
    fn psql_gets_what_is_under_every_layer() {
        assert_eq!(by_psql(&["plain"]), "psql -X -d postgres < FILE");
        assert_eq!(by_psql(&["gpg", "gzip", "plain"]), "gpg -d < FILE | gunzip -c | psql -X -d postgres");
    }

    #[test]
    fn a_script_without_its_last_line_is_cut() {
        assert_eq!(refusal("SELECT 1;\n").unwrap().0, Kind::Integrity);
        let cluster = "SELECT 1;\n--\n-- PostgreSQL database cluster dump complete\n--\n";
        assert_eq!(refusal(cluster).unwrap().0, Kind::Policy);
    }
}
