//! Whether two databases are the same: an oracle that shares nothing with Lifeboat but the server.
//!
//! Definitions are compared as stock `pg_dump --schema-only` writes them, rows as sums of MD5 digests of their text
//! computed by the server, large objects and sequences by their contents.

use std::collections::{BTreeMap, BTreeSet};

use crate::servers::postgres::Database;

/// Fails the test unless both have the same definitions, rows and settings; lists what differs.
#[track_caller]
pub fn assert_same(expected: &Database<'_>, actual: &Database<'_>) {
    let settings = between("setting", &settings(expected), &settings(actual));
    fail_on(&[definitions_between(expected, actual), contents_between(expected, actual), settings].concat());
}

/// Fails the test unless both have the same definitions and rows; settings of the database itself may differ.
#[track_caller]
pub fn assert_same_but_settings(expected: &Database<'_>, actual: &Database<'_>) {
    fail_on(&[definitions_between(expected, actual), contents_between(expected, actual)].concat());
}

/// Fails the test unless both have the same rows; definitions may differ.
#[track_caller]
pub fn assert_same_contents(expected: &Database<'_>, actual: &Database<'_>) {
    fail_on(&contents_between(expected, actual));
}

#[track_caller]
fn fail_on(differences: &[String]) {
    assert!(differences.is_empty(), "the databases differ:\n{}", differences.join("\n"));
}

fn contents_between(expected: &Database<'_>, actual: &Database<'_>) -> Vec<String> {
    between("content", &contents(expected), &contents(actual))
}

/// Releases print the same view differently: across releases, the reference is what stock tools make of `expected` on
/// the server of `actual`.
fn definitions_between(expected: &Database<'_>, actual: &Database<'_>) -> Vec<String> {
    let reference = if expected.server.installation.number == actual.server.installation.number {
        definitions(expected)
    } else {
        let copy = actual.server.database("reference");
        let output = copy.feed(&expected.pg_dump(&["--schema-only"]));
        assert!(output.status.success(), "copy with stock tools: {}", String::from_utf8_lossy(&output.stderr));
        definitions(&copy)
    };
    between("definition", &reference, &definitions(actual))
}

/// The digest of every table, sequence and large object, by name.
pub fn contents(database: &Database<'_>) -> BTreeMap<String, String> {
    let text = tool(database, "psql", &["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", CONTENTS]);
    text.split('\u{1e}').filter_map(|record| record.trim_start().split_once('\u{1f}')).map(pair).collect()
}

/// What belongs to the database itself: its settings, those of roles in it, owner, privileges, comment.
pub fn settings(database: &Database<'_>) -> BTreeMap<String, String> {
    let text = database.psql(SETTINGS);
    text.lines().filter_map(|line| line.split_once('\u{1f}')).map(pair).collect()
}

/// The entries of a schema-only dump, by the heading pg_dump gives them; what changes from run to run is left out.
pub fn definitions(database: &Database<'_>) -> BTreeMap<String, String> {
    let dump = tool(database, "pg_dump", &["--schema-only"]);
    let mut entries: BTreeMap<String, String> = BTreeMap::new();
    let mut heading = String::from("(header)");
    for line in dump.lines() {
        if let Some(name) = line.strip_prefix("-- Name: ") {
            heading = name.to_owned();
        }
        if !changes_from_run_to_run(line) {
            entries.entry(heading.clone()).or_default().push_str(&format!("{line}\n"));
        }
    }
    entries
}

fn changes_from_run_to_run(line: &str) -> bool {
    let version = line.starts_with("-- Dumped ");
    // Which settings the header needs depends on the server's release.
    let session = line.starts_with("SET ") || line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    version || session || line.is_empty() || line == "--"
}

fn between(what: &str, expected: &BTreeMap<String, String>, actual: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
    let differ = names.into_iter().filter(|name| expected.get(*name) != actual.get(*name));
    let absent = String::from("(absent)");
    differ
        .map(|name| {
            let expected = expected.get(name).unwrap_or(&absent);
            let actual = actual.get(name).unwrap_or(&absent);
            format!("{what} {name}\n  expected: {expected}\n  actual:   {actual}")
        })
        .collect()
}

