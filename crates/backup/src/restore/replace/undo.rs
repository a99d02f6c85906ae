//! Takes a replacement back: the name goes to the database that had it before, with all that was written to it.
//!
//! It is the same swap the other way round, and keeps the one that has the name now: doing it twice is as doing nothing.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt, RunId, counted};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::super::target::drop_statement;
use super::live::{self, Live, Ours, Refusals};
use super::lock::Lease;
use super::marker::{Marker, Names, State};
use super::swap::Swap;
use super::{Connected, KeptDatabase, marker_of};
use crate::postgres::{ConnectOptions, ConnectionSettings, DirectSession, Retry, Session as _};

/// How a replacement is taken back.
#[derive(Clone, Debug)]
pub struct UndoOptions {
    /// Names the database that is set aside.
    pub run: RunId,
    /// When a failed connection is tried again.
    pub connect_retry: Retry,
    /// Ends it early.
    pub cancel: CancellationToken,
}

impl UndoOptions {
    /// The defaults.
    #[must_use]
    pub fn new(run: RunId) -> Self {
        Self { run, connect_retry: Retry::default(), cancel: CancellationToken::new() }
    }
}

/// What taking a replacement back would do.
#[derive(Clone, Debug, Serialize)]
pub struct UndoPlan {
    /// The run that its names carry.
    pub run: RunId,
    /// The name.
    pub database: String,
    /// Where it is.
    pub target: String,
    /// The database that gets the name back.
    pub comes_back: KeptDatabase,
    /// The backup that took its place; none where that was undone itself.
    pub replaced_by: Option<String>,
    /// The name under which the present one is kept.
    pub kept_as: String,
    /// Its size, where the role may know it.
    pub database_bytes: Option<u64>,
    /// Whose sessions would be ended.
    pub connected: Vec<Connected>,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// Why it would be refused; empty when it would run.
    pub refusals: Vec<String>,
    /// What to do about each.
    pub hints: Vec<String>,
}

impl UndoPlan {
    /// Whether it would run.
    ///
    /// # Errors
    /// [`Kind::Policy`] with every reason.
    pub fn check(&self) -> Result<()> {
        Refusals::check(&self.refusals, &self.hints, &format!("take back what replaced {}", self.target))
    }
}

/// What taking a replacement back did.
#[derive(Clone, Debug, Serialize)]
pub struct UndoSummary {
    /// The run.
    pub run: RunId,
    /// The name.
    pub database: String,
    /// What the database that has it now was called before.
    pub came_back: String,
    /// What the other one is called now.
    pub kept_as: String,
    /// Sessions that were ended for it.
    pub ended_sessions: u64,
    /// Seconds from the beginning of the swap to its end.
    pub swap_seconds: f64,
    /// The statement that drops the other one.
    pub drop_old: String,
}

struct Survey {
    lease: Lease,
    present: Live,
    coming: Ours,
    plan: UndoPlan,
}

