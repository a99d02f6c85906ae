//! Sessions of a sweep.

use std::time::Duration;

use lifeboat_backup::postgres::sqlstate::{
    ADMIN_SHUTDOWN, CANNOT_CONNECT_NOW, CRASH_SHUTDOWN, DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, READ_ONLY_TRANSACTION,
    SERIALIZATION_FAILURE, TOO_MANY_CONNECTIONS,
};
use lifeboat_backup::postgres::{
    ConnectOptions, ConnectionSettings, DirectSession, Retry, ServerError, Session as _, connect, sqlstate_of,
};
use lifeboat_core::{Error, Job, Kind, Result};

use super::options::Limits;

/// A session that reads values and keys in one form, whatever the role or the database has set, and fails rather than not
/// see a row.
pub(super) async fn open(settings: &ConnectionSettings, limits: &Limits, job: &Job) -> Result<DirectSession> {
    let retry = Retry { waits: [1, 2, 5, 10, 20, 30].map(Duration::from_secs).to_vec() };
    let options = ConnectOptions { retry, cancel: job.cancel.clone() };
    let mut session = Box::pin(connect(settings, "rotate", &options, &*job.monitor)).await?;
    session.execute(SETTINGS).await?;
    session.text(AS_IT_IS).await?;
    session
        .execute(&format!(
            "SET statement_timeout = {}; SET lock_timeout = {}",
            limits.statement_timeout.as_millis(),
            limits.lock_timeout.as_millis()
        ))
        .await?;
    Ok(session)
}

/// The same, and every statement goes row by row through an index or a place: a plan that reads the whole table for each batch
/// is what missing statistics lead to.
pub(super) async fn open_for_batches(
    settings: &ConnectionSettings,
    limits: &Limits,
    job: &Job,
) -> Result<DirectSession> {
    let mut session = Box::pin(open(settings, limits, job)).await?;
    session.execute(PLANS).await?;
    // What a crash of the server undoes of a batch, it undoes of its checkpoint. Applications wait less for the disk.
    session.execute("SET synchronous_commit = off").await?;
    Ok(session)
}

/// A session whose commits are on disk when they are done, and with them everything that was committed before.
pub(super) async fn open_to_lead(settings: &ConnectionSettings, limits: &Limits, job: &Job) -> Result<DirectSession> {
    let mut session = Box::pin(open(settings, limits, job)).await?;
    let lasting = "SELECT pg_catalog.set_config('synchronous_commit', 'on', false) \
                   WHERE pg_catalog.current_setting('synchronous_commit') = 'off'";
    session.text(lasting).await?;
    Ok(session)
}

/// Ends a session and the statement that was left at work in it, which would hold its locks to its end.
pub(super) async fn abandon(session: DirectSession, job: &Job) {
    if !matches!(tokio::time::timeout(CANCEL_WITHIN, session.cancel()).await, Ok(Ok(()))) {
        job.warn("could not cancel the statement at work in the server: it may hold its locks for a while");
    }
    // A statement that the server does not give up keeps the session; dropping it is enough for us.
    let _ = tokio::time::timeout(CANCEL_WITHIN, session.close()).await;
}

const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// Compare-and-swap is meant for "read committed": elsewhere every row that was overtaken would undo its batch.
const SETTINGS: &str = "SET default_transaction_isolation = 'read committed'; SET row_security = off; SET bytea_output = hex; SET datestyle = 'ISO'; SET intervalstyle = postgres; \
                        SET extra_float_digits = 3; SET timezone = 'UTC'; SET jit = off";

/// Where texts have no encoding, nothing vouches that they are UTF-8, and a row that is not would end the sweep.
const AS_IT_IS: &str = "SELECT pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) WHERE pg_catalog.getdatabaseencoding() = 'SQL_ASCII'";

/// What makes each statement go row by row.
pub(super) const PLANS: &str = "SET enable_seqscan = off; SET enable_sort = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
                     SET enable_bitmapscan = off; SET max_parallel_workers_per_gather = 0; \
                     SET plan_cache_mode = force_generic_plan";

/// An error of the driver as ours, without the server's detail, which may repeat a value.
pub(super) fn failed(session: &DirectSession, doing: String, error: tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(db) => ServerError { detail: None, ..ServerError::from(db) }.while_doing(doing),
        None => session.failed(doing, error),
    }
}

/// What to do about a failed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The same again, in a while: another session was in the way.
    Again,
    /// Another session holds a row for long.
    Smaller,
    /// A constraint or a trigger refuses a row.
    Apart,
    /// A new connection.
    Reconnect,
    /// Nothing: it fails.
    GiveUp,
}

/// What to do about an error.
pub(super) fn remedy(error: &Error) -> Remedy {
    match sqlstate_of(error) {
        Some(SERIALIZATION_FAILURE | DEADLOCK_DETECTED) => Remedy::Again,
        Some(LOCK_NOT_AVAILABLE) => Remedy::Smaller,
        // Integrity constraints, what a trigger raises, and an index that does not take so long a value.
        Some("54000") => Remedy::Apart,
        Some(code) if code.starts_with("23") || code.starts_with("P0") => Remedy::Apart,
        Some(ADMIN_SHUTDOWN | CRASH_SHUTDOWN | CANNOT_CONNECT_NOW | TOO_MANY_CONNECTIONS | READ_ONLY_TRANSACTION) => {
            Remedy::Reconnect
        }
        Some(code) if code.starts_with("08") => Remedy::Reconnect,
        Some(_) => Remedy::GiveUp,
        None if error.kind() == Kind::Database => Remedy::Reconnect,
        None => Remedy::GiveUp,
    }
}
