//! Loads rows: a long range, or several short ones, in one transaction.
//!
//! The server commits what it was sent when COPY ends, however short it is. So COPY runs in a transaction and ends only
//! after the last byte was proven; dropping it before that makes the server forget the rows.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use lifeboat_core::index::{Content, Range, Relation, Rows};
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt as _, counted};
use serde::Deserialize;

use super::copy_in::{copy_statement, feed, qualified};
use super::proving::Proving;
use super::target::Target;
use crate::archive::Archive;
use crate::archive::body::CompressedRange;
use crate::archive::span::Span;
use crate::postgres::{DirectSession, Session, rows};

/// Loads rows of an archive.
pub(super) struct Loader<'a> {
    pub(super) store: &'a Store,
    pub(super) archive: &'a Archive,
    pub(super) target: &'a Target,
    pub(super) encoding: &'a str,
    pub(super) job: &'a Job,
    /// Relations whose rows come in one range, long enough that loading them frozen is worth while.
    frozen: BTreeSet<usize>,
    /// Relations some of whose rows are committed.
    filled: Mutex<BTreeSet<usize>>,
    /// Relations of extensions with a trigger that may take a row in another way than by storing it.
    pub(super) taking: BTreeSet<usize>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(
        store: &'a Store,
        archive: &'a Archive,
        target: &'a Target,
        encoding: &'a str,
        job: &'a Job,
    ) -> Self {
        let (frozen, filled, taking) = (BTreeSet::new(), Mutex::default(), BTreeSet::new());
        Self { store, archive, target, encoding, job, frozen, filled, taking }
    }

    /// Finds the tables whose rows can be loaded frozen, with nothing left for a vacuum to do. That is up to whoever may
    /// empty the table first: this run has created it, and no extension.
    pub(super) async fn find_frozen(&mut self, session: &mut DirectSession) -> Result<()> {
        let worth_while: Vec<_> = self.in_one_range().collect();
        if worth_while.is_empty() {
            return Ok(());
        }
        let found: Vec<Created> = rows(session, CREATED_TABLES)
            .await
            .map_err(|error| error.while_doing("find the tables that this restore created"))?;
        let created: BTreeSet<_> = found.iter().map(|table| (table.schema.as_str(), table.name.as_str())).collect();
        let relations = &self.archive.index.relations;
        let is_created = |relation: &Relation| created.contains(&(relation.schema.as_str(), relation.name.as_str()));
        self.frozen = worth_while.into_iter().filter(|position| is_created(&relations[*position])).collect();
        Ok(())
    }

    fn in_one_range(&self) -> impl Iterator<Item = usize> {
        let relations = &self.archive.index.relations;
        self.archive.index.ranges.iter().filter_map(|range| match &range.content {
            Content::Rows(rows) if range.bytes.sql_bytes >= FROZEN_SQL_BYTES => {
                (relations[rows.relation].fingerprint == rows.fingerprint).then_some(rows.relation)
            }
            _ => None,
        })
    }

    /// Loads the rows of a span in one transaction.
    pub(super) async fn load(&self, session: &mut DirectSession, span: &Span<'_>) -> Result<()> {
        session.execute("BEGIN").await?;
        let mut copied = 0;
        if let [range] = span.ranges[..] {
            copied += self.copy(session, range, self.archive.read_range(self.store, self.job, range)?).await?;
        } else {
            let fetched = self.archive.read_span(self.store, self.job, span).await?;
            for (range, bytes) in span.cut(&fetched) {
                copied += self.copy(session, range, CompressedRange::held(bytes)).await?;
            }
        }
        self.note_filled(span);
        session.execute("COMMIT").await.map_err(|error| error.while_doing("commit rows"))?;
        self.job.count(Counter::Rows, copied);
        Ok(())
    }

    fn note_filled(&self, span: &Span<'_>) {
        let relations = span.ranges.iter().filter_map(|range| range.relation());
        self.filled.lock().unwrap_or_else(PoisonError::into_inner).extend(relations);
    }

    async fn copy(&self, session: &mut DirectSession, range: &Range, blocks: CompressedRange<'_>) -> Result<u64> {
        let Content::Rows(rows) = &range.content else { return Ok(0) };
        let relation = &self.archive.index.relations[rows.relation];
        let doing =
            || format!("load {} of {}.{}", counted(rows.fingerprint.rows, "row"), relation.schema, relation.name);
        let copied = self.send(session, range, rows, blocks).await.map_err(|error| error.while_doing(doing()))?;
        // An extension that has such a row already takes its values over. Whether all is there, a drill finds out.
        let is_taken = copied < rows.fingerprint.rows && self.taking.contains(&rows.relation);
        if copied == rows.fingerprint.rows || is_taken {
            return Ok(rows.fingerprint.rows);
        }
        let counts = format!("the server took {copied} of {}", rows.fingerprint.rows);
        Err(Error::new(Kind::Integrity, doing()).caused_by(counts))
    }

    /// Sends a range, read, proven and sent at the same time; ends COPY only when every byte of it is proven.
    async fn send(
        &self,
        session: &mut DirectSession,
        range: &Range,
        rows: &Rows,
        mut blocks: CompressedRange<'_>,
    ) -> Result<u64> {
        let relation = &self.archive.index.relations[rows.relation];
        let frozen = self.frozen.contains(&rows.relation);
        if frozen {
            session.execute(&format!("TRUNCATE ONLY {}", qualified(relation))).await?;
        }
        let statement = copy_statement(relation, self.encoding, frozen);
        // Where there are no rows there is nothing to be allowed to write: tables of extensions are often their provider's.
        let mut sink = if rows.fingerprint.rows == 0 {
            None
        } else {
            let begun = session.client().copy_in(&statement).await;
            Some(Box::pin(begun.map_err(|error| session.failed("begin COPY", error))?))
        };
        let proving = Proving::start(self.archive.proof(range));
        let (compressed_bytes, mut proven) = (proving.compressed_bytes, proving.sql);
        let reading = async {
            // Who proves may have found damage and gone.
            while let Some(block) = blocks.next().await?
                && compressed_bytes.send(block).await.is_ok()
            {}
            drop(compressed_bytes);
            Ok(())
        };
        let sending = async {
            while let Some(sql) = proven.recv().await {
                if let Some(sink) = &mut sink {
                    feed(session, self.job, sink.as_mut(), sql).await?;
                }
            }
            proving.ended.await.kind_of(Kind::Failure, || "prove rows".into())?
        };
        tokio::try_join!(reading, sending)?;
        let Some(mut sink) = sink else { return Ok(0) };
        sink.as_mut().finish().await.map_err(|error| session.failed("end COPY", error))
    }

    /// Empties the tables that this run filled, in a database that was there before.
    pub(super) async fn empty_filled(&self) -> Result<()> {
        let filled = std::mem::take(&mut *self.filled.lock().unwrap_or_else(PoisonError::into_inner));
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

/// A table as the server names it.
#[derive(Deserialize)]
struct Created {
    schema: String,
    name: String,
}

/// The preflight has found no table in the database but those of extensions.
const CREATED_TABLES: &str = "
SELECT n.nspname AS schema, c.relname AS name
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.oid >= 16384 AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// To empty a table costs new files for it; what is shorter gains less by being frozen.
const FROZEN_SQL_BYTES: u64 = 1 << 20;
