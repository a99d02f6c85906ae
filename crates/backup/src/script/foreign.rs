//! What a script says that `pg_dump` of one database did not necessarily write: what reaches beyond the database, and which
//! roles and extensions it needs.

use super::name::SqlName;
use super::words::{Word, Words};

/// Why a statement is none of a dump of one database, in a few words; `None` for every other.
#[must_use]
pub fn beyond_the_database(statement: &[u8]) -> Option<&'static str> {
    let mut words = Words::new(statement);
    let first = bare(words.next()?)?;
    let second = words.next().and_then(bare).unwrap_or_default();
    let third = words.next().and_then(bare).unwrap_or_default();
    match (first.as_slice(), second.as_slice(), third.as_slice()) {
        (b"create" | b"drop" | b"alter", b"database", _) => Some("it is about a whole database"),
        (b"create" | b"drop" | b"alter", b"user", b"mapping") => None,
        (b"create" | b"drop" | b"alter", b"role" | b"user" | b"group" | b"tablespace", _)
        | (b"alter", b"system", _) => Some("it is about the whole server"),
        (b"set" | b"reset", b"role", _) | (b"set" | b"reset", b"session", b"authorization") => {
            Some("it changes who runs what follows")
        }
        (b"copy", ..) => Some("it reads or writes a file, a program or a query"),
        (b"rollback" | b"abort" | b"savepoint" | b"release" | b"prepare" | b"start" | b"end", ..)
        | (b"commit", b"and" | b"prepared", _)
        | (b"commit", _, b"and") => Some("it controls transactions"),
        _ => None,
    }
}

/// What a statement is to a transaction of the script's own: `pg_dump` begins them for the contents of large objects alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// It begins one.
    Begins,
    /// It commits it.
    Commits,
    /// It writes a large object, which takes several statements in one transaction.
    WritesLargeObject,
    /// It has no need of one.
    Other,
}

impl Transaction {
    /// Reads a statement that is [none beyond the database](beyond_the_database).
    #[must_use]
    pub fn of(statement: &[u8]) -> Self {
        let mut words = Words::new(statement);
        let first = words.next().and_then(bare).unwrap_or_default();
        match first.as_slice() {
            b"begin" => Self::Begins,
            b"commit" => Self::Commits,
            b"select" if calls_large_object(words) => Self::WritesLargeObject,
            _ => Self::Other,
        }
    }
}

fn calls_large_object(mut words: Words<'_>) -> bool {
    words.next_is(b"pg_catalog")
        && words.next_is_symbol(b'.')
        && [&b"lo_open"[..], b"lowrite", b"lo_close"].iter().any(|function| next_is(words.clone(), function))
}

/// Whether a statement makes or drops a whole database, which no database is asked to do with itself.
#[must_use]
pub fn makes_or_drops_a_database(statement: &[u8]) -> bool {
    let mut words = Words::new(statement);
    let first = words.next().and_then(bare).unwrap_or_default();
    matches!(first.as_slice(), b"create" | b"drop") && words.next_is(b"database")
}

/// The roles that a statement gives something to, takes something from, or speaks for, without `PUBLIC` and the roles that every
/// server has. A statement in a form that `pg_dump` does not print may have others.
#[must_use]
pub fn roles_named(statement: &[u8]) -> Vec<SqlName> {
    let mut words = Words::new(statement);
    let first = words.next().and_then(bare).unwrap_or_default();
    match first.as_slice() {
        b"grant" => behind(words, &[b"to"]),
        b"revoke" => behind(words, &[b"from"]),
        b"alter" if is_default_privileges(words.clone()) => {
            let mut roles = behind(words.clone(), &[b"role"]);
            roles.extend(behind(words, &[b"to", b"from"]));
            roles
        }
        b"alter" => owner(words),
        b"create" if next_is(words.clone(), b"policy") => behind(words, &[b"to"]),
        b"create" if next_is(words.clone(), b"schema") => behind(words, &[b"authorization"]),
        _ => Vec::new(),
    }
}

/// The extension that a statement creates, and the schema it names for it.
#[must_use]
pub fn created_extension(statement: &[u8]) -> Option<(SqlName, Option<SqlName>)> {
    let mut words = Words::new(statement);
    (words.next_is(b"create") && words.next_is(b"extension")).then_some(())?;
    let mut ahead = words.clone();
    if ahead.next_is(b"if") && ahead.next_is(b"not") && ahead.next_is(b"exists") {
        words = ahead;
    }
    let name = words.name()?;
    let schema = words.next_is(b"with").then(|| words.next_is(b"schema").then(|| words.name()).flatten()).flatten();
    Some((name, schema))
}

/// The names in the list behind the first of these keywords outside of parentheses.
fn behind(mut words: Words<'_>, keywords: &[&[u8]]) -> Vec<SqlName> {
    let mut depth = 0_u32;
    loop {
        match words.next() {
            None => return Vec::new(),
            Some(Word::Symbol(b'(')) => depth += 1,
            Some(Word::Symbol(b')')) => depth = depth.saturating_sub(1),
            Some(Word::Bare(word))
                if depth == 0 && keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(word)) =>
            {
                return names(words);
            }
            Some(_) => {}
        }
    }
}

