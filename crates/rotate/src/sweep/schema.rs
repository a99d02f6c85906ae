//! The schema `lifeboat_rotate`: what is known of rotations, in the database that they are in.
//!
//! Format 1. `rotation` has a row for each rotation of a column, open until `finished` is set; `part` how far the pass of an
//! open one has come; `shadow_<rotation>` the old and the new values of a staged one.

use lifeboat_backup::postgres::{DirectSession, Session as _, quote_ident, quote_literal, rows};
use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

/// The only one so far.
const FORMAT: u32 = 1;

/// Creates what is missing, and refuses a role that may not write what is there.
pub(super) async fn ensure(session: &mut DirectSession) -> Result<()> {
    let Some(book) = book(session).await? else { return create(session).await };
    book.refuse_unless(book.writable, "write in")?;
    refuse_newer(session).await
}

/// Whether there is something to read.
pub(super) async fn exists(session: &mut DirectSession) -> Result<bool> {
    let Some(book) = book(session).await? else { return Ok(false) };
    book.refuse_unless(book.readable, "read")?;
    refuse_newer(session).await?;
    Ok(true)
}

/// Whether this role may not even read it.
pub(super) async fn is_closed(session: &mut DirectSession) -> Result<bool> {
    Ok(book(session).await?.is_some_and(|book| !book.readable))
}

async fn refuse_newer(session: &mut DirectSession) -> Result<()> {
    let found = session.text("SELECT format FROM lifeboat_rotate.format").await;
    let found = found.map_err(|error| error.while_doing("read the schema lifeboat_rotate"))?;
    let format = found.unwrap_or_default();
    if format.parse() == Ok(FORMAT) {
        return Ok(());
    }
    Err(Error::new(Kind::Policy, format!("use the schema lifeboat_rotate, which has the format {format}"))
        .hint("another version of Lifeboat made it: use that one"))
}

/// What a role may do with the tables that are there.
#[derive(Deserialize)]
struct Book {
    role: String,
    owner: String,
    is_superusers: bool,
    readable: bool,
    writable: bool,
}

impl Book {
    fn refuse_unless(&self, may: bool, what: &str) -> Result<()> {
        if may {
            return Ok(());
        }
        Err(Error::new(Kind::Policy, format!("{what} the schema lifeboat_rotate")).hint(self.refusal()))
    }

    /// A member of a superuser may become one: no application's role is to be made that.
    fn refusal(&self) -> String {
        let Self { owner, role, .. } = self;
        if self.is_superusers {
            return format!("it belongs to {owner}, a superuser: connect as that role");
        }
        let (granted, to) = (quote_ident(owner), quote_ident(role));
        format!("it belongs to {owner}: connect as that role, or let an administrator run GRANT {granted} TO {to}")
    }
}

/// Asked of the catalog, which needs no right to the schema.
async fn book(session: &mut DirectSession) -> Result<Option<Book>> {
    let may = |what| format!("pg_catalog.bool_and(pg_catalog.has_table_privilege(t.oid, '{what}'))");
    let change = format!("{} AND {} AND {}", may("INSERT"), may("UPDATE"), may("DELETE"));
    let query = format!(
        "SELECT current_user AS role, pg_catalog.pg_get_userbyid(c.relowner) AS owner, \
             (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.oid = c.relowner) AS is_superusers, \
             may.read AS readable, may.read AND may.change AND pg_catalog.has_schema_privilege(n.oid, 'CREATE') AS writable \
         FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'format' \
         CROSS JOIN LATERAL (SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND {} AS read, {change} AS change \
             FROM pg_catalog.pg_class t WHERE t.relnamespace = n.oid AND t.relname IN ('format', 'rotation', 'part')) AS may \
         WHERE n.nspname = 'lifeboat_rotate'",
        may("SELECT")
    );
    Ok(rows(session, &query).await?.pop())
}

async fn create(session: &mut DirectSession) -> Result<()> {
    if let Some(refusal) = refusal(session).await? {
        return Err(Error::new(Kind::Policy, "create the schema lifeboat_rotate").hint(refusal));
    }
    session.execute(SCHEMA).await.map_err(|error| error.while_doing("create the schema lifeboat_rotate"))
}

/// The rotation's schema, or the reason why there can be none.
pub(super) async fn impossible(session: &mut DirectSession) -> Result<Option<String>> {
    match book(session).await? {
        Some(book) => {
            Ok((!book.writable).then(|| format!("the schema lifeboat_rotate cannot be used: {}", book.refusal())))
        }
        None => refusal(session).await,
    }
}

