//! One session that reads chunks and adds them up.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use lifeboat_backup::postgres::{DirectSession, Session as _, quote_literal, sqlstate_of};
use lifeboat_backup::rows::{Chunk, CopyOut, READ_AS_PLANNED};
use lifeboat_core::codec::{Fingerprint, RowLines};
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Error, Job, Kind, Result};

use super::queue::{Ended, Queue};
use super::tables::Printed;

/// What all workers share.
pub(super) struct Shared {
    pub(super) job: Job,
    pub(super) queue: Queue,
    pub(super) tables: Vec<Printed>,
    /// The state that all of them read.
    pub(super) snapshot: String,
    pub(super) encoding: String,
    /// Those under which the rows were dumped.
    pub(super) settings: BTreeMap<String, String>,
}

/// A session under the snapshot.
pub(super) struct Worker {
    shared: Arc<Shared>,
    session: DirectSession,
}

impl Worker {
    pub(super) async fn join(shared: Arc<Shared>, mut session: DirectSession) -> Result<Self> {
        session.execute(&set_up(&shared.settings)).await?;
        let mut worker = Self { shared, session };
        worker.begin().await?;
        Ok(worker)
    }

    /// Reads chunks until there are none. When its connection is lost, the others go on.
    ///
    /// # Errors
    /// [`Kind::Cancelled`].
    pub(super) async fn work(mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        while let Some((relation, chunk)) = shared.queue.take() {
            match shared.job.run(self.read(&chunk)).await {
                Ok(rows) => shared.queue.read(relation, rows),
                Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                Err(error) => {
                    shared.queue.end(relation, ended(&error));
                    if self.begin_again().await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        self.session.close().await;
        Ok(())
    }

    async fn begin(&mut self) -> Result<()> {
        let snapshot = quote_literal(&self.shared.snapshot);
        let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {snapshot}");
        self.session.execute(&begin).await
    }

    async fn begin_again(&mut self) -> Result<()> {
        self.session.execute("ROLLBACK").await?;
        self.begin().await
    }

    async fn read(&mut self, chunk: &Chunk) -> Result<Fingerprint> {
        let shared = Arc::clone(&self.shared);
        let table = &shared.tables[chunk.table];
        let copy = CopyOut {
            schema: &table.schema,
            name: &table.name,
            columns: &table.columns,
            condition: table.condition.as_deref(),
            pages: chunk.pages.as_ref(),
            encoding: &shared.encoding,
        };
        let lines = self.copied(&copy.statement()).await?;
        // An error that came after the last row of a COPY shows in the next statement of its transaction only.
        self.session.execute("SELECT 1").await?;
        Ok(lines)
    }

    async fn copied(&self, statement: &str) -> Result<Fingerprint> {
        let failed = |error| self.session.failed("read its rows", error);
        let mut rows = pin!(self.session.client().copy_out(statement).await.map_err(failed)?);
        let (mut lines, mut counted) = (RowLines::default(), Counted { job: &self.shared.job, rows: 0 });
        while let Some(row) = rows.next().await {
            lines.push(&row.map_err(failed)?)?;
            counted.row();
        }
        lines.take()
    }
}

/// What an error says of the table: that it is another one, or nothing.
fn ended(error: &Error) -> Ended {
    match sqlstate_of(error) {
        Some(UNDEFINED_COLUMN) => Ended::Differs(format!("its columns are others: {}", error.chain())),
        Some(UNDEFINED_TABLE | UNDEFINED_SCHEMA) => Ended::Differs("there is no such table".to_owned()),
        _ => Ended::Unknown(error.chain()),
    }
}

fn set_up(settings: &BTreeMap<String, String>) -> String {
    let set = |(name, value): (&String, &String)| {
        format!("SELECT pg_catalog.set_config({}, {}, false)", quote_literal(name), quote_literal(value))
    };
    let settings: Vec<_> = settings.iter().map(set).chain([READ_AS_PLANNED.to_owned()]).collect();
    settings.join("; ")
}

/// Rows on their way to the monitor, some at a time.
struct Counted<'a> {
    job: &'a Job,
    rows: u64,
}

impl Counted<'_> {
    fn row(&mut self) {
        self.rows += 1;
        if self.rows == TOLD_ROWS {
            self.job.count(Counter::Rows, std::mem::take(&mut self.rows));
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.job.count(Counter::Rows, self.rows);
    }
}

const TOLD_ROWS: u64 = 8192;
const UNDEFINED_COLUMN: &str = "42703";
const UNDEFINED_TABLE: &str = "42P01";
const UNDEFINED_SCHEMA: &str = "3F000";
