//! Connection poolers, which pass a session from one server process to another or drop what it was told, are refused.

use lifeboat_core::Result;
use serde::Deserialize;

use super::credentials::session_options;
use super::failure::Cause;
use super::open::open;
use super::session::{DirectSession, Session as _, dropping_pooler, inspect, pooler, without_time_limit};

/// Refuses a connection pooler in transaction mode. It gives two sessions that are open and idle the same server
/// process, or one session another process than before; a server never does. [`connect`](super::connect()) has done this already.
///
/// # Errors
/// [`Kind::Database`](lifeboat_core::Kind::Database) when it is one. That no second session can be opened says nothing and is no error.
pub async fn refuse_transaction_pooler(session: &mut DirectSession) -> Result<()> {
    let settings = session.settings().clone();
    let Ok(second) = Box::pin(open(&settings, &settings.hosts[0], session.tls())).await else { return Ok(()) };
    let again = inspect(session).await?;
    let (first, other) = (session.server().pid, second.server().pid);
    second.close().await;
    if first == other || again.pid != first {
        return Err(pooler(session.via()));
    }
    Ok(())
}

/// Refuses a connection pooler that drops the `options` of a connection, without a word: `pg_dump` is given its settings in them,
/// and would print rows under other ones.
///
/// # Errors
/// [`Kind::Database`](lifeboat_core::Kind::Database) when it does, or says that it does not know them. That no second session can be opened says nothing
/// and is no error.
pub(crate) async fn refuse_dropped_options(session: &DirectSession) -> Result<()> {
    let mut settings = session.settings().clone();
    settings.options = session_options(&settings.options, &[PROBE]);
    let mut probe = match Box::pin(open(&settings, &settings.hosts[0], session.tls())).await {
        Ok(probe) => probe,
        Err(failure) if failure.cause == Cause::Pooler => return Err(failure.error),
        Err(_) => return Ok(()),
    };
    let query = format!("SELECT pg_catalog.current_setting('{}', true) AS value", PROBE.0);
    let arrived: Vec<Probed> = without_time_limit(&mut probe, &query).await?;
    probe.close().await;
    if arrived.iter().any(|found| found.value.as_deref() == Some(PROBE.1)) {
        return Ok(());
    }
    Err(dropping_pooler(session.via()))
}

#[derive(Deserialize)]
struct Probed {
    value: Option<String>,
}

/// A setting that nobody knows: a server keeps it for the session.
const PROBE: (&str, &str) = ("lifeboat.options", "kept");
