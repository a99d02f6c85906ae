//! Extensions that take part in a restore.
//!
//! TimescaleDB asks to be told where a restore begins and where it ends: in between it keeps its hands off what is created and
//! loaded. And tables that come with an extension have their keys and triggers before their rows come, which no other table
//! has: the order of their rows counts, and a trigger may take a row in its own way. Their rows come before all others: a constraint
//! may ask the extension for what was added to it, as those of PostGIS do for `spatial_ref_sys`.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_core::index::{Extension, Index, Range};
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Deserialize;

use crate::postgres::{DirectSession, Session, quote_literal, rows};
use crate::script::created_extension;

/// The extension that is told of restores.
pub(super) const TIMESCALEDB: &str = "timescaledb";

/// Whether a statement creates TimescaleDB.
pub(super) fn creates_timescaledb(statement: &[u8]) -> bool {
    created_extension(statement).is_some_and(|(name, _)| name.as_bytes() == TIMESCALEDB.as_bytes())
}

/// The statement with the version that the backup was taken of: its catalog can be restored into no other.
pub(super) fn with_version(statement: &str, extensions: &[Extension]) -> String {
    let of = extensions.iter().find(|extension| extension.name == TIMESCALEDB && !extension.version.is_empty());
    match (of, statement.strip_suffix(';')) {
        (Some(extension), Some(body)) => format!("{body} VERSION {};", quote_literal(&extension.version)),
        _ => statement.to_owned(),
    }
}

/// Tells TimescaleDB that a restore begins. Sessions that connect later know it by a setting of the database.
pub(super) async fn begin(session: &mut DirectSession, job: &Job) -> Result<()> {
    job.step("tell TimescaleDB that a restore begins");
    call(session, "timescaledb_pre_restore").await.map_err(|error| error.while_doing(BEGIN))
}

/// Tells TimescaleDB that a restore has ended, if it was told that one began; whether it was.
pub(super) async fn end(session: &mut DirectSession, job: &Job) -> Result<bool> {
    if session.text(IS_RESTORING).await?.as_deref() != Some("t") {
        return Ok(false);
    }
    job.step("tell TimescaleDB that the restore has ended");
    let ended = call(session, "timescaledb_post_restore").await;
    ended.map_err(|error| error.while_doing(END).hint(SAME_VERSION))?;
    Ok(true)
}

/// Functions of the extension itself, wherever it lies: anybody may have made others of that name.
async fn call(session: &mut DirectSession, function: &str) -> Result<()> {
    if let Some(name) = session.text(&FUNCTION.replace("%NAME%", &quote_literal(function))).await? {
        session.text(&format!("SELECT {name}()")).await?;
    }
    Ok(())
}

/// What the tables of extensions demand of those who load rows into them.
#[derive(Debug, Default)]
pub(super) struct OfExtensions {
    /// Relations with a trigger that may take a row in another way than by storing it.
    pub(super) taking: BTreeSet<usize>,
    /// All of them, those that others have foreign keys to before these.
    pub(super) in_order: Vec<usize>,
}

impl OfExtensions {
    /// Looks at the tables that are there.
    pub(super) async fn find(session: &mut DirectSession, index: &Index) -> Result<Self> {
        let found: Vec<Table> =
            rows(session, TABLES).await.map_err(|error| error.while_doing("look at the tables of extensions"))?;
        let positions: BTreeMap<_, _> =
            index.relations.iter().enumerate().map(|(at, it)| ((it.schema.as_str(), it.name.as_str()), at)).collect();
        let position = |schema: &str, name: &str| positions.get(&(schema, name)).copied();
        let mut tables = Self::default();
        let mut refers_to: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for table in &found {
            let Some(at) = position(&table.schema, &table.name) else { continue };
            refers_to.entry(at).or_default();
            if table.has_trigger {
                tables.taking.insert(at);
            }
            for (schema, name) in &table.refers_to {
                let Some(other) = position(schema, name) else { continue };
                refers_to.entry(other).or_default();
                refers_to.entry(at).or_default().insert(other);
            }
        }
        tables.in_order = in_order(refers_to);
        Ok(tables)
    }

    /// Takes the rows out that have to come first, in their order.
    pub(super) fn first<'a>(&self, all: &[&'a Range]) -> (Vec<&'a Range>, Vec<&'a Range>) {
        let place = |range: &Range| {
            let relation = range.relation();
            self.in_order.iter().position(|at| Some(*at) == relation)
        };
        let (mut first, rest): (Vec<_>, Vec<_>) = all.iter().copied().partition(|range| place(range).is_some());
        first.sort_by_key(|range| place(range));
        (first, rest)
    }
}

/// Each behind all that it refers to; those that refer to each other in a circle come last, as they stand.
fn in_order(mut refers_to: BTreeMap<usize, BTreeSet<usize>>) -> Vec<usize> {
    let mut order = Vec::new();
    loop {
        let ready: Vec<_> = refers_to.iter().filter(|(_, others)| others.is_empty()).map(|(at, _)| *at).collect();
        if ready.is_empty() {
            order.extend(refers_to.into_keys());
            return order;
        }
        for at in ready {
            refers_to.remove(&at);
            refers_to.values_mut().for_each(|others| {
                others.remove(&at);
            });
            order.push(at);
        }
    }
}

