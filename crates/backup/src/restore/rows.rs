//! Loads rows: ranges, the largest first, over several connections.
//!
//! The server commits what it was sent when COPY ends, however short it is. So COPY runs in a transaction and ends only
//! after the last byte was proven; dropping it before that makes the server forget the rows.

use std::collections::BTreeSet;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::SinkExt as _;
use lifeboat_core::codec::STEP_BYTES;
use lifeboat_core::index::{Content, Range, Relation, Rows};
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result, counted};
use tokio_postgres::CopyInSink;

use super::sql::Header;
use super::target::Target;
use crate::archive::Archive;
use crate::archive::proof::RangeProof;
use crate::postgres::{DirectSession, Session, quote_ident, quote_literal};

/// Loads every range of rows.
pub(super) struct Loader<'a> {
    pub(super) store: &'a Store,
    pub(super) archive: &'a Archive,
    pub(super) target: &'a Target,
    pub(super) header: &'a Header,
    pub(super) encoding: &'a str,
    pub(super) job: &'a Job,
    /// Relations some of whose rows are committed.
    pub(super) filled: Mutex<BTreeSet<usize>>,
}

impl Loader<'_> {
    /// Loads all rows over `jobs` connections.
    pub(super) async fn load(&self, jobs: usize) -> Result<()> {
        let mut waiting: Vec<_> = self.ranges().collect();
        waiting.sort_by_key(|(range, _)| range.bytes.sql_bytes);
        let jobs = jobs.clamp(1, waiting.len().max(1));
        let waiting = Mutex::new(waiting);
        let workers = (0..jobs).map(|_| self.work(&waiting));
        futures_util::future::try_join_all(workers).await?;
        Ok(())
    }

    fn ranges(&self) -> impl Iterator<Item = (&Range, &Rows)> {
        self.archive.index.ranges.iter().filter_map(|range| match &range.content {
            Content::Rows(rows) => Some((range, rows)),
            Content::Sql { .. } => None,
        })
    }

    async fn work(&self, waiting: &Mutex<Vec<(&Range, &Rows)>>) -> Result<()> {
        let mut session = self.target.connect("rows", self.job).await?;
        self.job.run(Box::pin(self.header.tell(&mut session))).await?;
        loop {
            let next = waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
            let Some((range, rows)) = next else { break };
            self.job.run(Box::pin(self.copy(&mut session, range, rows))).await?;
        }
        session.close().await;
        Ok(())
    }

    async fn copy(&self, session: &mut DirectSession, range: &Range, rows: &Rows) -> Result<()> {
        let relation = &self.archive.index.relations[rows.relation];
        let doing =
            || format!("load {} of {}.{}", counted(rows.fingerprint.rows, "row"), relation.schema, relation.name);
        session.execute("BEGIN").await?;
        let copied = self.send(session, range, relation).await.map_err(|error| error.while_doing(doing()))?;
        if copied != rows.fingerprint.rows {
            let counts = format!("the server took {copied} of {}", rows.fingerprint.rows);
            return Err(Error::new(Kind::Integrity, doing()).caused_by(counts));
        }
        self.filled.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(rows.relation);
        session.execute("COMMIT").await.map_err(|error| error.while_doing(doing()))?;
        self.job.count(Counter::Rows, copied);
        Ok(())
    }

    /// Sends a range; ends COPY only when every byte of it is proven.
    async fn send(&self, session: &DirectSession, range: &Range, relation: &Relation) -> Result<u64> {
        let statement = copy_statement(relation, self.encoding);
        let sink = session.client().copy_in(&statement).await.map_err(|error| session.failed("begin COPY", error))?;
        let mut sink = std::pin::pin!(sink);
        let mut blocks = self.archive.read_range(self.store, self.job, range)?;
        let mut proof = RangeProof::new(self.archive, range);
        while let Some(block) = blocks.next().await? {
            for step in block.chunks(STEP_BYTES) {
                self.feed(session, sink.as_mut(), proof.push(step)?).await?;
            }
        }
        self.feed(session, sink.as_mut(), proof.finish()?).await?;
        sink.finish().await.map_err(|error| session.failed("end COPY", error))
    }

    async fn feed(
        &self,
        session: &DirectSession,
        mut sink: std::pin::Pin<&mut CopyInSink<Bytes>>,
        sql: Vec<u8>,
    ) -> Result<()> {
        if sql.is_empty() {
            return Ok(());
        }
        let length = sql.len() as u64;
        sink.send(Bytes::from(sql)).await.map_err(|error| session.failed("send rows", error))?;
        self.job.count(Counter::SqlBytes, length);
        Ok(())
    }

    /// Empties the tables that this run filled, in a database that was there before.
    pub(super) async fn empty_filled(&self) -> Result<()> {
        let filled = std::mem::take(&mut *self.filled.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let tables = filled.into_iter().map(|position| qualified(&self.archive.index.relations[position]));
        let tables: Vec<_> = tables.collect();
        if tables.is_empty() {
            return Ok(());
        }
        let job = Job::new(self.job.monitor.clone(), tokio_util::sync::CancellationToken::new());
        let mut session = self.target.connect("clean-up", &job).await?;
        // The database was empty: whatever refers to these tables is this run's too.
        session.execute(&format!("TRUNCATE TABLE {} CASCADE", tables.join(", "))).await
    }
}

fn qualified(relation: &Relation) -> String {
    format!("{}.{}", quote_ident(&relation.schema), quote_ident(&relation.name))
}

/// A table without columns has no list of them.
fn copy_statement(relation: &Relation, encoding: &str) -> String {
    let columns: Vec<_> = relation.columns.iter().map(|column| quote_ident(column)).collect();
    let columns = if columns.is_empty() { String::new() } else { format!("({}) ", columns.join(", ")) };
    format!("COPY {} {columns}FROM STDIN (ENCODING {})", qualified(relation), quote_literal(encoding))
}
