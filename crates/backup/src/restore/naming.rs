//! The moment in which a restored database gets its name.
//!
//! Invariant: the database is told to be without it only when that is certain. An answer may be lost on the way although the
//! server has done what it was told: then it is asked, once it is through with it.

use std::time::Duration;

use lifeboat_core::{Error, Job, Kind, Result};
use serde::Deserialize;

use super::maintenance::connect_beside;
use crate::postgres::{ConnectOptions, DirectSession, Session as _, quote_ident, quote_literal, rows};

/// A database under its temporary name, and the session that is to rename it.
#[derive(Deserialize)]
pub(super) struct Naming {
    oid: i64,
    from: String,
    to: String,
    /// When the session began: its process id may be another's later.
    began: Option<String>,
}

impl Naming {
    pub(super) async fn find(session: &mut DirectSession, from: &str, to: &str) -> Result<Self> {
        let query = FIND.replace("%FROM%", &quote_literal(from)).replace("%TO%", &quote_literal(to));
        let found = rows(session, &query).await?.into_iter().next();
        found.ok_or_else(|| {
            Error::new(Kind::Database, format!("find the database {from}: somebody dropped it meanwhile"))
        })
    }

    pub(super) async fn apply(&self, session: &mut DirectSession, how: &ConnectOptions, job: &Job) -> Result<()> {
        let rename = format!("ALTER DATABASE {} RENAME TO {}", quote_ident(&self.from), quote_ident(&self.to));
        let Err(error) = session.execute(&rename).await else { return Ok(()) };
        let is_done = match session.text(&self.holds()).await {
            Ok(answer) => answer.as_deref() == Some("t"),
            Err(_) => self.ask_anew(session, how, job).await.map_err(|again| {
                again.while_doing(format!("find out whether it is called {}: {}", self.to, error.chain()))
            })?,
        };
        if is_done { Ok(()) } else { Err(error) }
    }

    /// Asks in another session whether the lost one has done it, when that is certain to do no more.
    async fn ask_anew(&self, lost: &DirectSession, how: &ConnectOptions, job: &Job) -> Result<bool> {
        let mut session = connect_beside(lost.settings(), "restore", how, job).await?;
        let pid = lost.server().pid;
        let mut attempt = 0;
        while session.text(&self.is_at_work(pid)).await?.as_deref() == Some("t") {
            attempt += 1;
            if attempt > ASKED {
                return Err(untold(&self.to, pid));
            }
            // The server may not notice for hours that its client is gone.
            if attempt == END_THE_LOST_AFTER {
                session.text(&format!("SELECT pg_catalog.pg_terminate_backend({pid})")).await?;
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        let is_done = session.text(&self.holds()).await?.as_deref() == Some("t");
        session.close().await;
        Ok(is_done)
    }

    fn holds(&self) -> String {
        let (oid, to) = (self.oid, quote_literal(&self.to));
        format!("SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE oid = {oid} AND datname = {to})")
    }

    fn is_at_work(&self, pid: i32) -> String {
        let began = self.began.as_deref().map_or_else(|| "NULL".to_owned(), quote_literal);
        format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = {pid} AND backend_start = {began}::pg_catalog.timestamptz)"
        )
    }
}

/// Only an answer that comes when the lost session is over is certain.
fn untold(name: &str, pid: i32) -> Error {
    Error::new(Kind::Database, format!("wait for the lost session {pid}: it is still at work after a minute"))
        .hint(format!("look with `psql -l` whether there is a {name} before you run it again"))
}

const FIND: &str = "
SELECT oid::pg_catalog.int8 AS oid, datname AS from, %TO% AS to,
       (SELECT a.backend_start::text FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid()) AS began
FROM pg_catalog.pg_database WHERE datname = %FROM%";
/// A minute, and half of it for the lost session to end by itself.
const ASKED: u32 = 300;
const END_THE_LOST_AFTER: u32 = 150;
const ASK_EVERY: Duration = Duration::from_millis(200);