/// Finds out what taking back the last replacement of `live` would do, and changes nothing.
///
/// # Errors
/// [`Kind::NotFound`] when no database is kept; [`Kind::Locked`]; those of connecting. What would be refused is in the plan.
pub async fn plan_undo(
    live: &ConnectionSettings,
    options: &UndoOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<UndoPlan> {
    let job = Job::new(monitor, options.cancel.clone());
    let Survey { lease, plan, .. } = job.run(Box::pin(survey(live, options, &job))).await?;
    lease.release().await;
    Ok(plan)
}

/// Gives the name of `live` back to the database that had it last.
///
/// # Errors
/// Those of [`plan_undo`]; [`Kind::Policy`] with every reason; [`Kind::TryAgain`] when sessions come back too fast. Nothing has
/// changed then.
pub async fn undo_replace(
    live: &ConnectionSettings,
    options: &UndoOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<UndoSummary> {
    let job = Job::new(monitor, options.cancel.clone());
    let Survey { mut lease, present, coming, plan } = job.run(Box::pin(survey(live, options, &job))).await?;
    plan.check()?;
    let marker = Marker {
        replaced_at: Some(now(&mut lease.session).await?),
        comment: present.comment.clone(),
        ..marker_of(State::Replaced, &plan.database, &plan.run, None)
    };
    let swap = Swap {
        name: &plan.database,
        present: present.oid,
        aside: &plan.kept_as,
        aside_comment: marker.to_text(),
        coming: coming.oid,
        coming_name: &coming.name,
        comment: coming.marker.as_ref().and_then(|marker| marker.comment.as_deref()),
    };
    let began = Instant::now();
    let ended_sessions = Box::pin(swap.apply(&mut lease, &job)).await?;
    let swap_seconds = began.elapsed().as_secs_f64();
    let drop_old = drop_statement(&plan.kept_as, lease.session.server().version_num);
    lease.release().await;
    Ok(UndoSummary {
        run: plan.run,
        database: plan.database,
        came_back: coming.name,
        kept_as: plan.kept_as,
        ended_sessions,
        swap_seconds,
        drop_old,
    })
}

async fn survey(live: &ConnectionSettings, options: &UndoOptions, job: &Job) -> Result<Survey> {
    job.step(&format!("check {}", live.display()));
    let how = ConnectOptions { retry: options.connect_retry.clone(), cancel: job.cancel.clone() };
    let mut lease = Lease::take(live, &how, job).await?;
    let name = lease.live.dbname.clone();
    let kept = live::ours(&mut lease.session, &name).await?.into_iter().rfind(|ours| ours.state == State::Replaced);
    let Some(coming) = kept else {
        let doing = format!("take back what replaced {}: no database is kept", lease.live.display());
        return Err(
            Error::new(Kind::NotFound, doing).hint("`psql -l` lists what there is; safety backups are in the store")
        );
    };
    let present = Live::read(&mut lease.session, &name).await?.ok_or_else(|| absent(&lease.live, &coming))?;
    let mut refusals = Refusals::default();
    present.refuse(&name, &mut refusals);
    refuse_other(&mut lease.session, &coming, &mut refusals).await?;
    let marker = coming.marker.as_ref();
    let plan = UndoPlan {
        run: options.run.clone(),
        target: lease.live.display(),
        comes_back: coming.kept(),
        replaced_by: marker.and_then(|marker| marker.backup.clone()),
        kept_as: Names::new(&name, &options.run).aside,
        database_bytes: present.size_bytes,
        connected: present.connected.clone(),
        notes: notes(&name, &present),
        refusals: refusals.why,
        hints: refusals.hints,
        database: name,
    };
    Ok(Survey { lease, present, coming, plan })
}

/// Somebody may be at work in the one that comes back, too.
async fn refuse_other(session: &mut DirectSession, coming: &Ours, refusals: &mut Refusals) -> Result<()> {
    if let Some(other) = Live::read(session, &coming.name).await? {
        other.refuse(&coming.name, refusals);
    }
    Ok(())
}

fn notes(name: &str, present: &Live) -> Vec<String> {
    let mut notes =
        vec![format!("what was written to {name} since is in the database that is set aside, and stays there")];
    if present.followers > 0 {
        let followers = counted(present.followers, "server or program");
        notes
            .push(format!("{followers} following this server: sessions there stay with their database until they end"));
    }
    notes
}

async fn now(session: &mut DirectSession) -> Result<Timestamp> {
    let now = session.text(NOW).await?.unwrap_or_default();
    now.parse().kind_of(Kind::Failure, || "read the server's clock".to_owned())
}

fn absent(live: &ConnectionSettings, coming: &Ours) -> Error {
    let rename = format!(
        "ALTER DATABASE {} RENAME TO {}",
        crate::postgres::quote_ident(&coming.name),
        crate::postgres::quote_ident(&live.dbname)
    );
    Error::new(Kind::Policy, format!("take back what replaced {}: there is no such database", live.display()))
        .hint(format!("nothing has the name: {rename}"))
}

const NOW: &str =
    "SELECT pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
