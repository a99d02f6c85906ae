//! The database that is restored beside the one whose place it is to take.

use std::sync::Arc;

use lifeboat_core::{Error, Job, Kind, Result};
use tokio_util::sync::CancellationToken;

use super::super::preflight::{Preflight, maintenance};
use super::super::stand_in::StandIn;
use super::super::subscriptions::drop_subscriptions;
use super::super::target::{WAIT_FOR_DISK, drop_database, drop_statement};
use super::super::{RestoreOptions, with_rights_hint};
use super::follow::try_to_follow;
use super::live::Ours;
use crate::postgres::{
    ConnectOptions, ConnectionSettings, DirectSession, Session, connect, quote_ident, quote_literal,
};

/// Where the backup is restored, and how.
pub(super) struct Beside {
    /// The database whose place it is to take, and its oid: another one may get the name.
    pub(super) live: ConnectionSettings,
    pub(super) oid: u32,
    /// The database beside it.
    pub(super) target: ConnectionSettings,
    /// Its oid, where an earlier run restored it.
    pub(super) ready: Option<u32>,
    /// Its comment when everything is in it.
    pub(super) restored: String,
    /// What is restored, by its id: `latest` may be another one by the next run.
    pub(super) backup: String,
    pub(super) options: RestoreOptions,
    pub(super) preflight: Preflight,
    /// Extensions of the backup that the role may have no right to create.
    pub(super) untrusted: Vec<String>,
    /// What killed runs left.
    pub(super) leftovers: Vec<Ours>,
}

impl Beside {
    /// Drops what subscriptions the backup brought: nobody could drop the database with them, nor take it back.
    pub(super) async fn unsubscribe(&self, job: &Job) -> Result<()> {
        let mut session = connect(&self.target, "restore", &self.connect(job), &*job.monitor).await?;
        let dropped = drop_subscriptions(&mut session).await;
        session.close().await;
        let dropped = dropped.map_err(with_rights_hint)?;
        if !dropped.is_empty() {
            let names = dropped.join(", ");
            job.warn(&format!(
                "the subscriptions of the backup are left out: {names}; create them anew where they are wanted"
            ));
        }
        Ok(())
    }

    /// Says of the database that it is whole: from here on it is worth something. Its oid.
    pub(super) async fn mark_as_restored(&self, job: &Job) -> Result<u32> {
        let comment = quote_literal(&self.restored);
        let say = format!("COMMENT ON DATABASE {} IS {comment}", quote_ident(&self.target.dbname));
        self.tell(&[WAIT_FOR_DISK, &say], "say that the database is restored", job).await
    }

    /// Lets the sessions of the proof in, whatever limit it has. Its oid.
    pub(super) async fn open_up(&self, job: &Job) -> Result<u32> {
        let lift = format!("ALTER DATABASE {} CONNECTION LIMIT -1", quote_ident(&self.target.dbname));
        self.tell(&[&lift], "lift its limit of connections", job).await
    }

    async fn tell(&self, statements: &[&str], doing: &str, job: &Job) -> Result<u32> {
        let mut session = maintenance(&self.target, &self.connect(job), job).await?;
        for statement in statements {
            let told = session.execute(statement).await;
            told.map_err(|error| with_rights_hint(error.while_doing(doing)))?;
        }
        let oid = self.oid_now(&mut session).await;
        session.close().await;
        oid
    }

    /// Drops it, also for a cancelled run.
    pub(super) async fn discard(&self, job: &Job) {
        let job = Job::new(Arc::clone(&job.monitor), CancellationToken::new());
        job.step("clean up");
        let dropped = async {
            let mut session = maintenance(&self.target, &self.connect(&job), &job).await?;
            drop_database(&mut session, &self.target.dbname, &job).await
        };
        if let Err(error) = dropped.await {
            job.warn(&format!("could not drop {}: {}", self.target.dbname, error.chain()));
        }
    }

    /// For the operator whose last step failed.
    pub(super) fn tell_that_it_stays(&self, job: &Job) {
        let (name, backup) = (&self.target.dbname, &self.backup);
        let drop = drop_statement(name, self.preflight.server_version_num);
        job.warn(&format!(
            "{name} stays, with everything in it: the same command goes on from it, with the backup given as {backup}, for a newer one \
             may be the latest by now; or drop it: {drop}"
        ));
    }

    /// Looks whether it can be given what was changed of the live database since, before anybody's session is ended for it.
    ///
    /// # Errors
    /// [`Kind::Policy`] when that cannot be had, such as another tablespace.
    pub(super) async fn can_follow(&self, session: &mut DirectSession, live: &str) -> Result<()> {
        let name = &self.target.dbname;
        let present = StandIn::of(session, live, String::new()).await?;
        if StandIn::of(session, name, String::new()).await?.lies_as(&present) {
            return try_to_follow(session, name, &present).await;
        }
        let space = present.properties.tablespace.as_deref().unwrap_or("pg_default");
        let (doing, name) = (format!("put {name} where {live} lies: that was moved meanwhile"), quote_ident(name));
        let hint =
            format!("ALTER DATABASE {name} SET TABLESPACE {}; then go on with {}", quote_ident(space), self.backup);
        Err(Error::new(Kind::Policy, doing).hint(hint))
    }

    async fn oid_now(&self, session: &mut DirectSession) -> Result<u32> {
        let name = &self.target.dbname;
        let query = format!("SELECT oid FROM pg_catalog.pg_database WHERE datname = {}", quote_literal(name));
        let found = session.text(&query).await?.and_then(|oid| oid.parse().ok());
        found.ok_or_else(|| Error::new(Kind::Failure, format!("find {name}: somebody dropped it")).hint("run it again"))
    }

    fn connect(&self, job: &Job) -> ConnectOptions {
        ConnectOptions { retry: self.options.connect_retry.clone(), cancel: job.cancel.clone() }
    }
}
