//! Sessions with the restored database: they read under one snapshot, and write nothing.

use std::time::Duration;

use lifeboat_backup::postgres::{ConnectOptions, ConnectionSettings, DirectSession, Retry, Session as _, connect};
use lifeboat_core::{Job, Result};

/// A session with the target, as `lifeboat/<purpose>`. A server that is starting again is waited for, but not for long.
pub(super) async fn open(target: &ConnectionSettings, purpose: &str, job: &Job) -> Result<DirectSession> {
    let retry = Retry { waits: vec![Duration::from_secs(2)] };
    let options = ConnectOptions { retry, cancel: job.cancel.clone() };
    connect(target, purpose, &options, &*job.monitor).await
}

/// A session in a transaction that reads one state of the target, and all of it.
pub(super) async fn open_reading(target: &ConnectionSettings, job: &Job) -> Result<DirectSession> {
    let mut session = open(target, "drill", job).await?;
    session.execute("SET row_security = off; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    Ok(session)
}
