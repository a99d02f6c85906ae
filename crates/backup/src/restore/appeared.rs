//! Databases that appear while a trusted script runs: it may create others than the one it is run in, and connect to them.

use std::collections::BTreeSet;

use lifeboat_core::{Job, Result};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::target::Target;
use crate::postgres::rows;

/// The databases that a server had before.
pub(super) struct Before(BTreeSet<i64>);

#[derive(Deserialize)]
struct Database {
    oid: i64,
    name: String,
}

impl Before {
    pub(super) async fn look(target: &Target, job: &Job) -> Result<Self> {
        Ok(Self(databases(target, job).await?.into_iter().map(|database| database.oid).collect()))
    }

    /// Names the databases that it has since, whoever made them, in a warning too. They are there also when the run was cancelled.
    pub(super) async fn tell(&self, target: &Target, job: &Job) -> Result<Vec<String>> {
        let uncancelled = Job::new(job.monitor.clone(), CancellationToken::new());
        let new = databases(target, &uncancelled).await?.into_iter().filter(|database| !self.0.contains(&database.oid));
        let names: Vec<_> = new.map(|database| database.name).collect();
        if !names.is_empty() {
            job.warn(&format!(
                "the databases {} appeared while psql ran the script: what it made there stays, and nobody looked at it",
                names.join(", ")
            ));
        }
        Ok(names)
    }
}

/// Those of the whole server: every database of it knows them, the target too, and no right beside it is needed.
async fn databases(target: &Target, job: &Job) -> Result<Vec<Database>> {
    let mut session = target.connect("restore", job).await?;
    let found = rows(&mut session, DATABASES).await?;
    session.close().await;
    Ok(found)
}

const DATABASES: &str =
    "SELECT oid::pg_catalog.int8 AS oid, datname AS name FROM pg_catalog.pg_database ORDER BY datname";
