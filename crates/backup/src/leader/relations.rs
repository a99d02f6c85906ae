//! Every relation of the source, and the proof that none was forgotten.

use std::collections::{HashMap, HashSet};

use lifeboat_core::index::{Relation, Skipped};
use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

use crate::postgres::{Session, rows};

/// A relation of the source under the snapshot.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct SourceRelation {
    pub(crate) oid: u32,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// `pg_class.relkind`: `r` table, `p` partitioned table, `m` materialized view, `S` sequence, `f` foreign table.
    pub(crate) kind: String,
    /// The extension it belongs to.
    extension: Option<String>,
    /// Whether its extension asks for its rows to be dumped.
    configuration: bool,
    /// The WHERE clause with which the extension asks for some of them only.
    pub(crate) condition: Option<String>,
    /// The root of the partition tree it is a leaf of.
    root: Option<u32>,
    /// Unlogged tables cannot be read on a standby.
    unreadable: bool,
}

impl SourceRelation {
    /// Whether pg_dump reads rows of it, so that it must be locked.
    pub(super) fn is_locked(&self) -> bool {
        matches!(self.kind.as_str(), "r" | "p") && self.is_dumped()
    }

    /// Whether a dump has rows that lie in it.
    pub(super) fn has_dumped_rows(&self) -> bool {
        self.kind == "r" && self.is_dumped() && !self.unreadable
    }

    /// Whether a dump sets its value.
    pub(super) fn has_dumped_value(&self) -> bool {
        self.kind == "S" && self.is_dumped() && !self.unreadable
    }

    fn is_dumped(&self) -> bool {
        self.extension.is_none() || self.configuration
    }
}

pub(super) async fn read(session: &mut dyn Session) -> Result<Vec<SourceRelation>> {
    rows(session, RELATIONS).await
}

/// Gives the script's relations their oids and kinds, and every other relation of the source its reason.
///
/// # Errors
/// [`Kind::Integrity`] when a table's rows are neither in the script nor skipped for a reason, or when the script holds
/// rows of a table that the snapshot does not have.
pub(crate) fn account_for(source: &[SourceRelation], script: &mut [Relation]) -> Result<Vec<Skipped>> {
    let by_name: HashMap<_, _> = source.iter().map(|s| ((s.schema.as_str(), s.name.as_str()), s)).collect();
    for relation in script.iter_mut() {
        let Some(found) = by_name.get(&(relation.schema.as_str(), relation.name.as_str())) else {
            return Err(unaccounted(&relation.schema, &relation.name, "is in the dump and not in the snapshot"));
        };
        relation.oid = Some(found.oid);
        relation.kind = Some(found.kind.clone());
        relation.condition = found.condition.clone();
    }
    let dumped: HashSet<_> = script.iter().filter_map(|relation| relation.oid).collect();
    let others = source.iter().filter(|relation| !dumped.contains(&relation.oid));
    others.map(|relation| skipped(relation, &dumped)).collect()
}

fn skipped(relation: &SourceRelation, dumped: &HashSet<u32>) -> Result<Skipped> {
    let reason = reason(relation, dumped)
        .ok_or_else(|| unaccounted(&relation.schema, &relation.name, "is in the snapshot and not in the dump"))?;
    Ok(Skipped {
        oid: relation.oid,
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        kind: relation.kind.clone(),
        reason,
    })
}

fn reason(relation: &SourceRelation, dumped: &HashSet<u32>) -> Option<String> {
    let reason = match relation.kind.as_str() {
        "p" => "a partitioned table: its rows are in its partitions",
        "m" => "a materialized view: its rows are computed at restore",
        "S" if relation.unreadable => "an unlogged sequence: a standby does not have its value",
        "S" if relation.extension.is_none() || relation.configuration => "a sequence: its value is set by the script",
        "f" => "a foreign table: its rows are at the foreign server",
        _ if relation.root.is_some_and(|root| dumped.contains(&root)) => {
            "its rows are loaded through its partition root"
        }
        _ if relation.unreadable => "an unlogged table: a standby does not have its rows",
        _ => return relation.extension.as_ref().map(|name| format!("it belongs to the extension {name}")),
    };
    Some(reason.to_owned())
}

fn unaccounted(schema: &str, name: &str, why: &str) -> Error {
    Error::new(Kind::Integrity, format!("account for every table: {schema}.{name} {why}"))
        .hint("run again; if it stays, report it with the output of `lifeboat show`")
}

const RELATIONS: &str = "
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, c.relkind::text AS kind, e.extname AS extension,
       coalesce(c.oid = ANY (e.extconfig), false) AS configuration,
       nullif(e.extcondition[array_position(e.extconfig, c.oid)], '') AS condition,
       CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid::bigint END AS root,
       c.relpersistence = 'u' AND pg_is_in_recovery() AS unreadable
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_depend d
       ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
LEFT JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
WHERE c.relkind IN ('r', 'p', 'm', 'S', 'f') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY n.nspname, c.relname";

#[cfg(test)]
mod tests {
    use lifeboat_core::codec::Fingerprint;
    use lifeboat_core::index::Relation;

    use super::{SourceRelation, account_for};

    fn source(oid: u32, name: &str, kind: &str, root: Option<u32>) -> SourceRelation {
        SourceRelation {
            oid,
            schema: "public".into(),
            name: name.into(),
            kind: kind.into(),
            extension: None,
            configuration: false,
            condition: None,
            root,
            unreadable: false,
        }
    }

    fn dumped(name: &str) -> Relation {
        Relation {
            oid: None,
            schema: "public".into(),
            name: name.into(),
            kind: None,
            columns: Vec::new(),
            condition: None,
            fingerprint: Fingerprint::default(),
        }
    }

    #[test]
    fn a_table_that_is_not_in_the_dump_is_refused() {
        let source = [source(1, "a", "r", None), source(2, "lost", "r", None)];
        let error = account_for(&source, &mut [dumped("a")]).unwrap_err();
        assert!(error.to_string().contains("public.lost"), "{error:?}");
    }

    #[test]
    fn every_other_relation_is_skipped_for_a_reason() {
        let source = [
            source(1, "root", "p", None),
            source(2, "leaf", "r", Some(1)),
            source(3, "numbers", "S", None),
            source(4, "plain_root", "p", None),
        ];
        let mut script = [dumped("root")];
        let skipped = account_for(&source, &mut script).unwrap();
        assert_eq!(script[0].oid, Some(1));
        assert_eq!(skipped.iter().map(|s| s.oid).collect::<Vec<_>>(), [2, 3, 4]);
        assert!(skipped[0].reason.contains("partition root"));
    }
}
