//! The order in which rows go into tables whose foreign keys are in force.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_core::index::Index;
use lifeboat_core::{Kind, Result, ResultExt};
use serde::Deserialize;

use super::name::shown;
use super::part::Part;
use crate::postgres::{DirectSession, quote_literal, rows};

/// Positions in the index's relations, each behind those that it refers to; else the names of a circle.
pub(super) async fn of(
    part: &Part,
    index: &Index,
    session: &mut DirectSession,
) -> Result<std::result::Result<Vec<usize>, String>> {
    let names: Vec<_> =
        part.relations.iter().map(|at| (at, &index.relations[*at].schema, &index.relations[*at].name)).collect();
    let json = serde_json::to_string(&names).kind_of(Kind::Failure, || "write the tables' names".into())?;
    let trees: Vec<Tree> = rows(session, &TREES.replace("%WANTED%", &quote_literal(&json))).await?;
    let keys: Vec<Key> = rows(session, KEYS).await?;
    let (mut tables, mut roots) = (BTreeMap::<u32, Vec<usize>>::new(), BTreeMap::new());
    for tree in trees {
        tables.entry(tree.root).or_default().push(tree.position);
        roots.insert(tree.root, tree.position);
    }
    let name = |root: &u32| {
        let relation = &index.relations[roots[root]];
        shown(Some(&relation.schema), &relation.name)
    };
    Ok(order(&tables, &keys).map_err(|circle| circle.iter().map(name).collect::<Vec<_>>().join(", ")))
}

/// A table by its position and the root of its partition tree, which is itself where it is no partition.
#[derive(Deserialize)]
struct Tree {
    position: usize,
    root: u32,
}

/// A foreign key that is checked at the end of each statement, by the roots of both sides.
#[derive(Clone, Copy, Deserialize)]
struct Key {
    of: u32,
    to: u32,
}

/// Tables behind those they refer to. A table may refer to itself: all its rows come in one statement, which those of
/// several partitions do not.
fn order(tables: &BTreeMap<u32, Vec<usize>>, keys: &[Key]) -> std::result::Result<Vec<usize>, Vec<u32>> {
    let counts = |key: &&Key| tables.contains_key(&key.of) && tables.contains_key(&key.to);
    let keys: Vec<_> = keys.iter().filter(counts).filter(|key| key.of != key.to || tables[&key.of].len() > 1).collect();
    let (mut waiting, mut ordered): (BTreeSet<u32>, _) = (tables.keys().copied().collect(), Vec::new());
    while !waiting.is_empty() {
        let refers = |root: &u32| keys.iter().any(|key| key.of == *root && waiting.contains(&key.to));
        let ready: Vec<_> = waiting.iter().copied().filter(|root| !refers(root)).collect();
        if ready.is_empty() {
            return Err(circle(&waiting, &keys));
        }
        for root in ready {
            waiting.remove(&root);
            ordered.extend(&tables[&root]);
        }
    }
    Ok(ordered)
}

/// Follows keys among tables that each refer to another, until one comes again.
fn circle(tables: &BTreeSet<u32>, keys: &[&Key]) -> Vec<u32> {
    let mut path: Vec<u32> = tables.iter().copied().take(1).collect();
    while let Some(at) = path.last()
        && let Some(key) = keys.iter().find(|key| key.of == *at && tables.contains(&key.to))
    {
        if let Some(begin) = path.iter().position(|root| *root == key.to) {
            return path.split_off(begin);
        }
        path.push(key.to);
    }
    path
}

const TREES: &str = "
SELECT (w.value ->> 0)::int AS position, coalesce(pg_partition_root(c.oid)::oid, c.oid)::bigint AS root
FROM json_array_elements(%WANTED%) AS w
JOIN pg_namespace n ON n.nspname = w.value ->> 1
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.value ->> 2
ORDER BY 1";

const KEYS: &str = "
SELECT DISTINCT coalesce(pg_partition_root(conrelid)::oid, conrelid)::bigint AS of,
                coalesce(pg_partition_root(confrelid)::oid, confrelid)::bigint AS to
FROM pg_constraint WHERE contype = 'f' AND NOT condeferrable
ORDER BY 1, 2";

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Key, order};

    fn ordered(tables: &[(u32, &[usize])], keys: &[(u32, u32)]) -> Result<Vec<usize>, Vec<u32>> {
        let tables: BTreeMap<_, _> = tables.iter().map(|(root, positions)| (*root, positions.to_vec())).collect();
        let keys: Vec<_> = keys.iter().map(|&(of, to)| Key { of, to }).collect();
        order(&tables, &keys)
    }

    #[test]
    fn rows_come_behind_those_they_refer_to() {
        let tables: [(u32, &[usize]); 4] = [(10, &[0]), (20, &[1]), (30, &[2, 3]), (40, &[4])];
        assert_eq!(ordered(&tables, &[(10, 30), (30, 40), (20, 10), (20, 99)]), Ok(vec![4, 2, 3, 0, 1]));
        assert_eq!(ordered(&tables, &[(10, 10)]), Ok(vec![0, 1, 2, 3, 4]));
    }

    #[test]
    fn a_circle_is_named_without_what_leads_to_it() {
        let tables: [(u32, &[usize]); 3] = [(10, &[0]), (20, &[1]), (30, &[2])];
        assert_eq!(ordered(&tables, &[(10, 20), (20, 30), (30, 20)]), Err(vec![20, 30]));
        assert_eq!(ordered(&[(10, &[0, 1])], &[(10, 10)]), Err(vec![10]));
    }
}
