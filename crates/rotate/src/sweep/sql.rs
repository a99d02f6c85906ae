//! The statements of a sweep, as text.
//!
//! Every name is quoted, every type and operator named with its schema or looked up in `pg_catalog`: the search path is empty.
//! Values are compared as text in the collation "C": `json` has no comparison, and others may call two texts equal.

use lifeboat_backup::postgres::quote_ident;

use super::catalog::{KeyColumn, Swept, ValueColumn};
use super::target::TableName;
use crate::columns::layout::Content;

/// `"schema"."table"`.
pub(super) fn table(name: &TableName) -> String {
    format!("{}.{}", quote_ident(&name.schema), quote_ident(&name.name))
}

/// What of a table a statement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// From a place to before another: `$1`, `$2`.
    Places,
    /// By key: after the first parameters, if `after`; before or at the next ones, if `until`; at most so many rows, which is the
    /// last parameter.
    Keys { after: bool, until: bool },
    /// The rows of these keys: one array for each column.
    These,
    /// A few rows from all over the table: the percentage and their number are parameters.
    Sample,
}

/// Reads place, key, AAD columns and values. `only` is a further condition.
pub(super) fn read(swept: &Swept, span: Span, only: Option<&str>) -> String {
    let table = table(&swept.name);
    let condition = only.map(|only| format!(" AND {only}")).unwrap_or_default();
    let columns = columns(swept);
    match span {
        Span::Places => {
            format!("SELECT {columns} FROM ONLY {table} AS t WHERE t.ctid >= $1 AND t.ctid < $2{condition}")
        }
        Span::Keys { after, until } => {
            let keys = &swept.key;
            let mut bounds = String::new();
            if after {
                bounds.push_str(&format!(" AND {}", beyond(keys, 1)));
            }
            let next = 1 + if after { keys.len() } else { 0 };
            if until {
                bounds.push_str(&format!(" AND {}", not_beyond(keys, next)));
            }
            let last = next + if until { keys.len() } else { 0 };
            format!(
                "SELECT {columns} FROM ONLY {table} AS t WHERE true{bounds}{condition} ORDER BY {} LIMIT ${last}::pg_catalog.int8",
                key_list(keys)
            )
        }
        Span::These => {
            let arrays: Vec<_> = (1..=swept.key.len()).map(|n| format!("${n}::pg_catalog.text[]")).collect();
            let names: Vec<_> = (0..swept.key.len()).map(|n| format!("k{n}")).collect();
            let equal: Vec<_> = (swept.key.iter().enumerate())
                .map(|(n, key)| {
                    format!(
                        "t.{} OPERATOR({}.=) u.k{n}::{}",
                        quote_ident(&key.name),
                        quote_ident(&key.operators),
                        key.kind
                    )
                })
                .collect();
            format!(
                "SELECT {columns} FROM unnest({}) AS u ({}) JOIN ONLY {table} AS t ON {}{condition}",
                arrays.join(", "),
                names.join(", "),
                equal.join(" AND ")
            )
        }
        Span::Sample => format!(
            "SELECT {columns} FROM ONLY {table} AS t TABLESAMPLE SYSTEM ($1::pg_catalog.float4) WHERE {} LIMIT $2::pg_catalog.int8",
            some_value(&swept.values)
        ),
    }
}

/// The keys at which a table is divided for several workers, each as a list of texts.
pub(super) fn quantiles(swept: &Swept) -> String {
    let texts: Vec<_> = swept.key.iter().map(|key| format!("{}::pg_catalog.text", quoted(key))).collect();
    format!(
        "SELECT ARRAY[{}] FROM (SELECT *, pg_catalog.row_number() OVER (ORDER BY {order}) AS \"#\", pg_catalog.count(*) OVER () AS \"##\" \
         FROM (SELECT {columns} FROM ONLY {table} AS t TABLESAMPLE SYSTEM ($1::pg_catalog.float4)) AS t) AS t \
         WHERE \"#\" % (\"##\" / $2::pg_catalog.int8 + 1) = 0 ORDER BY {order}",
        texts.join(", "),
        order = key_list(&swept.key),
        columns = swept.key.iter().map(quoted).collect::<Vec<_>>().join(", "),
        table = table(&swept.name),
    )
}

