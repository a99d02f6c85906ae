//! One connection that dumps chunks under the leader's snapshot.

use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Error, Job, Kind, Result, counted};
use tokio_postgres::CopyOutStream;

use super::blocks::DataObject;
use super::lane::Lane;
use super::queue::Queue;
use super::{DumpedTable, Limits};
use crate::leader::{ROW_SETTINGS, SourceTable};
use crate::postgres::sqlstate::{LOCK_NOT_AVAILABLE, SERIALIZATION_FAILURE, UNDEFINED_SCHEMA, UNDEFINED_TABLE};
use crate::postgres::{DirectSession, RECOVERY_CONFLICT, Session as _, quote_ident, quote_literal, sqlstate_of};
use crate::rows::{Chunk, CopyOut, READ_AS_PLANNED};

/// What all workers of a dump share.
pub(super) struct Shared {
    pub(super) job: Job,
    pub(super) queue: Queue,
    pub(super) tables: Vec<DumpedTable>,
    pub(super) snapshot: String,
    pub(super) encoding: String,
    pub(super) limits: Limits,
}

/// A session under the snapshot, and the objects it fills.
pub(super) struct Worker {
    shared: Arc<Shared>,
    session: DirectSession,
    lane: Lane,
    /// Chunks whose objects are not finished.
    unfinished: Vec<Chunk>,
    objects: Vec<DataObject>,
}

impl Worker {
    /// Joins the snapshot. To be done by all workers before the first row: who joins later may find it gone.
    pub(super) async fn join(shared: Arc<Shared>, session: DirectSession, lane: Lane) -> Result<Self> {
        let mut worker = Self { shared, session, lane, unfinished: Vec::new(), objects: Vec::new() };
        worker.session.execute(&set_up(&worker.shared.limits)).await?;
        worker.begin().await?;
        Ok(worker)
    }

    /// Dumps chunks until all are safe; gives the objects it filled. A connection that is lost leaves the rest to the others.
    ///
    /// # Errors
    /// [`Kind::TryAgain`] when a table stays locked by others; what the server says to a COPY; a lost connection, when this was
    /// the last worker.
    pub(super) async fn work(mut self) -> Result<Vec<DataObject>> {
        match self.dump_all().await {
            Ok(()) => Ok(self.objects),
            Err(error) if self.is_lost(&error) => self.lost(error).await,
            Err(error) => Err(explain(error)),
        }
    }

    async fn dump_all(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        loop {
            if let Some(chunk) = shared.queue.take() {
                self.dump(chunk).await?;
                if self.lane.object_bytes() < shared.limits.object_bytes {
                    continue;
                }
            }
            self.settle().await?;
            // Whoever failed keeps its chunks: they never settle.
            if !shared.job.run(async { Ok(shared.queue.wait().await) }).await? {
                return Ok(());
            }
        }
    }

    async fn begin(&mut self) -> Result<()> {
        let snapshot = quote_literal(&self.shared.snapshot);
        let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {snapshot}");
        self.session.execute(&begin).await.map_err(|error| error.while_doing("join the snapshot"))
    }

    /// Objects so far are finished; their chunks are safe.
    async fn settle(&mut self) -> Result<()> {
        if !self.unfinished.is_empty() {
            // An error that came after the last row of a COPY shows in the next statement of its transaction only.
            self.session.execute("SELECT 1").await.map_err(|error| error.while_doing("end the dump of rows"))?;
            self.objects.extend(self.lane.finish().await?);
            self.shared.queue.settle(std::mem::take(&mut self.unfinished).len());
        }
        Ok(())
    }

