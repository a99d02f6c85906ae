//! What a backup would do, found out under the locks it would take.

use lifeboat_core::codec::MEMBER_BYTES;
use lifeboat_core::manifest::Method;
use lifeboat_core::store::{Store, UploadOptions};
use lifeboat_core::{Job, Name, Result};
use serde::Serialize;

use super::BackupOptions;
use super::open::{Opened, open};
use crate::parallel::{Choice, WORKER_BYTES};
use crate::source::Source;
use crate::stream::HANDOFF_BYTES;

/// What a backup would do.
#[derive(Clone, Debug, Serialize)]
pub struct BackupPlan {
    /// The database's name in the store.
    pub database: Name,
    /// Where it is reached.
    pub reached: String,
    /// The method.
    pub method: Method,
    /// Why it is not the method `parallel`, where that was not asked for.
    pub method_reason: Option<String>,
    /// Connections that dump rows.
    pub workers: usize,
    /// What dumps it, as in `pg_dump (PostgreSQL) 15.18`.
    pub pg_dump: String,
    /// The server's version, where a leader could ask.
    pub server_version_num: Option<u32>,
    /// `pg_database_size`, indexes included.
    pub database_bytes: Option<u64>,
    /// Tables whose rows would be dumped.
    pub tables: Option<usize>,
    /// The store.
    pub store: String,
    /// Most memory the run will take beside `pg_dump`'s own: an upper bound.
    pub memory_bytes: u64,
}

/// Finds out what a backup of `source` would do, under the locks it would take, and changes nothing.
///
/// # Errors
/// Those of a backup before its first byte.
pub async fn plan(source: &Source, store: &Store, options: &BackupOptions, job: &Job) -> Result<BackupPlan> {
    let Opened { leader, tools, choice, .. } = job.run(Box::pin(open(source, options, job))).await?;
    let leader = leader.as_ref();
    let tables = leader.map(|leader| leader.relations.iter().filter(|relation| relation.kind == "r").count());
    tables.and_then(no_tables).inspect(|warning| job.warn(warning));
    let memory_bytes = memory_bytes(&options.upload, &choice);
    let (method, method_reason, workers) = match choice {
        Choice::Parallel(workers) => (Method::Parallel, None, workers),
        Choice::Stream(reason) => (Method::Stream, reason, 1),
    };
    Ok(BackupPlan {
        database: source.name.clone(),
        reached: source.reach.display(),
        method,
        method_reason,
        workers,
        pg_dump: tools.version.clone(),
        server_version_num: leader.map(|leader| leader.facts.server_version_num),
        database_bytes: leader.map(|leader| leader.facts.size_bytes),
        tables,
        store: store.address().to_owned(),
        memory_bytes,
    })
}

/// A connection string that names no database leads to one that is there and empty.
pub(super) fn no_tables(tables: usize) -> Option<String> {
    (tables == 0)
        .then(|| "the database has no tables with rows to dump: make sure that it is the one you mean".to_owned())
}

/// Most memory a run takes beside twice the longest row: parts in flight and those being filled; what lies between a
/// session and its thread; members on their way through the compressors; and the program itself.
#[must_use]
pub(super) fn memory_bytes(upload: &UploadOptions, choice: &Choice) -> u64 {
    let (writers, each) = match choice {
        Choice::Parallel(workers) => (*workers as u64, WORKER_BYTES as u64),
        Choice::Stream(_) => (1, 3 * MEMBER_BYTES as u64 + HANDOFF_BYTES as u64),
    };
    (upload.parts_in_flight as u64 + writers) * upload.part_bytes as u64 + writers * each + PROGRAM_BYTES
}

const PROGRAM_BYTES: u64 = 32 << 20;
