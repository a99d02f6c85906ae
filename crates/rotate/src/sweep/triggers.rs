//! Whether what is written to a table may be kept elsewhere.

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Job, Result};

use super::catalog;
use super::options::Limits;
use super::session::open;
use super::target::Target;

/// Whether a table of these targets has triggers: they may have kept in other columns what a row was.
///
/// # Errors
/// [`Kind::Database`](lifeboat_core::Kind::Database) when the server cannot be asked.
pub async fn has_triggers(settings: &ConnectionSettings, targets: &[&Target], job: &Job) -> Result<bool> {
    let mut session = job.run(Box::pin(open(settings, &Limits::default(), job))).await?;
    let mut has_triggers = false;
    for target in targets {
        has_triggers |= catalog::has_triggers(&mut session, &target.table).await?;
    }
    session.close().await;
    Ok(has_triggers)
}
