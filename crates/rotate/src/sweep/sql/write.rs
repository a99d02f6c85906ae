//! What writes values, with the checkpoint in the same statement.

use lifeboat_backup::postgres::quote_ident;

use super::{arrays, compared, table};
use crate::sweep::catalog::{Swept, ValueColumn};
use crate::sweep::claim::Claim;

/// Writes values in the places of those that they were made of: `$1` are places, then the old and the new texts of each column,
/// then the columns of the AAD. Gives the numbers of those that were written, from 1. `fence`: nothing, or [`FENCE`].
pub(in crate::sweep) fn write(swept: &Swept, fence: &str) -> String {
    let table = table(&swept.name);
    let (arrays, names) = arrays(swept);
    let (mut sets, mut same, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for (n, value) in swept.values.iter().enumerate() {
        sets.push(format!("{} = {}", quote_ident(&value.name), new_value(value, n)));
        same.push(format!("{} IS NOT DISTINCT FROM u.o{n}", compared(value)));
        kept.push(kept_value(value, n));
    }
    for (n, name) in swept.aad.iter().enumerate() {
        let bound = format!("t.{}::pg_catalog.text COLLATE \"C\" IS NOT DISTINCT FROM u.a{n}", quote_ident(name));
        kept.push(bound.clone());
        same.push(bound);
    }
    // The statement fails as a whole, and says why, when a trigger changed what was to be written, or what it is bound to; it may be
    // a minute old.
    let number = format!(
        "CASE WHEN {} THEN u.number ELSE ('{TRIGGERED}' || u.number)::pg_catalog.int8 END AS number",
        kept.join(" AND ")
    );
    format!(
        "UPDATE ONLY {table} AS t SET {} FROM unnest({arrays}) WITH ORDINALITY AS u (place, {names}, number) \
         WHERE t.ctid = u.place AND {}{fence} RETURNING {number}",
        sets.join(", "),
        same.join(" AND ")
    )
}

/// A statement that gives numbers, and its transaction, with the checkpoint of a part in it: its position moves, so many values more are written and
/// rows seen. With [`FENCE`] in it, it writes only while part and rotation are this run's. It gives a row without a number where that is so
/// and nothing was written, and no row at all where it is not.
pub(in crate::sweep) fn with_checkpoint(statement: &str, parameters: usize, claim: Claim) -> String {
    let [position, moves, seen, number] = [1, 2, 3, 4].map(|n| parameters + n);
    let part = format!("rotation = {} AND number = ${number}::pg_catalog.int4", claim.rotation);
    format!(
        "WITH ours AS (SELECT FROM lifeboat_rotate.part WHERE {part} AND {} FOR NO KEY UPDATE), \
         written AS ({statement}), marked AS (UPDATE lifeboat_rotate.part SET \
         position = CASE WHEN ${moves}::pg_catalog.bool THEN ${position}::pg_catalog.text ELSE position END, \
         rotated = rotated + (SELECT pg_catalog.count(*) FROM written), seen = seen + ${seen}::pg_catalog.int8, \
         updated = pg_catalog.clock_timestamp() WHERE {part}{FENCE}) \
         SELECT written.number, (SELECT pg_catalog.txid_current()) FROM ours LEFT JOIN written ON true",
        is_open(claim)
    )
}

/// The checkpoint alone. Gives a row while part and rotation are this run's.
pub(in crate::sweep) fn checkpoint(claim: Claim) -> String {
    format!(
        "UPDATE lifeboat_rotate.part SET position = $1::pg_catalog.text, seen = seen + $2::pg_catalog.int8, \
         updated = pg_catalog.clock_timestamp() WHERE rotation = {} AND number = $3::pg_catalog.int4 AND {} RETURNING 1",
        claim.rotation,
        is_open(claim)
    )
}

/// Whoever ends or turns a rotation takes its parts away in the same transaction: a part that is locked says that this is still so.
fn is_open(claim: Claim) -> String {
    format!("EXISTS (SELECT FROM lifeboat_rotate.rotation r WHERE {})", claim.condition())
}

/// What a statement inside [`with_checkpoint`] has at the end of its condition.
pub(in crate::sweep) const FENCE: &str = " AND EXISTS (SELECT FROM ours)";

/// By these words the failure of a statement tells that a trigger changed what was to be written.
pub(in crate::sweep) const TRIGGERED: &str = "changed by a trigger: ";

/// A new value, as it is assigned. A text is cast to `json` only: a cast to `varchar(n)` would cut it in silence.
fn new_value(value: &ValueColumn, n: usize) -> String {
    match &value.cast {
        Some(kind) => format!("u.n{n}::{kind}"),
        None => format!("u.n{n}"),
    }
}

fn kept_value(value: &ValueColumn, n: usize) -> String {
    match &value.cast {
        Some(kind) => format!("{} = u.n{n}::{kind}::pg_catalog.text COLLATE \"C\"", compared(value)),
        None => format!("{} = u.n{n}", compared(value)),
    }
}