/// Writes values in the places of those that they were made of: `$1` are places, then the old and the new texts of each column,
/// then the columns of the AAD. Gives the numbers of those that were written, from 1.
pub(super) fn write(swept: &Swept) -> String {
    let table = table(&swept.name);
    let places = "$1::pg_catalog.tid[]".to_owned();
    let (mut arrays, mut names, mut sets, mut same) = (vec![places], vec!["place".to_owned()], Vec::new(), Vec::new());
    let mut kept = Vec::new();
    for (n, value) in swept.values.iter().enumerate() {
        for name in ["o", "n"] {
            arrays.push(format!("${}::pg_catalog.{}[]", arrays.len() + 1, wire(value)));
            names.push(format!("{name}{n}"));
        }
        sets.push(format!("{} = {}", quote_ident(&value.name), new_value(value, n)));
        same.push(format!("{} IS NOT DISTINCT FROM u.o{n}", compared(value)));
        kept.push(kept_value(value, n));
    }
    for (n, name) in swept.aad.iter().enumerate() {
        arrays.push(format!("${}::pg_catalog.text[]", arrays.len() + 1));
        names.push(format!("a{n}"));
        same.push(format!("t.{}::pg_catalog.text COLLATE \"C\" IS NOT DISTINCT FROM u.a{n}", quote_ident(name)));
    }
    // The statement fails as a whole, and says why, when a trigger changed what was to be written; it may be a minute old.
    let number = format!(
        "CASE WHEN {} THEN u.number ELSE ('{TRIGGERED}' || u.number)::pg_catalog.int8 END AS number",
        kept.join(" AND ")
    );
    format!(
        "UPDATE ONLY {table} AS t SET {} FROM unnest({}) WITH ORDINALITY AS u ({}, number) \
         WHERE t.ctid = u.place AND {} RETURNING {number}",
        sets.join(", "),
        arrays.join(", "),
        names.join(", "),
        same.join(" AND ")
    )
}

/// The table of a staged rotation: what values were, and what they become.
pub(super) fn shadow(rotation: i64) -> String {
    format!("lifeboat_rotate.shadow_{rotation}")
}

/// Creates it. Its index serves values of any length.
pub(super) fn create_shadow(swept: &Swept, rotation: i64) -> String {
    let mut columns = vec!["number pg_catalog.int8".to_owned()];
    for (n, value) in swept.values.iter().enumerate() {
        for name in ["o", "n"] {
            columns.push(format!("{name}{n} {}", kept_as(value)));
        }
    }
    columns.extend((0..swept.aad.len()).map(|n| format!("a{n} pg_catalog.text COLLATE \"C\"")));
    let shadow = shadow(rotation);
    format!(
        "BEGIN; CREATE TABLE IF NOT EXISTS {shadow} ({}); \
         CREATE INDEX IF NOT EXISTS shadow_{rotation}_old ON {shadow} USING hash (o0); COMMIT",
        columns.join(", ")
    )
}

fn kept_as(value: &ValueColumn) -> &'static str {
    match value.content {
        Content::Bytes => "pg_catalog.bytea",
        Content::Text => "pg_catalog.text COLLATE \"C\"",
    }
}

/// Keeps values and what they become: parameters as of [`write`].
pub(super) fn prepare(swept: &Swept, rotation: i64) -> String {
    let mut arrays = vec!["$1::pg_catalog.tid[]".to_owned()];
    let mut names = Vec::new();
    for (n, value) in swept.values.iter().enumerate() {
        for name in ["o", "n"] {
            arrays.push(format!("${}::pg_catalog.{}[]", arrays.len() + 1, wire(value)));
            names.push(format!("{name}{n}"));
        }
    }
    for n in 0..swept.aad.len() {
        arrays.push(format!("${}::pg_catalog.text[]", arrays.len() + 1));
        names.push(format!("a{n}"));
    }
    let names = names.join(", ");
    format!(
        "INSERT INTO {} ({names}, number) SELECT {names}, number FROM unnest({}) WITH ORDINALITY AS u (place, {names}, number) \
         RETURNING number",
        shadow(rotation),
        arrays.join(", ")
    )
}

