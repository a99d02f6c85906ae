//! The method `parallel`: one snapshot, several connections that dump rows, and a schema archive.
//!
//! Invariant: all rows are of the leader's snapshot, every chunk is in exactly one finished object, and what a lost connection
//! left unfinished is dumped again by another.

mod blocks;
mod choose;
mod lane;
pub(crate) mod queue;
mod sections;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lifeboat_core::codec::{Fingerprint, ObjectWriter};
use lifeboat_core::index::{Content, Relation};
use lifeboat_core::store::layout::Piece;
use lifeboat_core::store::{Parts, UploadOptions};
use lifeboat_core::{Job, Kind, Result};

pub(crate) use choose::{Choice, choose};
pub(crate) use sections::{large_objects, section, sequences};
pub(crate) use worker::LOCK_TRIES;

use crate::indexed::IndexedScript;
use crate::leader::{Leader, LoadedInto, SourceTable};
use crate::objects::BackupObjects;
use crate::postgres::{ConnectOptions, ConnectionSettings, Retry, connect, quote_ident};
use crate::rows::{Extent, PlanOptions, plan, reads_page_ranges};
use blocks::{Blocks, Cuts, DataObject, Objects};
use lane::Lane;
use queue::Queue;
use worker::{Shared, Worker};

/// What bounds a dump of rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// SQL bytes of a range of rows.
    pub(crate) range_bytes: u64,
    /// SQL bytes after which an object ends at the next chunk: so much is dumped again when its connection is lost.
    pub(crate) object_bytes: u64,
    /// SQL bytes that no object exceeds.
    pub(crate) object_bytes_max: u64,
    /// How long to wait for a table.
    pub(crate) lock_timeout: Duration,
}

impl Limits {
    /// The limits that options and store set. A tenth of an object is left for what compression may add and the last batch.
    pub(crate) fn new(upload: &UploadOptions, chunk_bytes: u64, lock_timeout: Duration) -> Self {
        let parts = upload.parts_max - upload.parts_max.div_ceil(10);
        let object_bytes_max = parts * upload.part_bytes as u64;
        Self {
            range_bytes: chunk_bytes,
            object_bytes: OBJECT_BYTES.min(object_bytes_max),
            object_bytes_max,
            lock_timeout,
        }
    }
}

const OBJECT_BYTES: u64 = 2 << 30;

/// A table, and its place in the index.
pub(crate) struct DumpedTable {
    source: SourceTable,
    relation: usize,
    /// `COPY … FROM stdin;`, in the source's encoding.
    copy_line: Vec<u8>,
}

/// The tables of a dump, and the relations of its index.
pub(crate) struct Tables {
    dumped: Vec<DumpedTable>,
    relations: Vec<Relation>,
}

impl Tables {
    /// Reads the tables under the leader's snapshot.
    pub(crate) async fn read(leader: &mut Leader) -> Result<Self> {
        let sources = leader.tables().await?;
        let lines: Vec<_> = sources.iter().map(copy_line).collect();
        let lines = leader.encode(&lines).await?;
        let mut tables = Self { dumped: Vec::with_capacity(sources.len()), relations: Vec::new() };
        let mut positions = std::collections::HashMap::new();
        for (source, copy_line) in sources.into_iter().zip(lines) {
            let relation = *positions.entry(source.into.clone()).or_insert_with(|| {
                tables.relations.push(relation(&source));
                tables.relations.len() - 1
            });
            tables.dumped.push(DumpedTable { source, relation, copy_line });
        }
        Ok(tables)
    }

    /// How many SQL bytes they are likely to be.
    pub(crate) fn bytes(&self) -> u64 {
        self.dumped.iter().map(|table| table.source.bytes).sum()
    }
}

fn relation(source: &SourceTable) -> Relation {
    let LoadedInto { schema, name } = source.into.clone();
    let columns = source.columns.clone();
    Relation { oid: None, schema, name, kind: None, columns, condition: None, fingerprint: Fingerprint::default() }
}

fn copy_line(source: &SourceTable) -> String {
    let columns: Vec<_> = source.columns.iter().map(|column| quote_ident(column)).collect();
    let columns = if columns.is_empty() { String::new() } else { format!("({})", columns.join(", ")) };
    format!("COPY {}.{} {columns} FROM stdin;\n", quote_ident(&source.into.schema), quote_ident(&source.into.name))
}

