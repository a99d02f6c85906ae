//! Gathers the planner's statistics, the largest tables first, over several sessions.

use lifeboat_core::{Job as Run, Result};
use serde::Deserialize;

use super::crew::{Does, work_off};
use super::schedule::Job;
use super::worker::Worker;
use crate::postgres::{Session, rows};

/// Analyzes every table of the database, and every materialized view.
pub(super) async fn analyze(workers: &mut [Worker], job: &Run) -> Result<()> {
    job.step("analyze");
    let Some(first) = workers.first_mut() else { return Ok(()) };
    let tables: Vec<Analyzed> = rows(&mut first.session, TABLES).await.map_err(|error| error.while_doing(ANALYZE))?;
    let together = if first.session.server().version_num < TAKES_SEVERAL { 1 } else { BATCH_TABLES };
    work_off(workers, jobs(&tables, together), &Analyzes).await
}

#[derive(Deserialize)]
struct Analyzed {
    /// Qualified and quoted.
    name: String,
    bytes: u64,
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

/// Partitions come with the table they are part of, as in an ANALYZE of that table.
const TABLES: &str = "
SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name,
       pg_catalog.pg_relation_size(c.oid) AS bytes
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
ORDER BY 2 DESC, 1";
const ANALYZE: &str = "analyze";
const BATCH_BYTES: u64 = 64 << 20;
const BATCH_TABLES: usize = 100;
/// The version from which ANALYZE takes several tables.
const TAKES_SEVERAL: u32 = 110_000;
