//! `rows`: the rows of every table are those that were dumped.
//!
//! Each table is printed again as it was printed for the dump, and the fingerprint of the lines is compared with the index.
//! Nobody has to trust the restore for that: the server is asked what it would dump now.

mod coverage;
mod difference;
mod judge;
mod queue;
mod worker;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use lifeboat_backup::postgres::{DirectSession, Session as _};
use lifeboat_backup::restore::row_encoding;
use lifeboat_backup::rows::{PlanOptions, Printed, plan, printed, reads_page_ranges, set_up};
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Error, Job, Kind, Result};

use super::said::{Check, many};
use super::session::{open, open_reading};
use super::{Checked, Subject, Verdict};
use coverage::Coverage;
use queue::{Ended, Queue};
use worker::{Shared, Worker};

/// Compares rows, and notes in `checked` which tables are proven.
///
/// # Errors
/// [`Kind::Cancelled`].
pub(super) async fn check(subject: &Subject<'_>, checked: &mut Checked, job: &Job) -> Result<()> {
    let check = Check { proves_data: true, ..Check::new("rows", PROVES) };
    let mut was_read = false;
    let work = async {
        let ended = compare_all(subject, job).await?;
        was_read = true;
        let by_others = subject.archive.manifest.imported.is_some();
        Ok(judge::judge(&subject.archive.index.relations, &ended, by_others, checked))
    };
    let report = check.run(work).await?;
    if report.outcome == Verdict::Inconclusive && !was_read {
        checked.leave_open("the rows of every table", report.summary.clone());
    }
    checked.reports.push(report);
    Ok(())
}

/// How the comparison of each relation ended, by its position in the index.
async fn compare_all(subject: &Subject<'_>, job: &Job) -> Result<BTreeMap<usize, Ended>> {
    let index = &subject.archive.index;
    let names: Vec<_> = index.relations.iter().map(|relation| (&*relation.schema, &*relation.name)).collect();
    let coverage = Coverage::plan(&names, subject.drills, subject.options.rows);
    let encoding = job.run(Box::pin(row_encoding(subject.store, subject.archive, job))).await?;
    let (rows, tables) = (many(index.rows(), "row"), many(names.len() as u64, "table"));
    job.step(&format!("compare {rows} of {tables} with their fingerprints"));
    job.expect(Counter::Rows, index.rows());
    let mut leader = job.run(open_reading(subject.target, job)).await?;
    let snapshot = job.run(leader.text("SELECT pg_catalog.pg_export_snapshot()")).await?.unwrap_or_default();
    let tables = job.run(printed(&mut leader, &index.relations)).await?;
    let by_pages = reads_page_ranges(leader.server().version_num / 10_000);
    let queue = queue(&tables, coverage, subject.options.jobs.max(1), by_pages);
    let set_up = set_up(subject.archive);
    let shared = Arc::new(Shared { job: job.clone(), queue, tables, snapshot, encoding, set_up });
    run_all(subject, &shared, &mut leader, job).await?;
    leader.close().await;
    Ok(shared.queue.ended())
}

/// The chunks of all tables: first those that must be compared, the largest first, then the others as their turn comes.
fn queue(tables: &[Printed], coverage: Coverage, workers: usize, by_pages: bool) -> Queue {
    let extents: Vec<_> = tables.iter().map(Printed::extent).collect();
    let mut chunks = plan(&extents, PlanOptions { workers, chunk_bytes: CHUNK_BYTES, by_pages });
    // Stable: within a turn the largest stay first.
    chunks.sort_by_key(|chunk| coverage.turn(tables[chunk.table].relation));
    let there: HashSet<_> = tables.iter().map(|table| table.relation).collect();
    let missing = coverage.all().filter(|relation| !there.contains(relation)).collect();
    let chunks = chunks.into_iter().map(|chunk| (tables[chunk.table].relation, chunk));
    Queue::new(chunks.collect(), &missing, coverage, Instant::now())
}

/// Sessions of their own compare; where the server has no more, fewer do. Ends when the queue is empty, or nobody is left.
async fn run_all(subject: &Subject<'_>, shared: &Arc<Shared>, leader: &mut DirectSession, job: &Job) -> Result<()> {
    let mut workers = tokio::task::JoinSet::new();
    for number in 0..shared.queue.useful_workers(subject.options.jobs.max(1)) {
        match job.run(Box::pin(join(subject, shared, job))).await {
            Ok(worker) => workers.spawn(worker.work()),
            Err(error) if error.kind() == Kind::Cancelled || number == 0 => return Err(error),
            Err(_) => break,
        };
    }
    while let Some(ended) = workers.join_next().await {
        ended.unwrap_or_else(|_| Err(Error::new(Kind::Failure, "compare rows: a worker panicked")))?;
    }
    // What the workers have read counts whether or not the leader is still there.
    drop(leader.execute("COMMIT").await);
    job.check()
}

async fn join(subject: &Subject<'_>, shared: &Arc<Shared>, job: &Job) -> Result<Worker> {
    let session = open(subject.target, "drill-rows", job).await?;
    Worker::join(Arc::clone(shared), session).await
}

const PROVES: &str = "the rows of every table that was compared are those that were dumped, all of them and no others";
/// As in a dump: ranges that take a few seconds each.
const CHUNK_BYTES: u64 = 512 << 20;
