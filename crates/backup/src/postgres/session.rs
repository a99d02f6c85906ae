//! A session: statements in, text out, whatever it talks through.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use lifeboat_core::{Error, Kind, Result, ResultExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Connection, SimpleQueryMessage, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::POOLER_HINT;
use super::quote::quote_literal;
use super::settings::ConnectionSettings;
use super::sqlstate::ServerError;

/// A session with one server process, with every time limit off, an empty search path and our application name.
///
/// An error carries the server's message and SQLSTATE ([`super::sqlstate_of`]) and never the statement, which may
/// hold a secret. After an error outside a transaction the session goes on; after a lost connection every call fails.
#[async_trait]
pub trait Session: Send {
    /// Runs one or more statements and discards their rows. What must happen together belongs between BEGIN and
    /// COMMIT: implementations differ in whether the statements after a failing one are still sent.
    async fn execute(&mut self, sql: &str) -> Result<()>;

    /// The value of a query that returns at most one row of one column, as text; `None` for NULL and for no row.
    async fn text(&mut self, sql: &str) -> Result<Option<String>>;

    /// What we talk through, for messages.
    fn via(&self) -> &str;
}

/// The rows of a query as structs, one field per column. The query has no semicolon at its end.
///
/// # Errors
/// As the session's; [`Kind::Failure`] when the rows do not fit `T`.
pub async fn rows<T: DeserializeOwned>(session: &mut dyn Session, sql: &str) -> Result<Vec<T>> {
    let wrapped = format!("SELECT pg_catalog.json_agg(pg_catalog.row_to_json(r)) FROM (\n{sql}\n) AS r");
    let Some(json) = session.text(&wrapped).await? else { return Ok(Vec::new()) };
    serde_json::from_str(&json).kind_of(Kind::Failure, || format!("read the rows of a query on {}", session.via()))
}

/// Texts in an encoding of the server's as UTF-8: it knows every encoding it has ever stored.
pub(crate) async fn decode(session: &mut dyn Session, encoding: &str, texts: &[&[u8]]) -> Result<Vec<String>> {
    let list: Vec<_> = texts.iter().map(|text| format!("'\\x{}'", hex::encode(text))).collect();
    let query = format!(
        "SELECT pg_catalog.convert_from(t, {}) AS text FROM unnest(ARRAY[{}]::pg_catalog.bytea[]) WITH ORDINALITY AS a (t, n) ORDER BY n",
        quote_literal(encoding),
        list.join(", ")
    );
    let decoded: Vec<Decoded> = rows(session, &query).await?;
    Ok(decoded.into_iter().map(|row| row.text).collect())
}

#[derive(Deserialize)]
struct Decoded {
    text: String,
}

/// What is known of the server process at the other end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ServerState {
    /// Its process id.
    pub pid: i32,
    /// Whether the server replays another's log.
    pub in_recovery: bool,
    /// Whether transactions may not write.
    pub read_only: bool,
    /// The version as a number, such as `150018`.
    pub version_num: u32,
}

const STATE_QUERY: &str = "SELECT pg_catalog.pg_backend_pid() AS pid, pg_catalog.pg_is_in_recovery() AS in_recovery, \
                           pg_catalog.current_setting('transaction_read_only') = 'on' AS read_only, \
                           pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version_num";

/// Asks the server who it is, and refuses a pooler that gives each transaction another server process. Changes
/// nothing in the session, which with a pooler is another client's tomorrow.
pub(super) async fn inspect(session: &mut dyn Session) -> Result<ServerState> {
    let state: ServerState = without_time_limit(session, STATE_QUERY)
        .await?
        .pop()
        .ok_or_else(|| Error::new(Kind::Failure, format!("ask {} for its state", session.via())))?;
    let again: Option<ServerState> = without_time_limit(session, STATE_QUERY).await?.pop();
    if again.is_none_or(|again| again.pid != state.pid) {
        return Err(pooler(session.via()));
    }
    Ok(state)
}

