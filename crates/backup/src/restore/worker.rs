//! A session that restores, and what it was told.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_core::{Job, Result};

use super::settings::Settings;
use super::target::Target;
use crate::postgres::{DirectSession, Session, quote_ident, quote_literal};
use crate::script::TableName;

/// A session with the database under restore.
pub(super) struct Worker {
    pub(super) session: DirectSession,
    told: Arc<Settings>,
    memory: Memory,
}

/// How much memory a session takes for an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// For sorting: the more, the faster.
    Much,
    /// For an index of GIN on that table: it collects keys in a tree, which is the slower the larger it is.
    Gin(TableName),
}

impl Memory {
    fn statement(&self) -> Cow<'static, str> {
        let Self::Gin(table) = self else { return MUCH_MEMORY.into() };
        // A name that the server does not know as it is written here has no size: then the server's own setting counts.
        let schema =
            table.schema.as_ref().map(|schema| quote_ident(&schema.to_string_lossy()) + ".").unwrap_or_default();
        let name = quote_literal(&(schema + &quote_ident(&table.name.to_string_lossy())));
        GIN_MEMORY.replace("$TABLE", &name).into()
    }
}

impl Worker {
    /// A session of its own for `purpose`, one of so many `jobs`, set up for loading and for building indexes.
    pub(super) async fn open(target: &Target, purpose: &str, jobs: usize, job: &Job) -> Result<Self> {
        let mut session = target.connect(purpose, job).await?;
        session.execute(MUCH_MEMORY).await.map_err(|error| error.while_doing(SET_UP))?;
        let helpers = HELPERS.replace("$HELPERS", &jobs.saturating_sub(1).to_string());
        session.execute(&helpers).await.map_err(|error| error.while_doing(SET_UP))?;
        target.in_force.make(&mut session).await.map_err(|error| error.while_doing(SET_UP))?;
        if target.is_created() {
            // What a crash of the server would take away is a database that does not bear its name yet.
            session.execute("SET synchronous_commit = off").await.map_err(|error| error.while_doing(SET_UP))?;
        }
        Ok(Self { session, told: Arc::default(), memory: Memory::Much })
    }

    /// Makes these settings the session's.
    pub(super) async fn tell(&mut self, settings: &Arc<Settings>) -> Result<()> {
        if Arc::ptr_eq(settings, &self.told) {
            return Ok(());
        }
        let statements = self.known(settings.since(&self.told));
        if !statements.is_empty() {
            self.session.execute(&statements).await.map_err(|error| error.while_doing(SET_UP))?;
        }
        self.told = Arc::clone(settings);
        Ok(())
    }

    /// Without the one setting that pg_dump prints for servers which do not have it: from 17 on it does so always.
    fn known(&self, statements: String) -> String {
        let knows = self.session.server().version_num >= KNOWS_TRANSACTION_TIMEOUT;
        if knows { statements } else { statements.replace(TRANSACTION_TIMEOUT, "") }
    }

    /// Takes so much memory from here on.
    pub(super) async fn take(&mut self, memory: Memory) -> Result<()> {
        if self.memory != memory {
            self.session.execute(&memory.statement()).await.map_err(|error| error.while_doing(SET_UP))?;
            self.memory = memory;
        }
        Ok(())
    }

    /// Ends the session, and the statement that was left at work in it: it would hold its locks to its end.
    pub(super) async fn abandon(self, job: &Job) {
        let cancelled = tokio::time::timeout(CANCEL_WITHIN, self.session.cancel()).await;
        // Where the restore has failed, the server may be gone: that is told already.
        if job.cancel.is_cancelled() {
            match cancelled {
                Ok(Ok(())) => {}
                Ok(Err(error)) => job.warn(&format!("could not cancel the last statement: {}", error.chain())),
                Err(_) => job.warn("could not cancel the last statement: the server does not answer"),
            }
        }
        // A statement that the server does not give up keeps the session; dropping it is enough for us.
        let _ = tokio::time::timeout(CANCEL_WITHIN, self.session.close()).await;
    }
}

/// Sorting for an index takes twice the server's buffers, up to 256 MiB, unless its own setting is more: kB.
const MUCH_MEMORY: &str = "SELECT pg_catalog.set_config('maintenance_work_mem', GREATEST(m.setting::pg_catalog.int8, LEAST(262144, \
                           2 * b.setting::pg_catalog.int8 * pg_catalog.current_setting('block_size')::pg_catalog.int8 / 1024))::pg_catalog.text, \
                           false) FROM pg_catalog.pg_settings m, pg_catalog.pg_settings b \
                           WHERE m.name = 'maintenance_work_mem' AND b.name = 'shared_buffers'";
/// There is a job for each core of the server: the last large index may have the processes of all that are done, as far as the
/// server has some left.
const HELPERS: &str = "SELECT pg_catalog.set_config('max_parallel_maintenance_workers', \
     GREATEST(m.setting::pg_catalog.int8, LEAST($HELPERS, w.setting::pg_catalog.int8))::pg_catalog.text, false) \
     FROM pg_catalog.pg_settings m, pg_catalog.pg_settings w \
     WHERE m.name = 'max_parallel_maintenance_workers' AND w.name = 'max_parallel_workers'";
/// 8 MiB, or the server's own setting where that is less or the index may not fit into what the server caches: then keys that are
/// written out more rarely are worth more than a small tree.
const GIN_MEMORY: &str = "SELECT pg_catalog.set_config('maintenance_work_mem', CASE \
     WHEN pg_catalog.pg_table_size(pg_catalog.to_regclass($TABLE)) \
          <= c.setting::pg_catalog.int8 * pg_catalog.current_setting('block_size')::pg_catalog.int8 \
     THEN LEAST(m.reset_val::pg_catalog.int8, 8192) ELSE m.reset_val::pg_catalog.int8 END::pg_catalog.text, false) \
     FROM pg_catalog.pg_settings m, pg_catalog.pg_settings c \
     WHERE m.name = 'maintenance_work_mem' AND c.name = 'effective_cache_size'";
const TRANSACTION_TIMEOUT: &str = "SET transaction_timeout = 0;";
const KNOWS_TRANSACTION_TIMEOUT: u32 = 170_000;
const SET_UP: &str = "set up a session";
const CANCEL_WITHIN: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::Memory;
    use crate::script::{SqlName, TableName};

    #[test]
    fn an_index_of_gin_asks_for_the_size_of_its_table_by_a_quoted_name() {
        let table = TableName { schema: Some(SqlName::new("odd\"schema")), name: SqlName::new("it's") };
        let statement = Memory::Gin(table).statement();
        assert!(statement.contains(r#"to_regclass('"odd""schema"."it''s"')"#), "{statement}");
    }
}
