//! A worker's session, and the statements that are ready in it.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use lifeboat_backup::postgres::{DirectSession, Session as _, quote_literal};
use lifeboat_core::Result;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::session::{failed, open_for_batches};
use super::work::Work;

/// A session with statements.
pub(super) struct Lane {
    pub(super) session: DirectSession,
    ready: HashMap<String, Statement>,
}

impl Lane {
    /// A lane in the snapshot of the work, where it has one.
    pub(super) async fn open(work: &Work) -> Result<Self> {
        let mut session = Box::pin(open_for_batches(&work.settings, &work.limits, &work.job)).await?;
        if let Some(snapshot) = &work.snapshot {
            session
                .execute(&format!(
                    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
                    quote_literal(snapshot)
                ))
                .await?;
        }
        Ok(Self::with(session))
    }

    /// A lane over a session that is there already.
    pub(super) fn with(session: DirectSession) -> Self {
        Self { session, ready: HashMap::new() }
    }

    /// The first rows of a statement, until they have that many bytes, and whether there were others. What is left of them is read and
    /// thrown away before the next statement.
    pub(super) async fn some(
        &mut self,
        doing: impl Fn() -> String,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
        bytes: usize,
    ) -> Result<(Vec<Row>, bool)> {
        let failed = |error| failed(&self.session, doing(), error);
        let parameters = parameters.iter().copied();
        let mut found = Box::pin(self.session.client().query_raw(statement, parameters).await.map_err(failed)?);
        let (mut rows, mut taken) = (Vec::new(), 0);
        while let Some(row) = found.try_next().await.map_err(failed)? {
            if taken >= bytes {
                return Ok((rows, true));
            }
            taken += row.raw_size_bytes();
            rows.push(row);
        }
        Ok((rows, false))
    }

    /// A statement of which nothing is kept.
    pub(super) async fn prepared(&self, doing: impl Fn() -> String, sql: &str) -> Result<Statement> {
        self.session.client().prepare(sql).await.map_err(|error| failed(&self.session, doing(), error))
    }

    /// A statement that is prepared once.
    pub(super) async fn ready(&mut self, doing: impl Fn() -> String, sql: String) -> Result<Statement> {
        if let Some(ready) = self.ready.get(&sql) {
            return Ok(ready.clone());
        }
        let prepared = self.prepared(doing, &sql).await?;
        self.ready.insert(sql, prepared.clone());
        Ok(prepared)
    }

    /// The rows of a statement, which is prepared once.
    pub(super) async fn query(
        &mut self,
        doing: impl Fn() -> String,
        sql: String,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        let statement = self.ready(&doing, sql).await?;
        let found = self.session.client().query(&statement, parameters).await;
        found.map_err(|error| failed(&self.session, doing(), error))
    }
}
