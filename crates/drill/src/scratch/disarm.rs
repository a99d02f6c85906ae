//! Takes out of a restored database what would act by itself, or reach out to where the original reached.
//!
//! To be called before anything of the operator's runs in it, and after the checks that compare it with the backup: what is
//! taken out was in the backup.

use lifeboat_backup::postgres::{Session, quote_ident, quote_literal, rows};
use lifeboat_backup::restore::drop_subscriptions;
use lifeboat_core::{Job, Result};
use serde::{Deserialize, Serialize};

/// What was taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Disarmed {
    /// Subscriptions that were dropped; their slots at the publisher are left alone.
    pub subscriptions: Vec<String>,
    /// User mappings that were dropped, `role at server`: with them go the passwords to other servers.
    pub user_mappings: Vec<String>,
    /// Jobs of pg_cron and TimescaleDB that were stopped.
    pub jobs: Vec<String>,
}

impl Disarmed {
    /// Whether there was nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Deserialize)]
struct Mapping {
    server: String,
    /// `None` is everyone.
    role: Option<String>,
}

/// Disarms the database that `session` is connected to.
///
/// # Errors
/// As the session's: then something may be armed still, and nothing of the operator's should run.
pub async fn disarm(session: &mut dyn Session, job: &Job) -> Result<Disarmed> {
    let disarmed = Disarmed {
        subscriptions: drop_subscriptions(session).await?,
        user_mappings: drop_user_mappings(session).await?,
        jobs: stop_jobs(session).await?,
    };
    if !disarmed.is_empty() {
        job.step("disarm the restored database");
    }
    Ok(disarmed)
}

async fn drop_user_mappings(session: &mut dyn Session) -> Result<Vec<String>> {
    let found: Vec<Mapping> = rows(session, USER_MAPPINGS).await?;
    let mut dropped = Vec::new();
    for Mapping { server, role } in found {
        let who = role.as_deref().map_or_else(|| "PUBLIC".to_owned(), quote_ident);
        let name = format!("{} at {server}", role.as_deref().unwrap_or("everyone"));
        let done = session.execute(&format!("DROP USER MAPPING FOR {who} SERVER {}", quote_ident(&server))).await;
        done.map_err(|error| error.while_doing(format!("drop the user mapping of {name}")))?;
        dropped.push(name);
    }
    Ok(dropped)
}

/// Only of extensions that are there: their tables and functions are looked for by name.
async fn stop_jobs(session: &mut dyn Session) -> Result<Vec<String>> {
    let mut stopped = Vec::new();
    for (relation, what, statement) in SCHEDULERS {
        let is_there = format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", quote_literal(relation));
        if session.text(&is_there).await?.as_deref() != Some("t") {
            continue;
        }
        let done = session.text(statement).await;
        let count = done.map_err(|error| error.while_doing(format!("stop the jobs of {what}")))?;
        if let Some(count) = count.filter(|count| count != "0") {
            stopped.push(format!("{count} of {what}"));
        }
    }
    Ok(stopped)
}

const USER_MAPPINGS: &str = "SELECT srvname AS server, CASE WHEN umuser <> 0 THEN usename END AS role \
    FROM pg_catalog.pg_user_mappings ORDER BY 1, 2";

/// A relation that tells that the scheduler is there, its name, and a query that stops all jobs and counts them.
const SCHEDULERS: [(&str, &str, &str); 2] = [
    (
        "cron.job",
        "pg_cron",
        "WITH stopped AS (UPDATE cron.job SET active = false WHERE active RETURNING 1) SELECT count(*) FROM stopped",
    ),
    (
        "_timescaledb_config.bgw_job",
        "TimescaleDB",
        "WITH stopped AS (UPDATE _timescaledb_config.bgw_job SET scheduled = false WHERE scheduled RETURNING 1) \
         SELECT count(*) FROM stopped",
    ),
];
