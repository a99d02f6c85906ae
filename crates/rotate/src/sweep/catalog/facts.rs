//! The catalog's own words, read in one query.

use lifeboat_backup::postgres::{DirectSession, quote_literal, rows};
use lifeboat_core::{Kind, Result, ResultExt as _};
use serde::Deserialize;

use super::KeyColumn;
use crate::sweep::target::TableName;

/// A table, a partitioned table, a partition or a child.
#[derive(Clone, Debug, Deserialize)]
pub(in crate::sweep) struct Fact {
    pub(in crate::sweep) oid: u32,
    pub(in crate::sweep) filenode: u32,
    pub(in crate::sweep) schema: String,
    pub(in crate::sweep) table: String,
    /// `pg_class.relkind`.
    pub(in crate::sweep) kind: String,
    /// Whether row-level security would hide rows from this role.
    pub(in crate::sweep) hides_rows: bool,
    pub(in crate::sweep) usable_schema: bool,
    /// As a whole: places of rows are no column that could be granted with others.
    pub(in crate::sweep) readable: bool,
    /// Whether this role may keep others out: no right to single columns is enough.
    pub(in crate::sweep) lockable: bool,
    pub(in crate::sweep) blocks: u32,
    pub(in crate::sweep) rows: u64,
    pub(in crate::sweep) bytes: u64,
    pub(in crate::sweep) columns: Vec<FactColumn>,
    /// The primary key first, then those that lead through the rows.
    pub(in crate::sweep) keys: Vec<FactKey>,
    pub(in crate::sweep) triggers: Vec<FactTrigger>,
    /// Rules that stand in for an update, or come with it.
    pub(in crate::sweep) rules: Vec<String>,
    pub(in crate::sweep) indexes: Vec<FactIndex>,
    /// Published, without a replica identity: an update fails.
    pub(in crate::sweep) cannot_publish: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::sweep) struct FactColumn {
    pub(in crate::sweep) name: String,
    /// Its type as SQL names it, length included.
    pub(in crate::sweep) kind: String,
    /// The same for any length: `bpchar`, where `character` would be that of one.
    pub(in crate::sweep) typed: String,
    /// The type under its domains.
    pub(in crate::sweep) base: String,
    /// `pg_type.typcategory` of that.
    pub(in crate::sweep) category: String,
    /// How many characters fit.
    pub(in crate::sweep) width: Option<u32>,
    pub(in crate::sweep) generated: bool,
    /// Columns of which the database makes it.
    pub(in crate::sweep) made_of: Vec<String>,
    pub(in crate::sweep) writable: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(in crate::sweep) struct FactKey {
    pub(in crate::sweep) columns: Vec<KeyColumn>,
    /// Whether its index compares as its columns do. Where it tells keys apart that are the same to `ORDER BY`, a batch that ends
    /// between them would leave the others out.
    pub(in crate::sweep) orders: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::sweep) struct FactTrigger {
    pub(in crate::sweep) name: String,
    pub(in crate::sweep) function: String,
    pub(in crate::sweep) before: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(in crate::sweep) struct FactIndex {
    pub(in crate::sweep) name: String,
    pub(in crate::sweep) unique: bool,
    pub(in crate::sweep) columns: Vec<String>,
}

impl Fact {
    pub(in crate::sweep) fn name(&self) -> TableName {
        TableName { schema: self.schema.clone(), name: self.table.clone() }
    }
}

/// The table first, then everything below it. None: there is no such table.
pub(super) async fn read(session: &mut DirectSession, table: &TableName) -> Result<Vec<Fact>> {
    let locking = if session.server().version_num >= MAINTAIN_SINCE { LOCKING_OR_MAINTAIN } else { LOCKING };
    let query = QUERY
        .replace("{locking}", locking)
        .replace("{firing}", FIRING)
        .replace("{schema}", &quote_literal(&table.schema))
        .replace("{table}", &quote_literal(&table.name));
    let found: Vec<Wrapped> =
        rows(session, &query).await.map_err(|error| error.while_doing(format!("look {table} up")))?;
    let fact = |wrapped: Wrapped| serde_json::from_value(wrapped.fact);
    found
        .into_iter()
        .map(fact)
        .collect::<std::result::Result<_, _>>()
        .kind_of(Kind::Failure, || format!("look {table} up"))
}

/// Tables whose names differ in capital letters only, or that are in another schema.
pub(super) async fn alike(session: &mut DirectSession, table: &TableName) -> Result<Vec<String>> {
    let query = format!(
        "SELECT n.nspname AS schema, c.relname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE pg_catalog.lower(c.relname) = {} AND c.relkind IN ('r', 'p') AND n.nspname <> 'pg_catalog' ORDER BY 1, 2 LIMIT 5",
        quote_literal(&table.name.to_lowercase())
    );
    let found: Vec<TableName> = rows(session, &query).await?;
    Ok(found.iter().map(ToString::to_string).collect())
}

#[derive(Deserialize)]
struct Wrapped {
    fact: serde_json::Value,
}

/// Which triggers and rules fire beside those that always do: a role, or a database, may be set to what a replica does.
const FIRING: &str = "CASE pg_catalog.current_setting('session_replication_role') WHEN 'replica' THEN 'R' ELSE 'O' END";

/// Any of these lets a role take the lock that keeps writers out.
const LOCKING: &str = "'UPDATE, DELETE, TRUNCATE'";
const LOCKING_OR_MAINTAIN: &str = "'UPDATE, DELETE, TRUNCATE, MAINTAIN'";
const MAINTAIN_SINCE: u32 = 170_000;

/// Sizes are the file's own: `relpages` may be of last week.
const QUERY: &str = r#"
WITH RECURSIVE tree (oid, depth) AS (
    SELECT c.oid, 0 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = {schema} AND c.relname = {table} AND c.relkind NOT IN ('i', 'I', 'S', 't', 'c')
    UNION
    SELECT i.inhrelid, tree.depth + 1 FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
), base (oid, base, typmod) AS (
    SELECT t.oid, t.oid, -1 FROM pg_catalog.pg_type t WHERE t.typtype <> 'd'
    UNION
    SELECT t.oid, base.base, greatest(t.typtypmod, base.typmod) FROM base JOIN pg_catalog.pg_type t ON t.typtype = 'd' AND t.typbasetype = base.oid
), columns AS (
    SELECT a.attrelid, a.attnum, a.attname, a.attnotnull, b.typname AS base, b.typcategory, a.atttypid, a.attgenerated, a.attcollation,
        (SELECT o.opcfamily FROM pg_catalog.pg_opclass o
            JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree'
            WHERE o.opcdefault AND o.opcintype = b.oid LIMIT 1) AS family,
        pg_catalog.format_type(a.atttypid, a.atttypmod) AS kind, pg_catalog.format_type(a.atttypid, -1) AS typed,
        greatest(base.typmod, a.atttypmod) AS typmod,
        coalesce((
            SELECT n.nspname FROM pg_catalog.pg_opclass o
            JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod AND m.amname = 'btree'
            JOIN pg_catalog.pg_amop p ON p.amopfamily = o.opcfamily AND p.amopstrategy = 5
                AND p.amoplefttype = o.opcintype AND p.amoprighttype = o.opcintype
            JOIN pg_catalog.pg_operator f ON f.oid = p.amopopr
            JOIN pg_catalog.pg_namespace n ON n.oid = f.oprnamespace
            WHERE o.opcdefault AND o.opcintype = b.oid LIMIT 1), 'pg_catalog') AS operators
    FROM pg_catalog.pg_attribute a JOIN tree ON tree.oid = a.attrelid
    JOIN base ON base.oid = a.atttypid JOIN pg_catalog.pg_type b ON b.oid = base.base
    WHERE a.attnum > 0 AND NOT a.attisdropped
)
SELECT pg_catalog.json_build_object(
    'oid', c.oid::pg_catalog.int8, 'filenode', coalesce(pg_catalog.pg_relation_filenode(c.oid), 0)::pg_catalog.int8,
    'schema', n.nspname, 'table', c.relname, 'kind', c.relkind,
    'hides_rows', pg_catalog.row_security_active(c.oid),
    'usable_schema', pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
    'readable', pg_catalog.has_table_privilege(c.oid, 'SELECT'),
    'lockable', pg_catalog.has_table_privilege(c.oid, {locking}),
    'blocks', CASE c.relkind WHEN 'r' THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END
        / pg_catalog.current_setting('block_size')::pg_catalog.int8,
    'rows', CASE WHEN c.relkind <> 'r' THEN 0
        WHEN c.reltuples > 0 AND c.relpages > 0 THEN (c.reltuples / c.relpages * (pg_catalog.pg_relation_size(c.oid)
            / pg_catalog.current_setting('block_size')::pg_catalog.int8))::pg_catalog.int8
        ELSE pg_catalog.pg_relation_size(c.oid) / 200 END,
    'bytes', CASE c.relkind WHEN 'r' THEN pg_catalog.pg_total_relation_size(c.oid) ELSE 0 END,
    'cannot_publish', c.relkind = 'r' AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)) AND EXISTS (
        SELECT FROM pg_catalog.pg_publication_tables p JOIN pg_catalog.pg_publication u ON u.pubname = p.pubname
        WHERE p.schemaname = n.nspname AND p.tablename = c.relname AND u.pubupdate),
    'columns', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', a.attname, 'kind', a.kind, 'typed', a.typed, 'base', a.base, 'category', a.typcategory,
            'width', CASE WHEN a.base IN ('varchar', 'bpchar') AND a.typmod > 4 THEN a.typmod - 4 WHEN a.base = 'name' THEN 63 END,
            'generated', a.attgenerated <> '',
            'made_of', (SELECT coalesce(pg_catalog.json_agg(s.attname), '[]') FROM pg_catalog.pg_attribute s
                WHERE a.attgenerated <> '' AND s.attrelid = c.oid AND s.attnum > 0 AND s.attnum <> a.attnum AND EXISTS (
                    SELECT FROM pg_catalog.pg_depend d
                    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = c.oid AND d.refobjsubid = s.attnum
                    AND (d.classid, d.objid, d.objsubid) IN (SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, a.attnum::pg_catalog.int4
                        UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, f.oid, 0 FROM pg_catalog.pg_attrdef f
                            WHERE f.adrelid = c.oid AND f.adnum = a.attnum))),
            'writable', pg_catalog.has_column_privilege(c.oid, a.attnum, 'UPDATE')) ORDER BY a.attnum), '[]')
        FROM columns a WHERE a.attrelid = c.oid),
    'keys', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('columns', k.columns, 'orders', k.orders)
            ORDER BY k.indisprimary DESC, k.orders DESC, k.count, k.indexrelid), '[]')
        FROM (SELECT i.indexrelid, i.indisprimary, pg_catalog.count(*) AS count,
                pg_catalog.bool_and(a.attnotnull) AS usable,
                pg_catalog.bool_and(coalesce(i.indcollation[(e.place - 1)::pg_catalog.int4] = a.attcollation
                    AND o.opcfamily = coalesce(a.family, d.opcfamily), false))
                    AND pg_catalog.count(DISTINCT i.indoption[(e.place - 1)::pg_catalog.int4] & 1) = 1 AS orders,
                pg_catalog.json_agg(pg_catalog.json_build_object(
                    'name', a.attname, 'kind', a.typed, 'operators', a.operators) ORDER BY place) AS columns
            FROM pg_catalog.pg_index i
                CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY AS e (attnum, place)
                LEFT JOIN columns a ON a.attnum = e.attnum
                LEFT JOIN pg_catalog.pg_opclass o ON o.oid = i.indclass[(e.place - 1)::pg_catalog.int4]
                LEFT JOIN pg_catalog.pg_opclass d ON d.opcmethod = o.opcmethod AND d.opcintype = o.opcintype AND d.opcdefault
            WHERE i.indrelid = c.oid AND a.attrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indisready
                AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
            GROUP BY i.indexrelid, i.indisprimary) k WHERE k.usable),
    'triggers', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', t.tgname, 'function', p.proname, 'before', t.tgtype & 2 = 2 AND t.tgtype & 1 = 1) ORDER BY t.tgname), '[]')
        FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
        WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled::pg_catalog.text IN ('A', {firing}) AND t.tgtype & 16 = 16),
    'rules', (SELECT coalesce(pg_catalog.json_agg(r.rulename ORDER BY r.rulename), '[]') FROM pg_catalog.pg_rewrite r
        WHERE r.ev_class = c.oid AND c.relkind = 'r' AND r.ev_type = '2' AND r.ev_enabled::pg_catalog.text IN ('A', {firing})),
    'indexes', (SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'name', x.relname, 'unique', i.indisunique, 'columns', (SELECT coalesce(pg_catalog.json_agg(a.attname), '[]') FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND (a.attnum = ANY (i.indkey) OR EXISTS (
                    SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.objid = i.indexrelid AND d.refobjid = c.oid AND d.refobjsubid = a.attnum)))) ORDER BY x.relname), '[]')
        FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid)
) AS fact
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY tree.depth, n.nspname, c.relname"#;
