//! Gathers the planner's statistics, the largest tables first, over several sessions.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lifeboat_core::index::{Index, Relation};
use lifeboat_core::{Job as Run, Result};
use serde::Deserialize;

use super::crew::{Does, work_off};
use super::schedule::Job;
use super::worker::Worker;
use crate::postgres::{DirectSession, Session, rows};

/// Tables that can be analyzed before everything is restored.
pub(super) struct Early {
    /// Their names by their places in the index.
    names: BTreeMap<usize, String>,
    done: Mutex<BTreeSet<String>>,
}

impl Early {
    /// Finds them in a database in which everything is defined that has rows.
    pub(super) async fn find(session: &mut DirectSession, index: &Index) -> Result<Self> {
        let found: Vec<Plain> = rows(session, PLAIN_TABLES).await.map_err(|error| error.while_doing(ANALYZE))?;
        let mut names: HashMap<_, _> =
            found.into_iter().map(|table| ((table.schema, table.table), table.name)).collect();
        let name = |(position, relation): (usize, &Relation)| {
            Some((position, names.remove(&(relation.schema.clone(), relation.name.clone()))?))
        };
        Ok(Self { names: index.relations.iter().enumerate().filter_map(name).collect(), done: Mutex::default() })
    }

    /// Their places.
    pub(super) fn tables(&self) -> impl Iterator<Item = usize> {
        self.names.keys().copied()
    }

    /// Analyzes one of them.
    pub(super) async fn analyze(&self, table: usize, worker: &mut Worker) -> Result<()> {
        let Some(name) = self.names.get(&table) else { return Ok(()) };
        Analyzes.work(worker, format!("ANALYZE {name}")).await?;
        self.lock().insert(name.clone());
        Ok(())
    }

    fn is_done(&self, table: &Analyzed) -> bool {
        !table.again && self.lock().contains(&table.name)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Plain {
    schema: String,
    table: String,
    /// Qualified and quoted.
    name: String,
}

/// Analyzes every table of the database that needs it still, and every materialized view.
pub(super) async fn analyze(workers: &mut [Worker], early: &Early, job: &Run) -> Result<()> {
    job.step("analyze");
    let Some(first) = workers.first_mut() else { return Ok(()) };
    let found: Vec<Analyzed> = rows(&mut first.session, TABLES).await.map_err(|error| error.while_doing(ANALYZE))?;
    let tables: Vec<_> = found.into_iter().filter(|table| !early.is_done(table)).collect();
    let together = if first.session.server().version_num < TAKES_SEVERAL { 1 } else { BATCH_TABLES };
    work_off(workers, jobs(&tables, together), &Analyzes).await
}

#[derive(Deserialize)]
struct Analyzed {
    /// Qualified and quoted.
    name: String,
    bytes: u64,
    /// What was analyzed early has no statistics of expressions and of several columns, which may have been defined since.
    again: bool,
}

/// Small tables several to a statement.
fn jobs(tables: &[Analyzed], together: usize) -> Vec<Job<String>> {
    let mut batches: Vec<(u64, Vec<&str>)> = Vec::new();
    for table in tables {
        match batches.last_mut() {
            Some((bytes, names)) if *bytes + table.bytes <= BATCH_BYTES && names.len() < together => {
                *bytes += table.bytes;
                names.push(&table.name);
            }
            _ => batches.push((table.bytes, vec![&table.name])),
        }
    }
    let job = |(cost, names): (u64, Vec<&str>)| Job {
        what: format!("ANALYZE {}", names.join(", ")),
        cost,
        weight: cost,
        needs: Vec::new(),
        opens: Vec::new(),
        holds: Vec::new(),
    };
    batches.into_iter().map(job).collect()
}

struct Analyzes;

impl Does<String> for Analyzes {
    async fn work(&self, worker: &mut Worker, statement: String) -> Result<()> {
        worker.session.execute(&statement).await.map_err(|error| error.while_doing(ANALYZE))
    }
}

/// Partitions come with the table they are part of.
const PLAIN_TABLES: &str = "
SELECT n.nspname AS schema, c.relname AS table, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.oid >= 16384 AND NOT c.relispartition AND c.relpersistence <> 't'";
/// Partitions come with the table they are part of, as in an ANALYZE of that table.
const TABLES: &str = "
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name,
       pg_catalog.pg_relation_size(c.oid) AS bytes,
       EXISTS (SELECT FROM pg_catalog.pg_statistic_ext e WHERE e.stxrelid = c.oid)
       OR EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indexprs IS NOT NULL) AS again
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
ORDER BY 2 DESC, 1";
const ANALYZE: &str = "analyze";
const BATCH_BYTES: u64 = 64 << 20;
const BATCH_TABLES: usize = 100;
/// The version from which ANALYZE takes several tables.
const TAKES_SEVERAL: u32 = 110_000;