/// Runs a tool of the server's release against `database`, with everything pinned that a database or role may have set otherwise.
fn tool(database: &Database<'_>, name: &str, arguments: &[&str]) -> String {
    let options = "-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c extra_float_digits=3 \
                   -c bytea_output=hex -c lc_monetary=C -c search_path= -c row_security=off";
    let output = database
        .server
        .client(name, &database.name)
        .env("PGOPTIONS", options)
        .env("PGCLIENTENCODING", "UTF8")
        .args(arguments)
        .output()
        .expect("run a client tool");
    assert!(output.status.success(), "{name} of {}: {}", database.name, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the server converts what it tells to UTF-8")
}

fn pair((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.trim_end().to_owned())
}

/// One row per relation: the digest is a sum, so that the order of rows does not matter, of both halves of the MD5
/// of each row's text.
const CONTENTS: &str = r"
DO $oracle$
DECLARE
    relation record;
    digest text;
BEGIN
    CREATE TEMPORARY TABLE lifeboat_oracle (name text, value text);
    FOR relation IN
        SELECT c.oid::regclass::text AS name, c.relkind, c.relispopulated
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't'
          AND (c.relkind IN ('r', 'm', 'S') OR (c.relkind = 'p' AND NOT c.relispartition))
          -- Rows may change sides below a hash: pg_dump loads those through the root, where they are compared.
          AND NOT EXISTS (
              SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) AS a JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = a.relid
              WHERE c.relispartition AND p.partstrat = 'h')
          AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    LOOP
        IF NOT relation.relispopulated THEN
            digest := 'not populated';
        ELSIF relation.relkind = 'S' THEN
            EXECUTE format('SELECT concat(last_value, chr(32), is_called) FROM %s', relation.name) INTO digest;
        ELSE
            EXECUTE format('SELECT concat(count(*), chr(32),
                sum((chr(120) || substr(h, 1, 16))::bit(64)::bigint::numeric), chr(32),
                sum((chr(120) || substr(h, 17))::bit(64)::bigint::numeric))
                FROM (SELECT pg_catalog.md5(t::text) AS h FROM %s AS t) AS rows',
                CASE relation.relkind WHEN 'p' THEN relation.name ELSE 'ONLY ' || relation.name END) INTO digest;
        END IF;
        INSERT INTO lifeboat_oracle VALUES (concat(relation.relkind, ' ', relation.name), digest);
    END LOOP;
    INSERT INTO lifeboat_oracle
        SELECT 'large object ' || oid, length(lo_get(oid)) || ' ' || md5(lo_get(oid)) FROM pg_catalog.pg_largeobject_metadata;
END
$oracle$;
SELECT chr(30) || name || chr(31) || value FROM lifeboat_oracle ORDER BY name";

const SETTINGS: &str = r"
SELECT concat('setting of ', coalesce(r.rolname, 'everyone'), chr(31), setting)
FROM (SELECT s.setrole, string_agg(e, ', ' ORDER BY e) AS setting
      FROM pg_db_role_setting s, unnest(s.setconfig) AS e
      WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY s.setrole) AS s
LEFT JOIN pg_roles r ON r.oid = s.setrole
UNION ALL
SELECT concat('owner', chr(31), pg_get_userbyid(datdba)) FROM pg_database WHERE datname = current_database()
UNION ALL
SELECT concat('privileges', chr(31), (SELECT string_agg(a::text, ', ' ORDER BY a::text) FROM unnest(datacl) AS a))
FROM pg_database WHERE datname = current_database()
UNION ALL
SELECT concat('comment', chr(31), shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = current_database()
UNION ALL
SELECT concat('encoding', chr(31), concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype, to_jsonb(d) ->> 'datlocprovider'))
FROM pg_database d WHERE datname = current_database()";