/// Puts prepared values in place, or the kept ones back.
pub(super) fn put(swept: &Swept, rotation: i64, back: bool) -> String {
    let (from, to) = if back { ('n', 'o') } else { ('o', 'n') };
    let set = |(n, value): (usize, &ValueColumn)| match &value.cast {
        Some(kind) => format!("{} = u.{to}{n}::{kind}", quote_ident(&value.name)),
        None => format!("{} = u.{to}{n}", quote_ident(&value.name)),
    };
    let sets: Vec<_> = swept.values.iter().enumerate().map(set).collect();
    let (table, shadow) = (table(&swept.name), shadow(rotation));
    format!("UPDATE ONLY {table} AS t SET {} FROM {shadow} AS u WHERE {}", sets.join(", "), is_prepared(swept, from))
}

/// How many rows hold what a value was before it was prepared; `new`: what it becomes.
pub(super) fn count_prepared(swept: &Swept, rotation: i64, new: bool) -> String {
    format!(
        "SELECT pg_catalog.count(*) FROM ONLY {} AS t WHERE EXISTS (SELECT FROM {} AS u WHERE {})",
        table(&swept.name),
        shadow(rotation),
        is_prepared(swept, if new { 'n' } else { 'o' })
    )
}

/// Whether a row's value is not among those that were prepared.
pub(super) fn not_prepared(swept: &Swept, rotation: i64) -> String {
    format!("NOT EXISTS (SELECT FROM {} AS u WHERE {})", shadow(rotation), is_prepared(swept, 'o'))
}

/// Whether a row's value is a prepared one's: `o` for what it was, `n` for what it becomes.
fn is_prepared(swept: &Swept, which: char) -> String {
    let mut same: Vec<_> = (swept.values.iter().enumerate())
        .map(|(n, value)| match n {
            // By this one the row is found.
            0 => format!("u.{which}0 = {}", compared(value)),
            _ => format!("u.{which}{n} IS NOT DISTINCT FROM {}", compared(value)),
        })
        .collect();
    same.extend((swept.aad.iter().enumerate()).map(|(n, name)| {
        format!("u.a{n} IS NOT DISTINCT FROM t.{}::pg_catalog.text COLLATE \"C\"", quote_ident(name))
    }));
    same.join(" AND ")
}

/// Gives something when a row holds more than NULL and the empty text.
pub(super) fn any_value(swept: &Swept) -> String {
    let some = |value: &ValueColumn| match value.content {
        Content::Bytes => format!("pg_catalog.length({}) > 0", compared(value)),
        Content::Text => format!("{} <> ''", compared(value)),
    };
    let some: Vec<_> = swept.values.iter().map(some).collect();
    format!("SELECT 1 FROM ONLY {} AS t WHERE {} LIMIT 1", table(&swept.name), some.join(" OR "))
}

/// How many rows of a table a condition is true of.
pub(super) fn count_where(swept: &Swept, condition: &str) -> String {
    let condition = if swept.has_triggers { "false" } else { condition };
    format!("SELECT pg_catalog.count(*) FROM ONLY {} AS t WHERE {condition}", table(&swept.name))
}

/// A statement that gives numbers, and its transaction, with the checkpoint of a part in it: its position moves, so many values more are written and
/// rows seen.
pub(super) fn with_checkpoint(statement: &str, parameters: usize, rotation: i64) -> String {
    let [position, moves, seen, number] = [1, 2, 3, 4].map(|n| parameters + n);
    format!(
        "WITH written AS ({statement}), marked AS (UPDATE lifeboat_rotate.part SET \
         position = CASE WHEN ${moves}::pg_catalog.bool THEN ${position}::pg_catalog.text ELSE position END, \
         rotated = rotated + (SELECT pg_catalog.count(*) FROM written), seen = seen + ${seen}::pg_catalog.int8, \
         updated = pg_catalog.clock_timestamp() WHERE rotation = {rotation} AND number = ${number}::pg_catalog.int4) \
         SELECT number, (SELECT pg_catalog.txid_current()) FROM written"
    )
}