/// Runs a query in a transaction of its own. A role's time limits may be too short for the simplest query, and for the way
/// to the next.
pub(super) async fn without_time_limit<T: DeserializeOwned>(session: &mut dyn Session, sql: &str) -> Result<Vec<T>> {
    session
        .execute("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
        .await?;
    let found = rows(session, sql).await?;
    session.execute("COMMIT").await?;
    Ok(found)
}

pub(super) fn pooler(via: &str) -> Error {
    Error::new(Kind::Database, format!("use {via}, which is a connection pooler in transaction mode")).hint(POOLER_HINT)
}

pub(super) fn dropping_pooler(via: &str) -> Error {
    let doing = format!("use {via}: a connection pooler drops the settings that a session begins with");
    Error::new(Kind::Database, doing).hint(POOLER_HINT)
}

/// Lifts the limits that a role or a database sets for applications, and takes nothing from the search path. Asking
/// `pg_settings` sets only the limits that this version of the server has.
pub(super) async fn settle(session: &mut dyn Session, purpose: &str) -> Result<()> {
    let name = quote_literal(&format!("lifeboat/{purpose}"));
    session.execute("SET statement_timeout = 0").await?;
    session
        .execute(&format!(
            "SELECT pg_catalog.set_config('application_name', {name}, false), \
             pg_catalog.set_config('search_path', '', false), \
             pg_catalog.set_config('standard_conforming_strings', 'on', false), \
             pg_catalog.set_config('client_min_messages', 'warning', false); \
             SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN \
             ('lock_timeout', 'idle_in_transaction_session_timeout', \
             'transaction_timeout', 'idle_session_timeout')"
        ))
        .await
}

/// A session over a connection of our own, which also does COPY and can be cancelled.
///
/// Dropping it ends the connection and its task; [`DirectSession::close`] does so politely.
pub struct DirectSession {
    client: Client,
    connection: ConnectionTask,
    tls: MakeRustlsConnect,
    settings: ConnectionSettings,
    state: ServerState,
    via: String,
}

/// The task that moves a connection's bytes, and why it ended.
struct ConnectionTask {
    task: JoinHandle<()>,
    ended: Arc<OnceLock<ServerError>>,
}

const CLOSE_WITHIN: Duration = Duration::from_secs(5);

impl DirectSession {
    /// Starts a session over a fresh connection; `settings` name the one server it leads to.
    pub(super) async fn start<S>(
        client: Client,
        connection: Connection<Socket, S>,
        tls: MakeRustlsConnect,
        settings: ConnectionSettings,
    ) -> Result<Self>
    where
        S: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
    {
        let connection = ConnectionTask::spawn(connection);
        let state = ServerState { pid: 0, in_recovery: false, read_only: false, version_num: 0 };
        let via = settings.display();
        let mut session = Self { client, connection, tls, settings, state, via };
        session.state = inspect(&mut session).await?;
        Ok(session)
    }

    /// The driver's client, for COPY.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The settings of exactly the server that this session reached: tools that must see the same snapshot use these.
    #[must_use]
    pub fn settings(&self) -> &ConnectionSettings {
        &self.settings
    }

    /// The server process, as it was when the session began.
    #[must_use]
    pub fn server(&self) -> &ServerState {
        &self.state
    }

    pub(super) fn tls(&self) -> &MakeRustlsConnect {
        &self.tls
    }

    /// Asks the server to cancel the statement that this session runs, which then fails with SQLSTATE 57014 unless it has
    /// ended before.
    ///
    /// # Errors
    /// [`Kind::Database`] when the server cannot be reached.
    pub async fn cancel(&self) -> Result<()> {
        let cancelled = self.client.cancel_token().cancel_query(self.tls.clone()).await;
        cancelled.kind_of(Kind::Database, || format!("cancel {}", self.via))
    }

    /// Says goodbye to the server and waits a few seconds for the connection to end.
    pub async fn close(self) {
        let Self { client, mut connection, .. } = self;
        drop(client);
        // Either way the task ends here: when the time is up, by being dropped.
        let _ = tokio::time::timeout(CLOSE_WITHIN, &mut connection.task).await;
    }

    /// An error of the driver as ours, with the reason for which the server ended the session where it gave one.
    #[must_use]
    pub fn failed(&self, doing: impl Into<String>, error: tokio_postgres::Error) -> Error {
        if let Some(db) = error.as_db_error() {
            return ServerError::from(db).while_doing(doing);
        }
        match self.connection.ended.get() {
            Some(reason) => reason.clone().while_doing(doing),
            None => Error::new(Kind::Database, doing)
                .hint("the connection was lost; look at the server's log and at the network")
                .caused_by(error),
        }
    }

    fn run_failed(&self, error: tokio_postgres::Error) -> Error {
        self.failed(format!("run a statement as {}", self.via), error)
    }
}

#[async_trait]
impl Session for DirectSession {
    async fn execute(&mut self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|error| self.run_failed(error))
    }

    async fn text(&mut self, sql: &str) -> Result<Option<String>> {
        let messages = self.client.simple_query(sql).await.map_err(|error| self.run_failed(error))?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(row.and_then(|row| row.get(0)).map(str::to_owned))
    }

    fn via(&self) -> &str {
        &self.via
    }
}

impl ConnectionTask {
    fn spawn<S>(mut connection: Connection<Socket, S>) -> Self
    where
        S: tokio_postgres::tls::TlsStream + Unpin + Send + 'static,
    {
        let ended = Arc::new(OnceLock::new());
        let reason = ended.clone();
        let task = tokio::spawn(async move {
            while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
                match message {
                    Ok(AsyncMessage::Notice(notice)) => tracing::debug!(%notice, "notice of the server"),
                    Ok(_) => {}
                    Err(error) => {
                        error.as_db_error().map(|db| reason.set(ServerError::from(db)));
                        break;
                    }
                }
            }
        });
        Self { task, ended }
    }
}

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}
