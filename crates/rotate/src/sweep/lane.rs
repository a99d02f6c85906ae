//! A worker's session, and the statements that are ready in it.

use std::collections::HashMap;

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

    /// The rows of a statement, which is prepared once.
    pub(super) async fn query(
        &mut self,
        doing: impl Fn() -> String,
        sql: String,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        if !self.ready.contains_key(&sql) {
            let prepared = self.session.client().prepare(&sql).await;
            let prepared = prepared.map_err(|error| failed(&self.session, doing(), error))?;
            self.ready.insert(sql.clone(), prepared);
        }
        let found = self.session.client().query(&self.ready[&sql], parameters).await;
        found.map_err(|error| failed(&self.session, doing(), error))
    }
}