/// Why a server that has these versions of TimescaleDB cannot take a backup of one with it.
pub(super) fn is_no_version(wanted: &Extension, available: &[String]) -> Option<String> {
    let Extension { version, .. } = wanted;
    let lacks = !version.is_empty() && !available.contains(version);
    lacks.then(|| format!("the backup is of timescaledb {version} and the server has {}", available.join(", ")))
}

/// Why a database in which this version of TimescaleDB is cannot take a backup of one with it.
pub(super) fn is_another_version(wanted: &Extension, there: &str) -> Option<String> {
    let Extension { version, .. } = wanted;
    let differs = !version.is_empty() && version != there;
    differs.then(|| format!("the backup is of timescaledb {version} and the database has {there}"))
}

#[derive(Deserialize)]
struct Table {
    schema: String,
    name: String,
    has_trigger: bool,
    refers_to: Vec<(String, String)>,
}

/// That a part cannot be restored, for these tables are in it.
pub(super) fn is_hypertable(names: &[String]) -> Error {
    let (is, their) = if names.len() == 1 { ("is a hypertable", "its") } else { ("are hypertables", "their") };
    let doing = format!("restore a part: {} {is} of TimescaleDB, {their} rows lie in chunks", names.join(", "));
    Error::new(Kind::Policy, doing)
        .hint("restore the whole backup into another database, with --create, and copy the rows from there")
}

pub(super) const SAME_VERSION: &str = "TimescaleDB is restored by the version that was backed up: install that one, restore, \
                                       and then run ALTER EXTENSION timescaledb UPDATE";
pub(super) const OTHER_VERSION: &str = "TimescaleDB is restored by the version that was backed up: DROP EXTENSION timescaledb in the \
     database, or have it made there in that version (CREATE EXTENSION timescaledb VERSION '…'), restore, and then run ALTER EXTENSION \
     timescaledb UPDATE";
const BEGIN: &str = "tell TimescaleDB that a restore begins";
const END: &str = "tell TimescaleDB that the restore has ended";
const IS_RESTORING: &str = "SELECT pg_catalog.current_setting('timescaledb.restoring', true) = 'on'";

const FUNCTION: &str = "
SELECT pg_catalog.format('%I.%I', n.nspname, p.proname)
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid
     AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
JOIN pg_catalog.pg_proc p ON p.oid = d.objid AND p.pronargs = 0
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE e.extname = 'timescaledb' AND p.proname = %NAME%";

/// A trigger's type has a bit each for rows, for before, and for INSERT.
const TABLES: &str = "
SELECT n.nspname AS schema, c.relname AS name,
       EXISTS (SELECT FROM pg_catalog.pg_trigger t
               WHERE t.tgrelid = c.oid AND t.tgtype & 7 = 7 AND t.tgenabled IN ('O', 'A')) AS has_trigger,
       coalesce((SELECT json_agg(json_build_array(m.nspname, r.relname))
                 FROM pg_catalog.pg_constraint k
                 JOIN pg_catalog.pg_class r ON r.oid = k.confrelid
                 JOIN pg_catalog.pg_namespace m ON m.oid = r.relnamespace
                 WHERE k.contype = 'f' AND k.conrelid = c.oid AND k.confrelid <> c.oid), '[]') AS refers_to
FROM pg_catalog.pg_depend d
JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p')
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'e'
  AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass";

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use lifeboat_core::index::Extension;

    use super::{creates_timescaledb, in_order, is_another_version, is_no_version, with_version};

    fn timescaledb(version: &str) -> Extension {
        Extension { name: "timescaledb".into(), version: version.into(), schema: "public".into() }
    }

    #[test]
    fn tables_come_behind_those_they_refer_to_and_circles_last() {
        let refers_to = [(1, vec![3]), (3, vec![5]), (5, vec![]), (7, vec![8]), (8, vec![7])];
        let refers_to: BTreeMap<_, BTreeSet<_>> =
            refers_to.into_iter().map(|(at, others)| (at, others.into_iter().collect())).collect();
        assert_eq!(in_order(refers_to), [5, 3, 1, 7, 8]);
    }

    #[test]
    fn timescaledb_is_created_in_the_version_that_was_backed_up() {
        let statement = "CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public;";
        assert!(creates_timescaledb(statement.as_bytes()));
        assert!(!creates_timescaledb(b"CREATE EXTENSION IF NOT EXISTS timescaledb_toolkit;"));
        let wanted = "CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public VERSION '2.14.2';";
        assert_eq!(with_version(statement, &[timescaledb("2.14.2")]), wanted);
        assert_eq!(with_version(statement, &[timescaledb("")]), statement);
    }

    #[test]
    fn another_version_of_timescaledb_is_refused() {
        let available = ["2.14.2".to_owned(), "2.15.0".to_owned()];
        let refusal = |version: &str| is_no_version(&timescaledb(version), &available);
        assert_eq!(refusal("2.14.2"), None);
        assert_eq!(refusal(""), None);
        let why = "the backup is of timescaledb 2.13.0 and the server has 2.14.2, 2.15.0";
        assert_eq!(refusal("2.13.0").as_deref(), Some(why));
        let refusal = |version: &str| is_another_version(&timescaledb(version), "2.15.0");
        assert_eq!((refusal("2.15.0"), refusal("")), (None, None));
        let why = "the backup is of timescaledb 2.14.2 and the database has 2.15.0";
        assert_eq!(refusal("2.14.2").as_deref(), Some(why));
    }
}
