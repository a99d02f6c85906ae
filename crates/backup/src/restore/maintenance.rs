//! Work on a database from beside it: a session with another one of its server, and dropping it with whoever is connected.

use lifeboat_core::{Job, Result};

use super::subscriptions::drop_subscriptions;
use crate::leader::template_statement;
use crate::postgres::{
    ConnectOptions, ConnectionSettings, DirectSession, Retry, Session as _, connect, quote_ident, quote_literal,
    sqlstate, sqlstate_of,
};

/// A session with a database of the same server that every server has, from which `database` can be created and dropped. It is the
/// same one each time: whoever looks for another's advisory lock must look for it there.
///
/// # Errors
/// Those of [`connect()`].
pub async fn connect_beside(
    database: &ConnectionSettings,
    purpose: &str,
    how: &ConnectOptions,
    job: &Job,
) -> Result<DirectSession> {
    match connect(&database.with_dbname("postgres"), purpose, how, &*job.monitor).await {
        Err(error) if sqlstate_of(&error) == Some(sqlstate::UNDEFINED_DATABASE) => {
            connect(&database.with_dbname("template1"), purpose, how, &*job.monitor).await
        }
        other => other,
    }
}

/// Drops a database of ours, if it is there, with whoever is connected; what would keep it goes first: that it is a template, and its
/// subscriptions.
///
/// # Errors
/// Those of the session, which is one beside it.
pub async fn drop_database(session: &mut DirectSession, name: &str, job: &Job) -> Result<()> {
    let version_num = session.server().version_num;
    let is =
        |what: &str| format!("SELECT {what} FROM pg_catalog.pg_database d WHERE datname = {}", quote_literal(name));
    if session.text(&is("datistemplate")).await?.as_deref() == Some("t") {
        session.execute(&template_statement(&quote_ident(name), false)).await?;
    }
    let subscribed = is("EXISTS (SELECT FROM pg_catalog.pg_subscription s WHERE s.subdbid = d.oid)");
    if session.text(&subscribed).await?.as_deref() == Some("t") {
        let how = ConnectOptions { retry: Retry::never(), cancel: job.cancel.clone() };
        let inside = session.settings().with_dbname(name);
        let mut inside = Box::pin(connect(&inside, "drop", &how, &*job.monitor)).await?;
        drop_subscriptions(&mut inside).await?;
        inside.close().await;
    }
    if version_num < DROPS_BY_FORCE {
        session.execute(&end_sessions_statement(name)).await?;
    }
    session.execute(&drop_statement(name, version_num)).await
}

/// Ends every session with the database, as the server itself can from 13 on. What belongs to no role, such as autovacuum, gives way by
/// itself, and only a superuser may end it.
fn end_sessions_statement(name: &str) -> String {
    let name = quote_literal(name);
    format!(
        "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE datname = {name} AND usesysid IS NOT NULL"
    )
}

/// What drops a database on a server of this version.
pub(super) fn drop_statement(name: &str, version_num: u32) -> String {
    let force = if version_num < DROPS_BY_FORCE { "" } else { " WITH (FORCE)" };
    format!("DROP DATABASE IF EXISTS {}{force}", quote_ident(name))
}

const DROPS_BY_FORCE: u32 = 130_000;

#[cfg(test)]
mod tests {
    use super::{drop_statement, end_sessions_statement};

    #[test]
    fn a_server_before_13_drops_a_database_without_force() {
        assert_eq!(drop_statement("shop", 120_022), "DROP DATABASE IF EXISTS \"shop\"");
        assert_eq!(drop_statement("shop", 130_000), "DROP DATABASE IF EXISTS \"shop\" WITH (FORCE)");
        assert!(end_sessions_statement("o'shop").ends_with("WHERE datname = 'o''shop' AND usesysid IS NOT NULL"));
    }
}
