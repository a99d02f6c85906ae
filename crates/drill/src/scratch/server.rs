//! A database of the drill's own on a server that the configuration marks as not being production.
//!
//! The lease is the name, which carries the drill's id, and an advisory lock under that id, held by a session with the
//! maintenance database from before the database is there until it is gone: the server gives it back however we end. A
//! comment would not do: a restore gives the database the comment of the source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_backup::postgres::{
    ConnectOptions, ConnectionSettings, DirectSession, Retry, Session, quote_ident, quote_literal, rows,
};
use lifeboat_backup::restore::{connect_beside, drop_database};
use lifeboat_core::{DrillId, Error, Job, Kind, Result, ResultExt};
use serde::Deserialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::guards::{Standing, reached, refuse_production};
use super::lease::{End, Lease};
use super::needs::Needs;
use super::{Collected, names};
use crate::report::ScratchFacts;

/// A server on which drills may make databases.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// How to connect; the database that it names plays no part.
    pub settings: ConnectionSettings,
    /// When a failed connection is tried again.
    pub retry: Retry,
    /// Where it is written down that the drill runs: by that the programs of a killed one are found.
    pub dir: PathBuf,
    /// Servers that it must not be: those of the databases that are backed up.
    pub production: Vec<ConnectionSettings>,
}

/// The place for a database: the restore makes it.
#[derive(Debug)]
pub(super) struct Scratch {
    options: ServerOptions,
    target: ConnectionSettings,
    drill: DrillId,
    lock: Lock,
    lease: Option<Lease>,
}

/// The advisory lock of a live drill.
#[derive(Debug)]
struct Lock {
    stop: CancellationToken,
    /// Cancelled when the lock is lost for good.
    lost: CancellationToken,
    task: JoinHandle<()>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Scratch {
    /// Refuses production, and takes the lock.
    pub(super) async fn open(
        options: &ServerOptions,
        needs: &Needs,
        drill: &DrillId,
        job: &Job,
    ) -> Result<(Self, ScratchFacts)> {
        job.step(&format!("look at {}", options.settings.with_dbname(&names::database(drill)).display()));
        let mut session = maintenance(options, job).await?;
        let (standing, mut notes) = refuse_production(&mut session, needs, &options.production).await?;
        refuse_older(&session, needs)?;
        refuse_without_right(&session, &standing)?;
        let options = options.pinned(&session);
        let target = options.settings.with_dbname(&names::database(drill));
        let lease = Some(Lease::take(&options.dir, drill, End::Ask)?);
        if !try_lock(&mut session, drill).await? {
            return Err(Error::new(Kind::Locked, format!("make {}: another drill holds it", target.dbname)));
        }
        let lock = Lock::hold(session, options.clone(), drill.clone());
        notes.push("owners and privileges were left out: roles would stay behind on the server".to_owned());
        notes.push("the disk of the server was not looked at".to_owned());
        let facts = ScratchFacts { kind: "server".to_owned(), server_version: standing.version, notes };
        Ok((Self { options, target, drill: drill.clone(), lock, lease }, facts))
    }

    /// The drill's folder.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.lease.as_ref().map(Lease::folder)
    }

    /// Waits until nobody holds the lock any more: the next drill may then drop the database.
    pub(super) async fn lost(&self) -> Error {
        self.lock.lost.cancelled().await;
        let doing = format!("hold the lock of the drill on {}: the session was lost", self.options.settings.display());
        Error::new(Kind::Database, doing).hint("look at the server's log and at the network, and run the drill again")
    }

    /// The database that the restore is to make.
    pub(super) fn target(&self) -> &ConnectionSettings {
        &self.target
    }

    /// Drops the database and lets the lock go.
    pub(super) async fn close(mut self, job: &Job) -> Result<()> {
        let lease = self.lease.take();
        let dropped = self.drop_databases(job).await;
        self.lock.release().await;
        let removed = tokio::task::spawn_blocking(move || lease.map_or(Ok(()), Lease::remove)).await;
        dropped?;
        removed.kind_of(Kind::Failure, || "remove the folder of the drill".into())?
    }

