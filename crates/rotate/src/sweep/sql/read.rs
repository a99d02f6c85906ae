//! What reads rows, in the order of their keys or as they lie.

use lifeboat_backup::postgres::quote_ident;

use super::keys::{beyond, key_list, not_beyond, quoted};
use super::table;
use crate::columns::layout::Content;
use crate::sweep::catalog::Swept;

/// What of a table a statement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sweep) enum Span {
    /// From a place to before another: `$1`, `$2`.
    Places,
    /// By key: after the first parameters, if `after`; before or at the next ones, if `until`; at most so many rows, which is the
    /// last parameter.
    Keys { after: bool, until: bool },
    /// Every row, as it lies.
    All,
    /// The rows of these keys: one array for each column.
    These,
    /// A few rows from all over the table: the percentage and their number are parameters.
    Sample,
}

/// Reads place, key, AAD columns and values. `only` is a further condition.
pub(in crate::sweep) fn read(swept: &Swept, span: Span, only: Option<&str>) -> String {
    let table = table(&swept.name);
    let condition = only.map(|only| format!(" AND {only}")).unwrap_or_default();
    let columns = columns(swept);
    match span {
        Span::Places => {
            format!("SELECT {columns} FROM ONLY {table} AS t WHERE t.ctid >= $1 AND t.ctid < $2{condition}")
        }
        Span::All => format!("SELECT {columns} FROM ONLY {table} AS t WHERE true{condition}"),
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
            some_value(swept)
        ),
    }
}

/// The keys at which a table is divided for several workers, each as a list of texts.
pub(in crate::sweep) fn quantiles(swept: &Swept) -> String {
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

/// The condition that a row has something in a column of the value. No index serves it: one may be broken.
pub(in crate::sweep) fn some_value(swept: &Swept) -> String {
    let values: Vec<_> = swept.values.iter().map(|value| format!("t.{}", quote_ident(&value.name))).collect();
    format!("(pg_catalog.num_nonnulls({}) > 0)", values.join(", "))
}
