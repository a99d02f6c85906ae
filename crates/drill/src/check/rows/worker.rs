//! One session that reads chunks and adds them up.

use std::sync::Arc;

use lifeboat_backup::postgres::sqlstate::{UNDEFINED_COLUMN, UNDEFINED_SCHEMA, UNDEFINED_TABLE};
use lifeboat_backup::postgres::{DirectSession, Session as _, quote_literal, sqlstate_of};
use lifeboat_backup::rows::{Chunk, Printed, copy_of, read_rows};
use lifeboat_core::codec::Fingerprint;
use lifeboat_core::{Error, Job, Kind, Result};

use super::queue::{Ended, Queue};

/// What all workers share.
pub(super) struct Shared {
    pub(super) job: Job,
    pub(super) queue: Queue,
    pub(super) tables: Vec<Printed>,
    /// The state that all of them read.
    pub(super) snapshot: String,
    pub(super) encoding: String,
    /// What makes a session print rows as they were dumped.
    pub(super) set_up: String,
}

/// A session under the snapshot.
pub(super) struct Worker {
    shared: Arc<Shared>,
    session: DirectSession,
}

impl Worker {
    pub(super) async fn join(shared: Arc<Shared>, mut session: DirectSession) -> Result<Self> {
        session.execute(&shared.set_up).await?;
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
        let copy = copy_of(&shared.tables[chunk.table], chunk, &shared.encoding);
        read_rows(&mut self.session, &copy, &shared.job).await
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
