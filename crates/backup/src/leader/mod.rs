//! The leader: our session beside pg_dump, which holds the snapshot and the locks.
//!
//! Invariant: what is dumped is the state of one moment. The leader exports its snapshot, locks the tables it found, and
//! then checks that none of them was truncated or rewritten in between: pg_dump alone would dump such a table as empty
//! and exit with 0.

mod catalog;
mod facts;
mod locks;
mod name_list;
mod properties;
mod relations;
mod sequences;
mod tables;
mod watch;

use std::time::Duration;

use lifeboat_core::catalog::Catalog;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt};
use serde::Deserialize;

pub use catalog::{read_catalog, unread_classes};
pub(crate) use facts::Facts;
pub(crate) use properties::{database_sql, read_database_named, statements as property_statements, template_statement};
pub(crate) use relations::{SourceRelation, account_for};
pub(crate) use sequences::SequenceValue;
pub(crate) use tables::{LoadedInto, SourceTable};
pub(crate) use watch::{Bounds, Watch};

use crate::postgres::{Session, decode, quote_literal, rows};
use properties::Properties;

/// Settings of every session that prints rows, which pg_dump does not set itself. With those it sets (`DateStyle`,
/// `IntervalStyle`, `extra_float_digits`) they make the text of a row a function of the row. And the limit of a role for its
/// applications: pg_dumpall leaves it on.
pub(crate) const PINNED_SETTINGS: &[(&str, &str)] =
    &[("TimeZone", "UTC"), ("bytea_output", "hex"), ("lc_monetary", "C"), ("statement_timeout", "0")];

/// All settings under which rows are printed, as the index records them.
pub(crate) const ROW_SETTINGS: &[(&str, &str)] = &[
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "3"),
    ("lc_monetary", "C"),
    // Values such as a regclass are names: pg_dump quotes all of them, as it is told to.
    ("quote_all_identifiers", "on"),
    ("search_path", ""),
];

/// The session that holds a database's snapshot and locks, and what it read under them.
pub(crate) struct Leader {
    session: Box<dyn Session>,
    /// The exported snapshot, for `--snapshot`.
    pub(crate) snapshot: String,
    pub(crate) facts: Facts,
    pub(crate) relations: Vec<SourceRelation>,
    pub(crate) properties: Properties,
}

