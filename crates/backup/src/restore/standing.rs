//! The statements that stand on rows, read before the rows are loaded, so that each can run as soon as it may.

use std::sync::Arc;

use lifeboat_core::Result;
use lifeboat_core::monitor::Counter;

use super::pieces::Pieces;
use super::settings::Settings;
use super::sql::{Sql, refuse_other_commands};
use super::worker::{Memory, Worker};
use crate::script::{OnRows, Statement, StatementKind, Statements, on_rows};

/// A statement that waits for its time, and the settings of its place in the script.
#[derive(Debug)]
pub(super) struct Standing {
    text: Vec<u8>,
    settings: Arc<Settings>,
    /// What it builds, for one that may leave its place.
    pub(super) on_rows: Option<OnRows>,
}

/// Reads all of them into memory; `settings` are those that the script has made before.
pub(super) async fn read(sql: &Sql<'_>, pieces: &Pieces<'_>, mut settings: Arc<Settings>) -> Result<Vec<Standing>> {
    let mut standing = Vec::new();
    let mut proven = pieces.read(sql.store, sql.archive, sql.job);
    while let Some(piece) = proven.next().await? {
        for statement in Statements::new(&piece) {
            let statement = statement?;
            match statement.kind {
                StatementKind::MetaCommand => refuse_other_commands(&statement)?,
                StatementKind::Sql if !sql.note_setting(&statement, &mut settings)? => {
                    standing.push(Standing::new(&statement, &settings));
                    continue;
                }
                _ => {}
            }
            sql.job.count(Counter::SqlBytes, statement.text.len() as u64);
        }
    }
    Ok(standing)
}

impl Standing {
    fn new(statement: &Statement<'_>, settings: &Arc<Settings>) -> Self {
        let text = statement.text.to_vec();
        Self { text, settings: Arc::clone(settings), on_rows: on_rows(statement.body()) }
    }

    /// Runs it.
    pub(super) async fn run(&self, sql: &Sql<'_>, worker: &mut Worker) -> Result<()> {
        worker.tell(&self.settings).await?;
        worker.take(self.memory()).await?;
        sql.statement(worker, &Statement { text: &self.text, kind: StatementKind::Sql }).await?;
        sql.job.count(Counter::SqlBytes, self.text.len() as u64);
        Ok(())
    }

    fn memory(&self) -> Memory {
        match &self.on_rows {
            Some(on_rows) if on_rows.method.as_bytes() == b"gin" => Memory::Gin(on_rows.table.clone()),
            _ => Memory::Much,
        }
    }
}

#[cfg(test)]
impl Standing {
    /// One with nothing before it.
    pub(super) fn of(statement: &str) -> Self {
        Self::new(&Statement { text: statement.as_bytes(), kind: StatementKind::Sql }, &Arc::default())
    }
}