/// Why this role cannot create what is missing, and what the owner of the database can do about it.
async fn refusal(session: &mut DirectSession) -> Result<Option<String>> {
    let query = "SELECT current_user AS role, pg_catalog.current_database() AS database, \
                 pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS database_rights, \
                 n.oid IS NOT NULL AS there, \
                 coalesce(pg_catalog.has_schema_privilege(n.oid, 'CREATE, USAGE'), false) AS schema_rights \
                 FROM (SELECT) AS one LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'lifeboat_rotate'";
    let Some(rights) = rows::<Rights>(session, query).await?.pop() else { return Ok(None) };
    let role = quote_ident(&rights.role);
    Ok(match rights {
        Rights { there: true, schema_rights: true, .. } | Rights { there: false, database_rights: true, .. } => None,
        Rights { there: true, .. } => {
            Some(format!("let the owner of the schema run: GRANT USAGE, CREATE ON SCHEMA lifeboat_rotate TO {role}"))
        }
        Rights { database, .. } => {
            Some(format!("let an administrator run in {database}: CREATE SCHEMA lifeboat_rotate AUTHORIZATION {role}"))
        }
    })
}

#[derive(Deserialize)]
struct Rights {
    role: String,
    database: String,
    database_rights: bool,
    there: bool,
    schema_rights: bool,
}

/// The schema may be there already, made by an administrator for this role.
const SCHEMA: &str = "
BEGIN;
DO $$ BEGIN
    IF pg_catalog.to_regnamespace('lifeboat_rotate') IS NULL THEN CREATE SCHEMA lifeboat_rotate; END IF;
END $$;
CREATE TABLE lifeboat_rotate.format (format pg_catalog.int4 NOT NULL);
INSERT INTO lifeboat_rotate.format VALUES (1);
CREATE TABLE lifeboat_rotate.rotation (
    id pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schema_name pg_catalog.text NOT NULL,
    table_name pg_catalog.text NOT NULL,
    columns pg_catalog.text[] NOT NULL,
    relation pg_catalog.oid NOT NULL,
    relations pg_catalog.oid[] NOT NULL,
    layout pg_catalog.text NOT NULL,
    aad pg_catalog.text NOT NULL,
    mode pg_catalog.text NOT NULL,
    direction pg_catalog.text NOT NULL,
    phase pg_catalog.text NOT NULL,
    old_key pg_catalog.text NOT NULL,
    new_key pg_catalog.text NOT NULL,
    old_id pg_catalog.text,
    new_id pg_catalog.text,
    pass pg_catalog.int4 NOT NULL DEFAULT 1,
    rotated pg_catalog.int8 NOT NULL DEFAULT 0,
    unopened pg_catalog.int8 NOT NULL DEFAULT 0,
    broken pg_catalog.int8,
    had_triggers pg_catalog.bool NOT NULL,
    accepted pg_catalog.jsonb NOT NULL DEFAULT '[]',
    started pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    updated pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    finished pg_catalog.timestamptz
);
CREATE UNIQUE INDEX ON lifeboat_rotate.rotation (schema_name, table_name, columns) WHERE finished IS NULL;
CREATE TABLE lifeboat_rotate.part (
    rotation pg_catalog.int8 NOT NULL REFERENCES lifeboat_rotate.rotation ON DELETE CASCADE,
    number pg_catalog.int4 NOT NULL,
    relation pg_catalog.oid NOT NULL,
    filenode pg_catalog.int8 NOT NULL,
    position pg_catalog.text,
    rotated pg_catalog.int8 NOT NULL DEFAULT 0,
    seen pg_catalog.int8 NOT NULL DEFAULT 0,
    updated pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (rotation, number)
) WITH (fillfactor = 50);
COMMIT";

/// One run at a time works on a database.
pub(super) async fn lock(session: &mut DirectSession) -> Result<bool> {
    Ok(session.text(&format!("SELECT pg_catalog.pg_try_advisory_lock({LOCK})")).await?.as_deref() == Some("t"))
}

/// Whether a run is at work.
pub(super) async fn is_locked(session: &mut DirectSession) -> Result<bool> {
    let (class, object) = LOCK.split_once(", ").unwrap_or_default();
    let query = format!(
        "SELECT count(*) > 0 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND classid = {class} AND objid = {object} \
         AND objsubid = 2 AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = {})",
        quote_literal(&session.settings().dbname)
    );
    Ok(session.text(&query).await?.as_deref() == Some("t"))
}

/// "life" and "boat", as numbers.
const LOCK: &str = "1818846821, 1651466612";