/// Dumps the rows of `tables` over `workers` connections into the `data` objects of the script.
pub(crate) async fn dump_rows(
    job: &Job,
    leader: &LeaderView,
    tables: Tables,
    workers: usize,
    objects: BackupObjects,
    limits: Limits,
) -> Result<IndexedScript> {
    let Tables { dumped, mut relations } = tables;
    let extents: Vec<_> = dumped.iter().map(|table| Extent::from(&table.source)).collect();
    let options = PlanOptions { workers, chunk_bytes: limits.range_bytes, by_pages: reads_page_ranges(leader.major) };
    let chunks = plan(&extents, options);
    let workers = workers.clamp(1, chunks.len().max(1));
    let stop = Job::new(job.monitor.clone(), job.cancel.child_token());
    let shared = Arc::new(Shared {
        job: stop.clone(),
        queue: Queue::new(chunks, workers),
        tables: dumped,
        snapshot: leader.snapshot.clone(),
        encoding: leader.encoding.clone(),
        limits,
    });
    let joined = join_all(&shared, leader, workers, &objects).await?;
    drop(objects);
    let dumped = run_all(joined, &stop).await?;
    let mut script = IndexedScript::default();
    for object in dumped {
        add(&mut script, &mut relations, object);
    }
    script.relations = relations;
    Ok(script)
}

/// What a worker needs of the leader, whose session is in use meanwhile.
pub(crate) struct LeaderView {
    pub(crate) settings: ConnectionSettings,
    pub(crate) connect: ConnectOptions,
    pub(crate) snapshot: String,
    pub(crate) encoding: String,
    pub(crate) major: u32,
}

/// All workers that can be had, before the first row. Where the server has fewer connections left than it had a moment ago,
/// fewer do.
async fn join_all(
    shared: &Arc<Shared>,
    leader: &LeaderView,
    workers: usize,
    objects: &BackupObjects,
) -> Result<Vec<Worker>> {
    let numbers = Arc::new(AtomicUsize::new(0));
    let (mut joined, mut failed) = (Vec::new(), None);
    for _ in 0..workers {
        let objects = DataObjects { objects: objects.clone(), numbers: numbers.clone() };
        // The first waits for a server that has to start again; with it, the others are not worth the wait.
        let connect = match joined.is_empty() {
            true => leader.connect.clone(),
            false => ConnectOptions { retry: Retry::never(), ..leader.connect.clone() },
        };
        match shared.job.run(Box::pin(join(shared, leader, &connect, objects))).await {
            Ok(worker) => joined.push(worker),
            Err(error) if error.kind() == Kind::Database => {
                shared.queue.leave();
                failed.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match failed {
        Some(error) if joined.is_empty() => return Err(error),
        Some(error) => {
            shared.job.warn(&format!("dumping over {} of {workers} connections: {}", joined.len(), error.chain()));
        }
        None => {}
    }
    Ok(joined)
}

async fn join(
    shared: &Arc<Shared>,
    leader: &LeaderView,
    options: &ConnectOptions,
    objects: DataObjects,
) -> Result<Worker> {
    let session = connect(&leader.settings, "rows", options, &*shared.job.monitor).await?;
    let cuts = Cuts { range_bytes: shared.limits.range_bytes, object_bytes: shared.limits.object_bytes_max };
    let lane = Lane::start(move || Blocks::new(objects, cuts));
    Worker::join(Arc::clone(shared), session, lane).await
}

/// The first error ends all. One worker's objects stay together: a block may begin in one and go on in the next.
async fn run_all(workers: Vec<Worker>, stop: &Job) -> Result<Vec<DataObject>> {
    let mut tasks: tokio::task::JoinSet<_> = workers.into_iter().map(Worker::work).collect();
    let (mut objects, mut failed) = (Vec::new(), None);
    while let Some(ended) = tasks.join_next().await {
        let ended =
            ended.unwrap_or_else(|_| Err(lifeboat_core::Error::new(Kind::Failure, "dump rows: a worker panicked")));
        match ended {
            Ok(done) => objects.extend(done),
            Err(error) => {
                stop.cancel.cancel();
                failed.get_or_insert(error);
            }
        }
    }
    failed.map_or(Ok(objects), Err)
}

fn add(script: &mut IndexedScript, relations: &mut [Relation], object: DataObject) {
    for (_, content) in &object.ranges {
        if let Content::Rows(rows) = content {
            relations[rows.relation].fingerprint += rows.fingerprint;
        }
    }
    script.add_object(object.name, object.object, object.ranges);
}

/// Names and opens the `data` objects of all workers.
struct DataObjects {
    objects: BackupObjects,
    numbers: Arc<AtomicUsize>,
}

impl Objects for DataObjects {
    type Sink = Parts;

    fn open(&mut self) -> Result<(String, ObjectWriter<Parts>)> {
        let name = Piece::Data.object(self.numbers.fetch_add(1, Ordering::Relaxed), self.objects.compression);
        let writer = self.objects.open(&name)?;
        // All cores are busy with it: what a better ratio costs is time of the backup.
        Ok((name, writer.in_a_hurry()))
    }

    fn give_up(&mut self, name: &str) {
        self.objects.give_up(name);
    }
}

/// Most memory that each worker takes beside the part it fills.
pub(crate) const WORKER_BYTES: usize = (lane::BATCHES + 6) * lane::BATCH_BYTES;
