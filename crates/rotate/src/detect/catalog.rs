//! The tables and columns of a database that may hold ciphertexts.

use lifeboat_backup::postgres::{Session, quote_literal, rows};
use lifeboat_core::Result;
use serde::Deserialize;

use crate::sweep::TableName;

/// A table of the operator's.
#[derive(Debug, Deserialize)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) name: String,
    /// A materialized view, which holds copies.
    pub(super) is_copy: bool,
    /// Pages, as the server estimates.
    pub(super) pages: f64,
    pub(super) primary_key: Vec<String>,
    /// Names of all its columns that may be read.
    pub(super) readable: Vec<String>,
    /// Those that can hold ciphertexts.
    pub(super) columns: Vec<Column>,
}

/// A column that can hold a ciphertext.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) holds: Holds,
    /// Whether it may be read.
    pub(super) readable: bool,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Holds {
    Text,
    Bytes,
    /// Several values, as an array does: they are read as the server prints them.
    Parts,
}

impl Table {
    pub(super) fn table(&self) -> TableName {
        TableName { schema: self.schema.clone(), name: self.name.clone() }
    }
}

/// Every table of the database with a column that can hold a ciphertext, in the order of their names. Partitions are read
/// through their table.
pub(super) async fn tables(session: &mut dyn Session) -> Result<Vec<Table>> {
    rows(session, &TABLES.replace("{which}", "NOT c.relispartition")).await
}

/// One of them, or a partition.
pub(super) async fn table(session: &mut dyn Session, table: &TableName) -> Result<Option<Table>> {
    let (schema, name) = (quote_literal(&table.schema), quote_literal(&table.name));
    let which = format!("n.nspname = {schema} AND c.relname = {name}");
    Ok(rows(session, &TABLES.replace("{which}", &which)).await?.pop())
}

/// Domains and arrays count as what they are made of; types of strings are those that extensions bring, too.
const TABLES: &str = "
SELECT n.nspname AS schema, c.relname AS name, c.relkind = 'm' AS is_copy, c.relpages::float8 AS pages,
       coalesce((SELECT json_agg(a.attname ORDER BY k.place)
                   FROM pg_catalog.pg_index i
                  CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
                  WHERE i.indrelid = c.oid AND i.indisprimary), '[]') AS primary_key,
       coalesce((SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                    AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')), '[]') AS readable,
       columns.list AS columns
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (
       SELECT json_agg(json_build_object('name', a.attname, 'holds', kind.holds,
              'readable', pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')) ORDER BY a.attnum) AS list
         FROM pg_catalog.pg_attribute a
        CROSS JOIN LATERAL (
              WITH RECURSIVE made_of (oid, in_array) AS (
                  SELECT a.atttypid, false
                  UNION ALL
                  SELECT CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END, m.in_array OR t.typtype <> 'd'
                    FROM made_of m JOIN pg_catalog.pg_type t ON t.oid = m.oid
                   WHERE t.typtype = 'd' OR t.typcategory = 'A')
              SELECT CASE
                     WHEN t.typname IN ('hstore', 'xml') OR t.typtype = 'c' THEN 'parts'
                     WHEN t.typname NOT IN ('bytea', 'json', 'jsonb') AND t.typcategory <> 'S' THEN NULL
                     WHEN m.in_array THEN 'parts'
                     WHEN t.typname = 'bytea' THEN 'bytes'
                     ELSE 'text' END
                FROM made_of m JOIN pg_catalog.pg_type t ON t.oid = m.oid
               WHERE t.typtype <> 'd' AND t.typcategory <> 'A') AS kind (holds)
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND kind.holds IS NOT NULL) AS columns
 WHERE c.relkind IN ('r', 'p', 'm') AND {which} AND columns.list IS NOT NULL
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'lifeboat_rotate') AND n.nspname !~ '^pg_(toast|temp)'
 ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";