    async fn drop_databases(&self, job: &Job) -> Result<()> {
        // Whoever has lost the lock has tried for long enough.
        let retry = if self.lock.lost.is_cancelled() { Retry::never() } else { self.options.retry.clone() };
        let options = ServerOptions { retry, ..self.options.clone() };
        let mut session = maintenance(&options, job).await?;
        let dropped = drop_all(&mut session, &options, &self.drill, job).await;
        session.close().await;
        let (_, left) = dropped?;
        if left.is_empty() { Ok(()) } else { Err(Error::new(Kind::Database, left.join("; "))) }
    }
}

impl ServerOptions {
    /// The same, of several servers only the one that was looked at.
    fn pinned(&self, session: &DirectSession) -> Self {
        Self { settings: reached(&self.settings, session), ..self.clone() }
    }
}

impl Lock {
    /// Keeps the session, and with it the lock, from here on in a task of its own.
    fn hold(session: DirectSession, options: ServerOptions, drill: DrillId) -> Self {
        let (stop, lost) = (CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(keep(session, options, drill, stop.clone(), lost.clone()));
        Self { stop, lost, task }
    }

    async fn release(mut self) {
        self.stop.cancel();
        // Aborted by the drop where the server does not answer.
        let _ = tokio::time::timeout(RELEASE_WITHIN, &mut self.task).await;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A session that does nothing is what firewalls forget: it speaks now and then, and is replaced when it was lost. When it cannot
/// be, the drill has to know: whoever collects takes it for dead.
async fn keep(
    session: DirectSession,
    options: ServerOptions,
    drill: DrillId,
    stop: CancellationToken,
    lost: CancellationToken,
) {
    let mut held = session;
    let job = Job::new(std::sync::Arc::new(lifeboat_core::monitor::Silent), stop.clone());
    while stop.run_until_cancelled(tokio::time::sleep(SPEAK_EVERY)).await.is_some() {
        if held.text("SELECT 1").await.is_ok() {
            continue;
        }
        tracing::warn!(%drill, "the session that held the drill's lock was lost");
        match stop.run_until_cancelled(take_again(&options, &drill, &job)).await {
            Some(Some(session)) => held = session,
            Some(None) => return lost.cancel(),
            None => return,
        }
    }
    held.close().await;
}

async fn take_again(options: &ServerOptions, drill: &DrillId, job: &Job) -> Option<DirectSession> {
    let options = ServerOptions { retry: Retry { waits: TAKE_AGAIN_AFTER.to_vec() }, ..options.clone() };
    let mut session = maintenance(&options, job).await.ok()?;
    try_lock(&mut session, drill).await.ok()?.then_some(session)
}

/// Drops the databases of drills whose lock nobody holds; on production nothing. Those that are known to live may be without their
/// lock for the moment that it takes to replace a lost session.
///
/// # Errors
/// [`Kind::Policy`] when the server is production.
pub(super) async fn collect(
    options: &ServerOptions,
    needs: &Needs,
    living: &[DrillId],
    job: &Job,
) -> Result<Collected> {
    let mut session = maintenance(options, job).await?;
    refuse_production(&mut session, needs, &options.production).await?;
    let options = &options.pinned(&session);
    let mut collected = Collected::default();
    for drill in drills(&mut session).await? {
        if living.contains(&drill) || !try_lock(&mut session, &drill).await? {
            collected.alive.push(drill);
            continue;
        }
        let (removed, left) = drop_all(&mut session, options, &drill, job).await?;
        collected.removed.extend(removed);
        collected.left.extend(left);
        session.execute(&format!("SELECT pg_catalog.pg_advisory_unlock({})", key(&drill))).await?;
    }
    session.close().await;
    Ok(collected)
}

/// The drills that have a database here, or are about to: the server goes on with a statement whose client is dead.
async fn drills(session: &mut DirectSession) -> Result<BTreeSet<DrillId>> {
    let found: Vec<Named> = rows(session, NAMES).await?;
    Ok(found.iter().filter_map(|found| names::drill_of_database(&found.name)).collect())
}

/// Drops every database of this drill; what was dropped, and what could not be and why.
async fn drop_all(
    session: &mut DirectSession,
    options: &ServerOptions,
    drill: &DrillId,
    job: &Job,
) -> Result<(Vec<String>, Vec<String>)> {
    end_creation(session, drill).await?;
    let (mut removed, mut left) = (Vec::new(), Vec::new());
    let found: Vec<Named> = rows(session, DATABASES).await?;
    for Named { name } in
        found.into_iter().filter(|found| names::drill_of_database(&found.name).as_ref() == Some(drill))
    {
        let settings = options.settings.with_dbname(&name);
        match drop_database(session, &name, job).await {
            Ok(()) => removed.push(format!("the database {}", settings.display())),
            Err(error) => left.push(format!("drop {}: {}", settings.display(), error.chain())),
        }
    }
    Ok((removed, left))
}

/// Ends the sessions that still create this drill's database, and waits until they are gone.
async fn end_creation(session: &mut DirectSession, drill: &DrillId) -> Result<()> {
    let pattern = quote_literal(&format!("^CREATE DATABASE \"{}", names::database(drill)));
    let query = format!(
        "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity \
         WHERE state = 'active' AND query ~ {pattern} AND pid <> pg_catalog.pg_backend_pid()"
    );
    for _ in 0..CREATION_POLLS {
        if session.text(&query).await?.as_deref() == Some("0") {
            break;
        }
        tokio::time::sleep(CREATION_POLL).await;
    }
    Ok(())
}

/// Two drills must look for each other's locks in the same database: one that every server has.
async fn maintenance(options: &ServerOptions, job: &Job) -> Result<DirectSession> {
    let how = ConnectOptions { retry: options.retry.clone(), cancel: job.cancel.clone() };
    connect_beside(&options.settings, PURPOSE, &how, job).await
}

fn refuse_older(session: &DirectSession, needs: &Needs) -> Result<()> {
    let here = session.server().version_num / 10_000;
    match needs.major().filter(|source| *source > here) {
        Some(source) => {
            let doing = format!("restore a backup of PostgreSQL {source} on {}, which is {here}", session.via());
            Err(Error::new(Kind::Tool, doing).hint("name a server of the same or a later major version"))
        }
        None => Ok(()),
    }
}

fn refuse_without_right(session: &DirectSession, standing: &Standing) -> Result<()> {
    if standing.creates_databases {
        return Ok(());
    }
    let doing = format!("make a database on {}: the role {} may not create any", session.via(), standing.role);
    let hint = format!(
        "as a superuser: ALTER ROLE {} CREATEDB; or name another role in `server`",
        quote_ident(&standing.role)
    );
    Err(Error::new(Kind::Database, doing).hint(hint))
}

async fn try_lock(session: &mut DirectSession, drill: &DrillId) -> Result<bool> {
    let taken = session.text(&format!("SELECT pg_catalog.pg_try_advisory_lock({})", key(drill))).await?;
    Ok(taken.as_deref() == Some("t"))
}

fn key(drill: &DrillId) -> String {
    format!("pg_catalog.hashtextextended('lifeboat drill {drill}', 0)")
}

const NAMES: &str = r#"
SELECT datname AS name FROM pg_database WHERE datname LIKE 'drill\_%'
UNION SELECT substring(query FROM '^CREATE DATABASE "(drill_[^"]*)"') FROM pg_stat_activity
 WHERE state = 'active' AND query LIKE 'CREATE DATABASE "drill\_%'"#;
const DATABASES: &str = r"SELECT datname AS name FROM pg_database WHERE datname LIKE 'drill\_%' ORDER BY 1";
const PURPOSE: &str = "drill";
const SPEAK_EVERY: Duration = Duration::from_secs(5);
/// Sooner than whoever collects is likely to come by.
const TAKE_AGAIN_AFTER: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
const RELEASE_WITHIN: Duration = Duration::from_secs(5);
const CREATION_POLLS: u32 = 100;
const CREATION_POLL: Duration = Duration::from_millis(50);
