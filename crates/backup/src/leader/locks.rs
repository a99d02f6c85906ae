//! Locks the tables that will be dumped, and finds those that were replaced before the lock.

use std::time::Duration;

use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

use super::SourceRelation;
use crate::postgres::sqlstate::{
    INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE, OUT_OF_MEMORY, UNDEFINED_SCHEMA, UNDEFINED_TABLE,
};
use crate::postgres::{Session, quote_ident, rows, sqlstate_of};

/// Takes ACCESS SHARE on every table whose rows are dumped, a batch at a time.
///
/// # Errors
/// [`Kind::TryAgain`] when others hold or wait for a table longer than `timeout`; they are named.
pub(super) async fn lock(session: &mut dyn Session, relations: &[SourceRelation], timeout: Duration) -> Result<()> {
    let names: Vec<_> = relations.iter().filter(|relation| relation.is_locked()).map(qualified).collect();
    // Zero would be no limit.
    session.execute(&format!("SET LOCAL lock_timeout = {}", timeout.as_millis().max(1))).await?;
    for batch in names.chunks(TABLES_PER_BATCH) {
        let statement = format!("LOCK TABLE {} IN ACCESS SHARE MODE", batch.join(", "));
        if let Err(error) = session.execute(&statement).await {
            return Err(explain(session, error, relations).await);
        }
    }
    session.execute("SET LOCAL lock_timeout = 0").await
}

/// Refuses a snapshot some of whose tables were truncated, rewritten or replaced before they were locked: under it they
/// would be read as empty. A table that is gone has no file, so the comparison must not end in NULL.
pub(super) async fn refuse_replaced_tables(session: &mut dyn Session, relations: &[SourceRelation]) -> Result<()> {
    let tables = relations.iter().filter(|relation| relation.is_locked() && relation.kind == "r");
    let replaced = "c.relfilenode <> 0 AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)";
    match those(session, tables, replaced).await? {
        None => Ok(()),
        Some(tables) => Err(Error::new(
            Kind::TryAgain,
            format!("dump {tables}: truncated or rewritten between the snapshot and the lock"),
        )
        .hint("run again, apart from the jobs that truncate or rewrite these tables")),
    }
}

/// Refuses a snapshot some of whose columns were renamed or dropped before their tables were locked: rows would be read
/// by names that mean other columns by then. What `pg_identify_object` prints is what a column is called now.
pub(super) async fn refuse_changed_columns(session: &mut dyn Session, relations: &[SourceRelation]) -> Result<()> {
    let tables = relations.iter().filter(|relation| relation.is_locked());
    let changed = "EXISTS (SELECT FROM pg_attribute a JOIN pg_namespace n ON n.oid = c.relnamespace \
                   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
                   AND (pg_identify_object('pg_class'::regclass, c.oid, a.attnum)).identity \
                       IS DISTINCT FROM format('%I.%I.%I', n.nspname, c.relname, a.attname))";
    match those(session, tables, changed).await? {
        None => Ok(()),
        Some(tables) => Err(Error::new(
            Kind::TryAgain,
            format!("dump {tables}: columns were renamed or dropped between the snapshot and the lock"),
        )
        .hint("run again, apart from the jobs that change these tables")),
    }
}

/// Refuses tables some of whose rows a policy hides from us: what is left would look like all of them.
pub(super) async fn refuse_hidden_rows(session: &mut dyn Session, relations: &[SourceRelation]) -> Result<()> {
    let tables = relations.iter().filter(|relation| relation.is_locked());
    match those(session, tables, "c.relrowsecurity AND row_security_active(c.oid)").await? {
        None => Ok(()),
        Some(tables) => Err(Error::new(
            Kind::Database,
            format!("dump {tables} as a role from which row-level security may hide rows"),
        )
        .hint("use a role with BYPASSRLS: a dump under row-level security would be partial")),
    }
}

/// The names of those tables of which the condition is true; `None` where it is true of none.
async fn those<'a>(
    session: &mut dyn Session,
    tables: impl Iterator<Item = &'a SourceRelation>,
    condition: &str,
) -> Result<Option<String>> {
    let oids: Vec<_> = tables.map(|table| table.oid.to_string()).collect();
    let query = format!(
        "SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class c WHERE c.oid = ANY ('{{{}}}'::oid[]) AND {condition}",
        oids.join(",")
    );
    session.text(&query).await
}

