//! Rotations under way that write the same columns as a target, of the same rows: under another name of the table, or in some of its
//! columns.

use lifeboat_backup::postgres::{DirectSession, Session as _, quote_literal};
use lifeboat_core::{Error, Kind, Result};

use super::book::{columns_of, open_entries};
use super::errand::Errand;
use super::schema;
use super::strays::oids;
use super::target::{TableName, Target};

/// Refuses targets that another rotation overlaps.
pub(super) async fn refuse_overlap(session: &mut DirectSession, errands: &[Errand<'_>]) -> Result<()> {
    if !schema::exists(session).await? {
        return Ok(());
    }
    for errand in errands {
        let target = errand.target;
        let Some(entry) = open_entries(session, &overlapping(errand)).await?.pop() else { continue };
        let columns = entry.columns.join("+");
        let other = if entry.table() == target.table { columns } else { format!("{}.{columns}", entry.table()) };
        return Err(Error::new(Kind::Policy, format!("rotate {target} beside the rotation of {other}"))
            .hint(format!("nothing was written: finalize the rotation of {other}, or roll it back, first")));
    }
    Ok(())
}

/// That of the target itself is none: same table, same columns.
fn overlapping(errand: &Errand<'_>) -> String {
    let (columns, own) = (columns_of(errand.target), own(errand.target));
    format!("columns && {columns} AND NOT ({own} AND columns = {columns}) AND {}", of_same_rows(errand))
}

/// Whether a rotation in the book is of rows that a target is of. A rotation is of the table that has its name now; of the one that it
/// began with, while none has.
pub(super) fn of_same_rows(errand: &Errand<'_>) -> String {
    let own = own(errand.target);
    let root = format!("coalesce(({}), r.relation)", table_named("r.schema_name", "r.table_name"));
    format!("({own} OR {})", has_in_tree(&root, errand))
}

/// Whether a row of a target is a row of that table, too, or of one below it.
pub(super) async fn has_rows_of(session: &mut DirectSession, errand: &Errand<'_>, table: &TableName) -> Result<bool> {
    let root = table_named(&quote_literal(&table.schema), &quote_literal(&table.name));
    let found = session.text(&format!("SELECT {}", has_in_tree(&format!("({root})"), errand))).await?;
    Ok(found.as_deref() == Some("t"))
}

/// Whether one of a target's tables is that one, or below it.
fn has_in_tree(root: &str, errand: &Errand<'_>) -> String {
    let relations = oids(errand.relations.iter().map(|swept| swept.oid));
    format!(
        "EXISTS ( \
             WITH RECURSIVE tree (oid) AS (SELECT {root} UNION SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid) \
             SELECT FROM tree WHERE tree.oid = ANY ({relations}))"
    )
}

fn table_named(schema: &str, name: &str) -> String {
    format!(
        "SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {schema} AND c.relname = {name}"
    )
}

fn own(target: &Target) -> String {
    let (schema, name) = (quote_literal(&target.table.schema), quote_literal(&target.table.name));
    format!("schema_name = {schema} AND table_name = {name}")
}
