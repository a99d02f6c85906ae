//! Keys of several columns, compared as their index does.

use lifeboat_backup::postgres::quote_ident;

use crate::sweep::catalog::KeyColumn;

pub(super) fn key_list(keys: &[KeyColumn]) -> String {
    keys.iter().map(quoted).collect::<Vec<_>>().join(", ")
}

pub(super) fn quoted(key: &KeyColumn) -> String {
    format!("t.{}", quote_ident(&key.name))
}

/// Whether a row's key lies beyond the parameters from `first` on. As a comparison of rows where that finds its operators, for
/// an index serves it best.
pub(super) fn beyond(keys: &[KeyColumn], first: usize) -> String {
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

pub(super) fn not_beyond(keys: &[KeyColumn], first: usize) -> String {
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