/// Refuses rows of tables whose schema was renamed meanwhile: no lock holds a schema, and under its name other tables may have
/// been found. The catalog is the snapshot's; what an oid is printed as is what it is called now.
pub(super) async fn refuse_renamed_tables(session: &mut dyn Session, relations: &[SourceRelation]) -> Result<()> {
    let oids: Vec<_> =
        relations.iter().filter(|relation| relation.is_locked()).map(|relation| relation.oid.to_string()).collect();
    let query = format!(
        "SELECT string_agg(name, ', ') FROM (SELECT c.oid, format('%I.%I', nspname, relname) AS name \
             FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE c.oid = ANY ('{{{}}}'::oid[])) AS c \
         WHERE oid::regclass::text IS DISTINCT FROM name",
        oids.join(",")
    );
    match session.text(&query).await? {
        None => Ok(()),
        Some(tables) => {
            Err(Error::new(Kind::TryAgain, format!("dump {tables}: moved to another name while rows were read"))
                .hint("run again, apart from the jobs that rename schemas"))
        }
    }
}

fn qualified(relation: &SourceRelation) -> String {
    // ONLY: a partitioned table's or a parent's children are in the list themselves.
    format!("ONLY {}.{}", quote_ident(&relation.schema), quote_ident(&relation.name))
}

async fn explain(session: &mut dyn Session, error: Error, relations: &[SourceRelation]) -> Error {
    match sqlstate_of(&error).map(ToOwned::to_owned).as_deref() {
        Some(LOCK_NOT_AVAILABLE) => {
            let who = blockers(session, relations).await.unwrap_or_default();
            Error::new(Kind::TryAgain, format!("lock the tables to dump{who}"))
                .hint("run again apart from jobs that change tables, or raise --lock-timeout")
                .caused_by(error)
        }
        Some(INSUFFICIENT_PRIVILEGE) => Error::new(Kind::Database, "lock the tables to dump")
            .hint("grant the role pg_read_all_data, or SELECT on every table")
            .caused_by(error),
        Some(OUT_OF_MEMORY) => Error::new(Kind::Database, "lock the tables to dump")
            .hint("raise max_locks_per_transaction on the server")
            .caused_by(error),
        // Dropped since the snapshot: a fresh snapshot does not have it.
        Some(UNDEFINED_TABLE | UNDEFINED_SCHEMA) => {
            Error::new(Kind::TryAgain, "lock the tables to dump").caused_by(error)
        }
        _ => error.while_doing("lock the tables to dump"),
    }
}

#[derive(Deserialize)]
struct Blocker {
    pid: i32,
    relation: String,
    application: Option<String>,
    user: Option<String>,
    query: Option<String>,
}

/// Who holds or waits for a lock that ours would have to wait for, as text for the error.
async fn blockers(session: &mut dyn Session, relations: &[SourceRelation]) -> Result<String> {
    session.execute("ROLLBACK").await?;
    let oids: Vec<_> = relations.iter().map(|relation| relation.oid.to_string()).collect();
    let found: Vec<Blocker> = rows(session, &BLOCKERS.replace("%OIDS%", &oids.join(","))).await?;
    let list: Vec<_> = found.iter().map(Blocker::describe).collect();
    Ok(if list.is_empty() { String::new() } else { format!(": {}", list.join("; ")) })
}

impl Blocker {
    fn describe(&self) -> String {
        let application =
            self.application.as_deref().filter(|name| !name.is_empty()).unwrap_or("an unnamed application");
        let query: String = self.query.as_deref().unwrap_or_default().chars().take(QUERY_CHARS).collect();
        let user = self.user.as_deref().unwrap_or("?");
        format!("{} is blocked by pid {} ({application}, user {user}): {query}", self.relation, self.pid)
    }
}

const BLOCKERS: &str = "
SELECT l.pid, l.relation::regclass::text AS relation, a.application_name AS application, a.usename AS user,
       a.query AS query
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation = ANY ('{%OIDS%}'::oid[])
ORDER BY l.granted DESC, l.pid
LIMIT 5";

const TABLES_PER_BATCH: usize = 500;
const QUERY_CHARS: usize = 120;