/// The checkpoint alone.
pub(super) fn checkpoint(rotation: i64) -> String {
    format!(
        "UPDATE lifeboat_rotate.part SET position = $1::pg_catalog.text, seen = seen + $2::pg_catalog.int8, \
         updated = pg_catalog.clock_timestamp() WHERE rotation = {rotation} AND number = $3::pg_catalog.int4"
    )
}

/// By these words the failure of a statement tells that a trigger changed what was to be written.
pub(super) const TRIGGERED: &str = "changed by a trigger: ";

/// The text or the bytes of a value, in a form that can be compared.
pub(super) fn compared(value: &ValueColumn) -> String {
    let name = quote_ident(&value.name);
    match value.content {
        Content::Bytes => format!("t.{name}"),
        Content::Text => format!("t.{name}::pg_catalog.text COLLATE \"C\""),
    }
}

/// A new value, as it is assigned. A text is cast to `json` only: a cast to `varchar(n)` would cut it in silence.
pub(super) fn new_value(value: &ValueColumn, n: usize) -> String {
    match &value.cast {
        Some(kind) => format!("u.n{n}::{kind}"),
        None => format!("u.n{n}"),
    }
}

/// `bytea` or `text`.
pub(super) fn wire(value: &ValueColumn) -> &'static str {
    match value.content {
        Content::Bytes => "bytea",
        Content::Text => "text",
    }
}

fn kept_value(value: &ValueColumn, n: usize) -> String {
    match (&value.cast, value.content) {
        (Some(kind), _) => format!("{} = u.n{n}::{kind}::pg_catalog.text COLLATE \"C\"", compared(value)),
        (None, _) => format!("{} = u.n{n}", compared(value)),
    }
}

fn columns(swept: &Swept) -> String {
    let mut columns = vec!["t.ctid".to_owned()];
    columns.extend(swept.key.iter().map(|key| format!("{}::pg_catalog.text", quoted(key))));
    columns.extend(swept.aad.iter().map(|name| format!("t.{}::pg_catalog.text", quote_ident(name))));
    columns.extend(swept.values.iter().map(|value| match value.content {
        Content::Bytes => format!("t.{}", quote_ident(&value.name)),
        Content::Text => format!("t.{}::pg_catalog.text", quote_ident(&value.name)),
    }));
    columns.join(", ")
}

fn some_value(values: &[ValueColumn]) -> String {
    let some: Vec<_> = values.iter().map(|value| format!("t.{} IS NOT NULL", quote_ident(&value.name))).collect();
    format!("({})", some.join(" OR "))
}

fn key_list(keys: &[KeyColumn]) -> String {
    keys.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

fn quoted(key: &KeyColumn) -> String {
    format!("t.{}", quote_ident(&key.name))
}

/// Whether a row's key lies beyond the parameters from `first` on. As a comparison of rows where that finds its operators, for
/// an index serves it best.
fn beyond(keys: &[KeyColumn], first: usize) -> String {
    if let Some(comparison) = of_rows(keys, ">", first) {
        return comparison;
    }
    let compared = |n: usize, operator: &str| {
        let schema = quote_ident(&keys[n].operators);
        format!("{} OPERATOR({schema}.{operator}) {}", quoted(&keys[n]), parameter(keys, first, n))
    };
    let alternatives: Vec<_> = (0..keys.len())
        .map(|n| (0..n).map(|before| compared(before, "=")).chain([compared(n, ">")]).collect::<Vec<_>>().join(" AND "))
        .collect();
    format!("({})", alternatives.join(" OR "))
}

fn not_beyond(keys: &[KeyColumn], first: usize) -> String {
    of_rows(keys, "<=", first).unwrap_or_else(|| format!("NOT {}", beyond(keys, first)))
}

fn of_rows(keys: &[KeyColumn], operator: &str, first: usize) -> Option<String> {
    let parameters: Vec<_> = (0..keys.len()).map(|n| parameter(keys, first, n)).collect();
    let found = keys.iter().all(|key| key.operators == "pg_catalog");
    found.then(|| format!("(({}) {operator} ({}))", key_list(keys), parameters.join(", ")))
}

fn parameter(keys: &[KeyColumn], first: usize, n: usize) -> String {
    format!("${}::pg_catalog.text::{}", first + n, keys[n].kind)
}