impl Leader {
    /// Takes the run's lock, the snapshot and the tables' locks.
    ///
    /// # Errors
    /// [`Kind::Locked`] when another run holds the database; [`Kind::TryAgain`] when a table stays locked by others,
    /// who are named; [`Kind::Database`] without the right to read a table.
    pub(crate) async fn open(mut session: Box<dyn Session>, job: &Job, lock_timeout: Duration) -> Result<Self> {
        take_run_lock(&mut *session).await?;
        let mut attempt = 1;
        loop {
            job.step("take a snapshot and lock its tables");
            match Self::begin(&mut *session, lock_timeout).await {
                Ok((snapshot, facts, relations)) => {
                    let properties = properties::read_properties(&mut *session).await?;
                    return Ok(Self { session, snapshot, facts, relations, properties });
                }
                Err(error) if error.kind() == Kind::TryAgain && attempt < SNAPSHOT_TRIES => {
                    job.warn(&format!("{}; starting anew with a fresh snapshot", error.chain()));
                    session.execute("ROLLBACK").await?;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
            job.check()?;
        }
    }

    async fn begin(session: &mut dyn Session, lock_timeout: Duration) -> Result<(String, Facts, Vec<SourceRelation>)> {
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let snapshot = value(session, "SELECT pg_catalog.pg_export_snapshot()").await?;
        let facts = facts::read(session).await?;
        if facts.major() < OLDEST_MAJOR {
            return Err(Error::new(Kind::Database, format!("back up a server of version {}", facts.major()))
                .hint(format!("Lifeboat backs up PostgreSQL {OLDEST_MAJOR} and later")));
        }
        let relations = relations::read(session).await?;
        locks::lock(session, &relations, lock_timeout).await?;
        locks::refuse_replaced_tables(session, &relations).await?;
        locks::refuse_changed_columns(session, &relations).await?;
        locks::refuse_hidden_rows(session, &relations).await?;
        Ok((snapshot, facts, relations))
    }

    /// The definitions of the database's objects, under the snapshot, and a warning when some could not be read.
    pub(crate) async fn catalog(&mut self) -> Result<(Catalog, Option<String>)> {
        let catalog = read_catalog(&mut *self.session).await?;
        let unread = unread_classes(&catalog);
        let warning = format!("the catalog lacks what the role may not read: {}", unread.join(", "));
        Ok((catalog, (!unread.is_empty()).then_some(warning)))
    }

    /// The tables whose rows are dumped.
    pub(crate) async fn tables(&mut self) -> Result<Vec<SourceTable>> {
        tables::read(&mut *self.session, &self.relations).await
    }

    /// The values of sequences, as they are now: to be read after the last row.
    pub(crate) async fn sequence_values(&mut self) -> Result<Vec<SequenceValue>> {
        sequences::read(&mut *self.session, &self.relations).await
    }

    /// The extension that keeps rows of its tables where COPY of those tables does not find them, if there is one.
    pub(crate) fn extension_that_forbids_copy(&self) -> Option<&str> {
        let mut names = self.properties.extensions.iter().map(|extension| extension.name.as_str());
        names.find(|name| FORBID_COPY.contains(name))
    }

    /// Why `pg_dumpall` cannot dump the roles, where it cannot: catalogs that it reads and this role may not.
    pub(crate) async fn unreadable_roles(&mut self) -> Result<Option<String>> {
        Ok(self.session.text(UNREADABLE_ROLES).await?.filter(|told| !told.is_empty()))
    }

    /// How many more connections the server, the database and the role allow.
    pub(crate) async fn free_connections(&mut self) -> Result<i64> {
        let free = value(&mut *self.session, FREE_CONNECTIONS).await?;
        free.parse().kind_of(Kind::Failure, || format!("read the number of free connections: {free}"))
    }

    /// Texts in the database's encoding, as its script has them.
    pub(crate) async fn encode(&mut self, texts: &[String]) -> Result<Vec<Vec<u8>>> {
        if matches!(self.facts.encoding.as_str(), "UTF8" | "SQL_ASCII") || texts.iter().all(|text| text.is_ascii()) {
            return Ok(texts.iter().map(|text| text.clone().into_bytes()).collect());
        }
        let list: Vec<_> = texts.iter().map(|text| quote_literal(text)).collect();
        let query = format!(
            "SELECT encode(convert_to(t, {}), 'hex') AS text FROM unnest(ARRAY[{}]::text[]) WITH ORDINALITY AS a (t, n) ORDER BY n",
            quote_literal(&self.facts.encoding),
            list.join(", ")
        );
        let encoded: Vec<Encoded> = rows(&mut *self.session, &query).await?;
        let bytes = |row: Encoded| hex::decode(row.text).kind_of(Kind::Failure, || "read encoded names".into());
        encoded.into_iter().map(bytes).collect()
    }

    /// Texts that are in the database's encoding, converted by the server: it knows every encoding it stores.
    pub(crate) async fn decode(&mut self, texts: &[&[u8]]) -> Result<Vec<String>> {
        decode(&mut *self.session, &self.facts.encoding, texts).await
    }

    /// Proves that the tables were held, and bore their names, while rows were read: to be called after the last row.
    ///
    /// # Errors
    /// [`Kind::Database`] when the session was lost: others may have truncated what nobody held. [`Kind::TryAgain`] when a
    /// schema was renamed.
    pub(crate) async fn prove_held(&mut self) -> Result<()> {
        let proven = locks::refuse_renamed_tables(&mut *self.session, &self.relations).await;
        proven.map_err(|error| error.while_doing("make sure that the tables were held to the end"))
    }
}

#[derive(Deserialize)]
struct Encoded {
    text: String,
}

async fn value(session: &mut dyn Session, query: &str) -> Result<String> {
    let found = session.text(query).await?;
    found.ok_or_else(|| Error::new(Kind::Database, format!("read the answer of {}: it is empty", session.via())))
}

async fn take_run_lock(session: &mut dyn Session) -> Result<()> {
    let taken = value(session, &format!("SELECT pg_catalog.pg_try_advisory_lock({RUN_LOCK})")).await?;
    if taken == "t" {
        return Ok(());
    }
    Err(Error::new(Kind::Locked, format!("back up {}: another run holds it", session.via()))
        .hint("wait for the other run, or end it"))
}

/// What `pg_dumpall --globals-only --no-role-passwords` reads, as far as this version of the server has it.
const UNREADABLE_ROLES: &str = "
SELECT 'the backup holds no roles: ' || current_user || ' may not read ' || string_agg(c.relname, ', ' ORDER BY c.relname COLLATE \"C\")
       || '; create them before a restore, or restore with --roles stub or --roles skip'
FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace
  AND c.relname IN ('pg_roles', 'pg_auth_members', 'pg_tablespace', 'pg_db_role_setting', 'pg_parameter_acl', 'pg_shseclabel')
  AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')";
/// Their tables are made of others: rows by chunks, shards and columns.
const FORBID_COPY: &[&str] = &["timescaledb", "citus"];
/// A limit of -1 is none. Superusers have neither the database's nor the role's limit, and need none of what is theirs alone.
/// What kind other roles' sessions are is hidden from most roles: those of a database are taken for clients' then.
const FREE_CONNECTIONS: &str = "
SELECT least(
    current_setting('max_connections')::int
        - (SELECT coalesce(sum(setting::int), 0) FROM pg_settings
           WHERE name IN ('superuser_reserved_connections', 'reserved_connections'))
        - (SELECT count(*) FROM pg_stat_activity WHERE coalesce(backend_type = 'client backend', datid IS NOT NULL)),
    (SELECT CASE WHEN datconnlimit < 0 OR r.rolsuper THEN 1000000 ELSE datconnlimit END
        - (SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND coalesce(a.backend_type = 'client backend', true))
     FROM pg_database d WHERE datname = current_database()),
    CASE WHEN r.rolconnlimit < 0 OR r.rolsuper THEN 1000000 ELSE r.rolconnlimit END
        - (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid AND a.backend_type = 'client backend'))::text
FROM pg_roles r WHERE rolname = session_user";
const SNAPSHOT_TRIES: u32 = 3;
const OLDEST_MAJOR: u32 = 12;
/// An advisory lock of the database; the number is "lifeboat" in ASCII.
const RUN_LOCK: i64 = i64::from_be_bytes(*b"lifeboat");
