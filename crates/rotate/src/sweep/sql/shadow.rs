//! The values of a staged rotation, beside the table: what they were, and what they become.

use lifeboat_backup::postgres::quote_ident;

use super::{arrays, compared, table};
use crate::columns::layout::Content;
use crate::sweep::catalog::{Swept, ValueColumn};
use crate::sweep::target::Target;

/// The table of a staged rotation: what values were, and what they become.
pub(in crate::sweep) fn shadow(rotation: i64) -> String {
    format!("lifeboat_rotate.shadow_{rotation}")
}

/// Creates it. Its index serves values of any length. A partitioned table may have no partitions yet.
pub(in crate::sweep) fn create_shadow(target: &Target, rotation: i64) -> String {
    let mut columns = vec!["number pg_catalog.int8".to_owned()];
    for (n, (_, content)) in target.layout.columns().enumerate() {
        for name in ["o", "n"] {
            columns.push(format!("{name}{n} {}", kept_as(content)));
        }
    }
    columns.extend((0..target.aad.key_columns().len()).map(|n| format!("a{n} pg_catalog.text COLLATE \"C\"")));
    let shadow = shadow(rotation);
    format!(
        "BEGIN; CREATE TABLE IF NOT EXISTS {shadow} ({}); \
         CREATE INDEX IF NOT EXISTS shadow_{rotation}_old ON {shadow} USING hash (o0); COMMIT",
        columns.join(", ")
    )
}

fn kept_as(content: Content) -> &'static str {
    match content {
        Content::Bytes => "pg_catalog.bytea",
        Content::Text => "pg_catalog.text COLLATE \"C\"",
    }
}

/// Keeps values and what they become: parameters as of [`write`].
pub(in crate::sweep) fn prepare(swept: &Swept, rotation: i64, fence: &str) -> String {
    let (arrays, names) = arrays(swept);
    format!(
        "INSERT INTO {} ({names}, number) SELECT {names}, number FROM unnest({arrays}) WITH ORDINALITY AS u (place, {names}, number) \
         WHERE true{fence} RETURNING number",
        shadow(rotation)
    )
}

/// Puts prepared values in place, or the kept ones back.
pub(in crate::sweep) fn put(swept: &Swept, rotation: i64, back: bool) -> String {
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
pub(in crate::sweep) fn count_prepared(swept: &Swept, rotation: i64, new: bool) -> String {
    format!(
        "SELECT pg_catalog.count(*) FROM ONLY {} AS t WHERE EXISTS (SELECT FROM {} AS u WHERE {})",
        table(&swept.name),
        shadow(rotation),
        is_prepared(swept, if new { 'n' } else { 'o' })
    )
}

/// Whether a row's value is not among those that were prepared.
pub(in crate::sweep) fn not_prepared(swept: &Swept, rotation: i64) -> String {
    format!("NOT EXISTS (SELECT FROM {} AS u WHERE {})", shadow(rotation), is_prepared(swept, 'o'))
}

/// Whether a row's value is a prepared one's: `o` for what it was, `n` for what it becomes.
fn is_prepared(swept: &Swept, which: char) -> String {
    let mut same: Vec<_> = (swept.values.iter().enumerate())
        .map(|(n, value)| match n {
            // By this one a prepared value is found. No index of the table itself serves it: one may be broken.
            0 => format!("u.{which}0 = ({} || '')", compared(value)),
            _ => format!("u.{which}{n} IS NOT DISTINCT FROM {}", compared(value)),
        })
        .collect();
    same.extend((swept.aad.iter().enumerate()).map(|(n, name)| {
        format!("u.a{n} IS NOT DISTINCT FROM t.{}::pg_catalog.text COLLATE \"C\"", quote_ident(name))
    }));
    same.join(" AND ")
}