fn names(mut words: Words<'_>) -> Vec<SqlName> {
    let mut found = Vec::new();
    loop {
        let is_public = next_is(words.clone(), b"public");
        let Some(name) = words.name() else { return found };
        if !is_public && !name.as_bytes().starts_with(b"pg_") {
            found.push(name);
        }
        if !words.take_symbol(b',') {
            return found;
        }
    }
}

/// The name behind the `OWNER TO` that ends a statement.
fn owner(mut words: Words<'_>) -> Vec<SqlName> {
    loop {
        let mut ahead = words.clone();
        if ahead.next_is(b"owner") && ahead.next_is(b"to") {
            let list = names(ahead.clone());
            if ahead.name().is_some() && ahead.ends_here() {
                return list;
            }
        }
        if words.next().is_none() {
            return Vec::new();
        }
    }
}

fn is_default_privileges(mut words: Words<'_>) -> bool {
    words.next_is(b"default") && words.next_is(b"privileges")
}

fn next_is(mut words: Words<'_>, keyword: &[u8]) -> bool {
    words.next_is(keyword)
}

fn bare(word: Word<'_>) -> Option<Vec<u8>> {
    match word {
        Word::Bare(word) => Some(word.to_ascii_lowercase()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Transaction, beyond_the_database, created_extension, makes_or_drops_a_database, roles_named};

    #[test]
    fn what_reaches_beyond_the_database_is_told() {
        for statement in [
            "CREATE DATABASE shop WITH TEMPLATE = template0;",
            "-- c\ndrop  database shop;",
            "ALTER DATABASE shop OWNER TO x;",
            "CREATE ROLE x;",
            "ALTER USER x PASSWORD 'y';",
            "ALTER SYSTEM SET fsync = off;",
            "SET SESSION AUTHORIZATION 'x';",
            "COPY t TO PROGRAM 'sh';",
            "ROLLBACK;",
            "COMMIT AND CHAIN;",
            "commit work and chain;",
            "COMMIT PREPARED 'x';",
        ] {
            assert!(beyond_the_database(statement.as_bytes()).is_some(), "{statement}");
            let another = statement.contains("DATABASE shop WITH") || statement.contains("drop");
            assert_eq!(makes_or_drops_a_database(statement.as_bytes()), another, "{statement}");
        }
        for statement in [
            "CREATE TABLE database (user int);",
            "ALTER TABLE \"database\" ADD x int;",
            "CREATE USER MAPPING FOR x SERVER y;",
            "SET statement_timeout = 0;",
            "BEGIN;",
            "COMMIT;",
            "ALTER TABLE t OWNER TO x;",
        ] {
            assert!(beyond_the_database(statement.as_bytes()).is_none(), "{statement}");
        }
    }

    #[test]
    fn a_transaction_is_seen_to_begin_and_to_end() {
        for (statement, expected) in [
            ("-- c\nBEGIN;", Transaction::Begins),
            ("begin isolation level serializable;", Transaction::Begins),
            ("COMMIT;", Transaction::Commits),
            ("SELECT pg_catalog.lo_open('16401', 131072);", Transaction::WritesLargeObject),
            ("SELECT pg_catalog.lo_open(pg_catalog.lo_create('16401'), 131072);", Transaction::WritesLargeObject),
            ("SELECT pg_catalog.lowrite(0, '\\x01');", Transaction::WritesLargeObject),
            ("SELECT pg_catalog.lo_close(0);", Transaction::WritesLargeObject),
            ("SELECT pg_catalog.lo_create('16401');", Transaction::Other),
            ("SELECT pg_catalog.setval('s', 1);", Transaction::Other),
            ("CREATE TABLE commit (begin int);", Transaction::Other),
        ] {
            assert_eq!(Transaction::of(statement.as_bytes()), expected, "{statement}");
        }
    }

    #[test]
    fn roles_of_owners_grants_and_policies_are_read() {
        let read = |statement: &str| {
            roles_named(statement.as_bytes()).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(read("ALTER FUNCTION public.f(a int) OWNER TO \"My App\";"), "My App");
        assert_eq!(
            read("-- c\nGRANT SELECT(a),INSERT ON TABLE public.t TO App, PUBLIC, \"b c\" WITH GRANT OPTION;"),
            "app b c"
        );
        assert_eq!(read("REVOKE ALL ON SCHEMA public FROM PUBLIC;"), "");
        assert_eq!(read("GRANT SELECT ON t TO pg_monitor;"), "");
        let default = "ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA s GRANT SELECT ON TABLES TO b;";
        assert_eq!(read(default), "a b");
        assert_eq!(read("CREATE POLICY p ON public.t FOR SELECT TO a, b USING ((x = 'to c'));"), "a b");
        assert_eq!(read("CREATE SCHEMA s AUTHORIZATION o;"), "o");
        assert_eq!(read("ALTER TABLE t ALTER COLUMN a SET DEFAULT 'x OWNER TO y;';"), "");
    }

    #[test]
    fn an_extension_is_read_with_its_schema() {
        let read = |statement: &str| {
            created_extension(statement.as_bytes())
                .map(|(name, schema)| (name.to_string(), schema.map(|s| s.to_string())))
        };
        let full = "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public;";
        assert_eq!(read(full), Some(("uuid-ossp".into(), Some("public".into()))));
        assert_eq!(read("CREATE EXTENSION hstore;"), Some(("hstore".into(), None)));
        assert_eq!(read("CREATE TABLE extension (a int);"), None);
    }
}