    async fn dump(&mut self, chunk: Chunk) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let table = &shared.tables[chunk.table];
        self.unfinished.push(chunk.clone());
        let statement = copy_statement(table, &chunk, &shared.encoding);
        let copied = match shared.job.run(self.begin_copy(&statement)).await {
            // Nothing of it was written.
            Err(error) if sqlstate_of(&error) == Some(LOCK_NOT_AVAILABLE) => {
                self.unfinished.pop();
                return self.put_off(chunk, error).await;
            }
            Err(error) => Err(error),
            Ok(rows) => shared.job.run(self.write(table, rows)).await,
        };
        copied.map_err(|error| error.while_doing(format!("dump {}.{}", table.source.schema, table.source.name)))
    }

    async fn begin_copy(&self, statement: &str) -> Result<CopyOutStream> {
        let begun = self.session.client().copy_out(statement).await;
        begun.map_err(|error| self.session.failed("begin COPY", error))
    }

    async fn write(&mut self, table: &DumpedTable, rows: CopyOutStream) -> Result<()> {
        let mut rows = pin!(rows);
        self.lane.begin(table.relation, table.copy_line.clone()).await?;
        let mut counted = Counted::new(&self.shared.job);
        while let Some(row) = rows.next().await {
            let row = row.map_err(|error| self.session.failed("read rows", error))?;
            counted.row(&row);
            if !self.lane.try_rows(&row) {
                self.lane.rows(&row).await?;
            }
        }
        self.lane.end().await
    }

    /// Puts a chunk back whose table, or an index of it, is locked. The failed COPY ended the transaction, and with it our part
    /// of the snapshot.
    async fn put_off(&mut self, chunk: Chunk, error: Error) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let table = &shared.tables[chunk.table].source;
        let name = format!("{}.{}", table.schema, table.name);
        self.session.execute("ROLLBACK").await?;
        let (what, most) = if self.is_free(table).await? { ("an index of ", INDEX_TRIES) } else { ("", LOCK_TRIES) };
        let tries = chunk.tries + 1;
        if tries >= most {
            let doing = format!("dump {name}: others wait for {what}it or hold it, {tries} times over");
            return Err(Error::new(Kind::TryAgain, doing)
                .hint("run again apart from jobs that change tables, or raise --lock-timeout")
                .caused_by(error));
        }
        if tries == 1 {
            shared.job.warn(&format!("{what}{name} is locked by others; trying again later"));
        }
        shared.queue.give_back(vec![Chunk { tries, ..chunk }]);
        self.begin().await
    }

    /// Whether the table itself can be had. Planning a range of its pages asks for its indexes, too, which REINDEX holds alone.
    async fn is_free(&mut self, table: &SourceTable) -> Result<bool> {
        let name = format!("{}.{}", quote_ident(&table.schema), quote_ident(&table.name));
        let locked = self.session.execute(&format!("BEGIN; LOCK TABLE ONLY {name} IN ACCESS SHARE MODE NOWAIT")).await;
        self.session.execute("ROLLBACK").await?;
        match locked {
            Err(error) if sqlstate_of(&error) == Some(LOCK_NOT_AVAILABLE) => Ok(false),
            locked => locked.map(|()| true),
        }
    }

    /// Everything in objects that are not finished goes back to the others.
    async fn lost(mut self, error: Error) -> Result<Vec<DataObject>> {
        self.lane.give_up().await?;
        let chunks = std::mem::take(&mut self.unfinished);
        let count = counted(chunks.len() as u64, "chunk");
        let others_are_left = self.shared.queue.leave();
        self.shared.queue.give_back(chunks);
        if !others_are_left {
            return Err(error.while_doing("dump rows: the last connection was lost"));
        }
        let chain = error.chain();
        self.shared.job.warn(&format!("a connection was lost, others dump its {count} again: {chain}"));
        Ok(self.objects)
    }

    fn is_lost(&self, error: &Error) -> bool {
        error.kind() == Kind::Database
            && (self.session.client().is_closed() || sqlstate_of(error).is_some_and(|state| state.starts_with("57P0")))
    }
}

/// Rows on their way to the monitor, some at a time.
struct Counted<'a> {
    job: &'a Job,
    rows: u64,
    bytes: u64,
}

impl<'a> Counted<'a> {
    fn new(job: &'a Job) -> Self {
        Self { job, rows: 0, bytes: 0 }
    }

    fn row(&mut self, row: &[u8]) {
        self.rows += 1;
        self.bytes += row.len() as u64;
        if self.bytes >= COUNTED_BYTES {
            self.tell();
        }
    }

    fn tell(&mut self) {
        self.job.count(Counter::SqlBytes, std::mem::take(&mut self.bytes));
        self.job.count(Counter::Rows, std::mem::take(&mut self.rows));
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}

fn set_up(limits: &Limits) -> String {
    let mut settings: Vec<_> =
        ROW_SETTINGS.iter().map(|(name, value)| format!("SET {name} = {}", quote_literal(value))).collect();
    settings.push(format!("SET lock_timeout = {}", limits.lock_timeout.as_millis().max(1)));
    settings.push(READ_AS_PLANNED.to_owned());
    settings.join("; ")
}

fn copy_statement(table: &DumpedTable, chunk: &Chunk, encoding: &str) -> String {
    let source = &table.source;
    let copy = CopyOut {
        schema: &source.schema,
        name: &source.name,
        columns: &source.columns,
        condition: source.condition.as_deref(),
        pages: chunk.pages.as_ref(),
        encoding,
    };
    copy.statement()
}

/// Errors whose cause the server's own words do not name.
fn explain(error: Error) -> Error {
    match sqlstate_of(&error).map(ToOwned::to_owned).as_deref() {
        Some(SERIALIZATION_FAILURE) => {
            Error::new(Kind::TryAgain, "read rows under the snapshot").hint(RECOVERY_CONFLICT).caused_by(error)
        }
        Some(UNDEFINED_TABLE | UNDEFINED_SCHEMA) => {
            Error::new(Kind::TryAgain, "find every table under the name it had under the snapshot")
                .hint("run again, apart from the jobs that rename schemas")
                .caused_by(error)
        }
        _ => error,
    }
}

/// How often a table's lock is waited for.
pub(crate) const LOCK_TRIES: u32 = 3;
/// To rebuild an index takes longer than to change a table, and nobody else waits for us meanwhile.
const INDEX_TRIES: u32 = 90;
const COUNTED_BYTES: u64 = 1 << 20;
