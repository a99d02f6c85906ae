//! What has to be printed of the restored database so that it can be compared with the relations of the index.

use std::collections::{HashMap, HashSet};

use lifeboat_core::Result;
use lifeboat_core::index::Relation;
use serde::Deserialize;

use super::Extent;
use crate::postgres::{Session, rows};

/// A table whose rows belong to a relation of the index.
#[derive(Clone, Debug)]
pub struct Printed {
    /// Position in the index.
    pub relation: usize,
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Columns in the order of the rows.
    pub columns: Vec<String>,
    /// The WHERE clause of an extension's configuration table.
    pub condition: Option<String>,
    heap: bool,
    pages: u64,
    bytes: u64,
}

impl Printed {
    /// As far as it matters for cutting it. Pages mean something to heap tables only; a query without columns prints no rows
    /// of a range.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let can_be_cut = self.heap && self.condition.is_none() && !self.columns.is_empty();
        Extent { pages: self.pages, bytes: self.bytes, can_be_cut }
    }

    fn of(relation: usize, told: &Relation, table: &Table) -> Self {
        Self {
            relation,
            schema: table.schema.clone(),
            name: table.name.clone(),
            columns: told.columns.clone(),
            condition: told.condition.clone(),
            heap: table.heap,
            pages: table.pages,
            bytes: table.bytes,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Table {
    schema: String,
    name: String,
    kind: String,
    root_schema: Option<String>,
    root_name: Option<String>,
    heap: bool,
    pages: u64,
    bytes: u64,
}

/// The tables that hold the rows of `relations`; none for a relation that is not there.
///
/// # Errors
/// Those of the session.
pub async fn printed(session: &mut dyn Session, relations: &[Relation]) -> Result<Vec<Printed>> {
    let tables: Vec<Table> = rows(session, TABLES).await?;
    Ok(assign(&tables, relations))
}

/// A partition root stands for those of its leaves whose rows were loaded through it: all that the index does not name.
fn assign(tables: &[Table], relations: &[Relation]) -> Vec<Printed> {
    let named: HashSet<_> = relations.iter().map(|relation| (&*relation.schema, &*relation.name)).collect();
    let by_name: HashMap<_, _> = tables.iter().map(|table| ((&*table.schema, &*table.name), table)).collect();
    let mut printed = Vec::new();
    for (position, relation) in relations.iter().enumerate() {
        let Some(table) = by_name.get(&(&*relation.schema, &*relation.name)) else { continue };
        if table.kind == "r" {
            printed.push(Printed::of(position, relation, table));
            continue;
        }
        let leaves = tables.iter().filter(|leaf| leaf.is_leaf_of(table));
        let leaves = leaves.filter(|leaf| !named.contains(&(&*leaf.schema, &*leaf.name)));
        printed.extend(leaves.map(|leaf| Printed::of(position, relation, leaf)));
    }
    printed
}

impl Table {
    fn is_leaf_of(&self, root: &Self) -> bool {
        let of = (self.root_schema.as_ref(), self.root_name.as_ref());
        self.kind == "r" && of == (Some(&root.schema), Some(&root.name))
    }
}

const TABLES: &str = "
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind,
       rn.nspname AS root_schema, r.relname AS root_name,
       coalesce((SELECT amname = 'heap' FROM pg_am m WHERE m.oid = c.relam), false) AS heap,
       coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint AS pages,
       coalesce(pg_relation_size(c.oid), 0)
           + CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE coalesce(pg_relation_size(c.reltoastrelid), 0) END AS bytes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class r ON c.relispartition AND r.oid = pg_partition_root(c.oid)
LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')";

#[cfg(test)]
mod tests {
    use lifeboat_core::codec::Fingerprint;
    use lifeboat_core::index::Relation;

    use super::{Table, assign};

    fn table(name: &str, kind: &str, root: Option<&str>) -> Table {
        Table {
            schema: "public".into(),
            name: name.into(),
            kind: kind.into(),
            root_schema: root.map(|_| "public".into()),
            root_name: root.map(Into::into),
            heap: true,
            pages: 1,
            bytes: 1,
        }
    }

    fn relation(name: &str) -> Relation {
        Relation {
            oid: None,
            schema: "public".into(),
            name: name.into(),
            kind: None,
            columns: vec!["x".into()],
            condition: None,
            fingerprint: Fingerprint::default(),
        }
    }

    #[test]
    fn a_root_stands_for_the_leaves_that_were_loaded_through_it() {
        let tables = [
            table("root", "p", None),
            table("plain_leaf", "r", Some("root")),
            table("hashed", "p", Some("root")),
            table("hashed_0", "r", Some("root")),
            table("hashed_1", "r", Some("root")),
            table("other", "r", None),
        ];
        let found = assign(&tables, &[relation("root"), relation("plain_leaf"), relation("gone")]);
        let found: Vec<_> = found.iter().map(|printed| (printed.relation, printed.name.as_str())).collect();
        assert_eq!(found, [(0, "hashed_0"), (0, "hashed_1"), (1, "plain_leaf")]);
    }
}
