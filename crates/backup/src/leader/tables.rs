//! What workers need to know of the tables whose rows they dump.

use std::collections::HashMap;

use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

use super::SourceRelation;
use crate::postgres::{Session, rows};

/// A table whose rows are dumped, as it is under the snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceTable {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// Without those that are generated: the target computes them.
    pub(crate) columns: Vec<String>,
    /// The relation that the script loads the rows into: the table, or the root of its partition tree.
    pub(crate) into: LoadedInto,
    /// The WHERE clause of an extension's configuration table.
    pub(crate) condition: Option<String>,
    /// Whether it is of the access method whose rows lie in numbered pages.
    pub(crate) heap: bool,
    /// Pages of the table itself.
    pub(crate) pages: u64,
    /// Bytes of the table and of its TOAST table: a table of few pages may be a large one.
    pub(crate) bytes: u64,
}

/// What a COPY names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LoadedInto {
    pub(crate) schema: String,
    pub(crate) name: String,
}

#[derive(Deserialize)]
struct Row {
    oid: u32,
    columns: Vec<String>,
    root_columns: Option<Vec<String>>,
    root_schema: Option<String>,
    root_name: Option<String>,
    heap: bool,
    bytes: u64,
    pages: u64,
}

/// Reads the tables among `relations` whose rows are dumped, in their order.
pub(super) async fn read(session: &mut dyn Session, relations: &[SourceRelation]) -> Result<Vec<SourceTable>> {
    let dumped: Vec<_> = relations.iter().filter(|relation| relation.has_dumped_rows()).collect();
    let mut found = HashMap::new();
    for batch in dumped.chunks(TABLES_PER_QUERY) {
        let oids: Vec<_> = batch.iter().map(|relation| relation.oid.to_string()).collect();
        let read: Vec<Row> = rows(session, &TABLES.replace("%OIDS%", &oids.join(","))).await?;
        found.extend(read.into_iter().map(|row| (row.oid, row)));
    }
    dumped.into_iter().map(|relation| table(relation, found.remove(&relation.oid))).collect()
}

fn table(relation: &SourceRelation, row: Option<Row>) -> Result<SourceTable> {
    let (schema, name) = (relation.schema.clone(), relation.name.clone());
    let row = row.ok_or_else(|| {
        Error::new(Kind::TryAgain, format!("read the columns of {schema}.{name}: it was dropped meanwhile"))
    })?;
    let into = LoadedInto {
        schema: row.root_schema.unwrap_or_else(|| schema.clone()),
        name: row.root_name.unwrap_or_else(|| name.clone()),
    };
    Ok(SourceTable {
        schema,
        name,
        columns: row.root_columns.unwrap_or(row.columns),
        into,
        condition: relation.condition.clone(),
        heap: row.heap,
        pages: row.pages,
        bytes: row.bytes,
    })
}

/// The rows of a partition below one that is partitioned by the hash of an enum are loaded through the root, as pg_dump
/// has them: the hash is of the enum's oids, and these are others after a restore.
const TABLES: &str = "
WITH hashed AS (
    SELECT partrelid FROM pg_partitioned_table
    WHERE partstrat = 'h'
      AND (SELECT o.oid FROM pg_opclass o JOIN pg_am m ON m.oid = o.opcmethod
           WHERE o.opcname = 'enum_ops' AND o.opcnamespace = 'pg_catalog'::regnamespace AND m.amname = 'hash')
          = ANY (partclass)
), tables AS (
    SELECT c.*, CASE WHEN c.relispartition AND EXISTS (
               SELECT FROM pg_partition_ancestors(c.oid) a JOIN hashed ON hashed.partrelid = a.relid)
           THEN pg_partition_root(c.oid)::oid END AS root
    FROM pg_class c WHERE c.oid = ANY ('{%OIDS%}'::oid[])
)
SELECT c.oid::bigint AS oid,
       ARRAY(SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
             AND attgenerated = '' ORDER BY attnum) AS columns,
       CASE WHEN r.oid IS NOT NULL THEN
           ARRAY(SELECT attname FROM pg_attribute a WHERE a.attrelid = r.oid AND attnum > 0 AND NOT attisdropped
                 AND attgenerated = '' ORDER BY attnum) END AS root_columns,
       rn.nspname AS root_schema, r.relname AS root_name,
       coalesce((SELECT amname = 'heap' FROM pg_am m WHERE m.oid = c.relam), false) AS heap,
       coalesce(pg_relation_size(c.oid), 0)
           + CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE coalesce(pg_relation_size(c.reltoastrelid), 0) END AS bytes,
       coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint AS pages
FROM tables c
LEFT JOIN pg_class r ON r.oid = c.root
LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace";

const TABLES_PER_QUERY: usize = 2000;
