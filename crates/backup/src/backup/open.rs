//! Opens what a backup needs of a database: the leader, where one is possible, and the tools.

use std::time::Duration;

use lifeboat_core::{Job, Kind, Result};

use super::BackupOptions;
use super::run_lock::RunLock;
use crate::leader::Leader;
use crate::parallel::{Choice, LeaderView, choose};
use crate::postgres::{
    ConnectOptions, ConnectionSettings, PsqlOptions, PsqlSession, Session as _, connect, connect_through,
    refuse_dropped_options,
};
use crate::source::{MethodChoice, Reach, Source};
use crate::tools::Toolbox;

pub(super) struct Opened {
    pub(super) leader: Option<Leader>,
    pub(super) tools: Toolbox,
    /// How to dump.
    pub(super) choice: Choice,
    /// What the workers of the method `parallel` need.
    pub(super) view: Option<Box<LeaderView>>,
    /// Held in place of the leader's advisory lock.
    pub(super) _lock: Option<RunLock>,
}

pub(super) async fn open(source: &Source, options: &BackupOptions, job: &Job) -> Result<Opened> {
    match &source.reach {
        Reach::Direct { settings, tools_dir } => {
            let (mut leader, settings) = lead(settings, options, job).await?;
            let major = leader.facts.major();
            let tools =
                Toolbox::local(&settings, major, tools_dir.as_deref(), &options.runtime_dir, options.lock_timeout)
                    .await?;
            let choice = choose(method(source, options), options.jobs, &source.name, Some(&mut leader)).await?;
            let view = LeaderView {
                settings,
                connect: connect_options(options, job),
                snapshot: leader.snapshot.clone(),
                encoding: leader.facts.encoding.clone(),
                major,
            };
            Ok(Opened { leader: Some(leader), tools, choice, view: Some(Box::new(view)), _lock: None })
        }
        Reach::Prefixed { .. } => open_through(source, options, job).await,
    }
}

fn method(source: &Source, options: &BackupOptions) -> MethodChoice {
    source.method.unwrap_or(options.method)
}

/// How psql is run through the source's prefix, if it has one.
pub(super) fn psql_options(source: &Source) -> Option<PsqlOptions> {
    let Reach::Prefixed { prefix, dbname, user, environment } = &source.reach else { return None };
    Some(PsqlOptions {
        tools_prefix: prefix.clone(),
        dbname: dbname.clone(),
        user: user.clone(),
        environment: environment.clone(),
        ..PsqlOptions::default()
    })
}

/// The leader, and the settings of the one server it reached: its snapshot exists nowhere else.
async fn lead(
    settings: &ConnectionSettings,
    options: &BackupOptions,
    job: &Job,
) -> Result<(Leader, ConnectionSettings)> {
    job.step(&format!("connect to {}", settings.display()));
    let session = connect(settings, "leader", &connect_options(options, job), &*job.monitor).await?;
    refuse_dropped_options(&session).await?;
    let settings = session.settings().clone();
    Ok((Leader::open(Box::new(session), job, options.lock_timeout).await?, settings))
}

fn connect_options(options: &BackupOptions, job: &Job) -> ConnectOptions {
    ConnectOptions { retry: options.connect_retry.clone(), cancel: job.cancel.clone() }
}

/// The tools tell the server's version only through psql; without it there is no leader, and pg_dump alone refuses a
/// server newer than itself.
async fn open_through(source: &Source, options: &BackupOptions, job: &Job) -> Result<Opened> {
    let psql = psql_options(source).unwrap_or_default();
    job.step("open a session through psql");
    let (leader, lock) =
        match connect_through(&psql, None, "leader", &connect_options(options, job), &*job.monitor).await {
            Ok(session) => (Some(Leader::open(Box::new(session), job, options.lock_timeout).await?), None),
            Err(error) if error.kind() == Kind::Tool => {
                job.warn(&format!("no leader is possible: {}", error.chain()));
                (None, Some(RunLock::take(&options.state_dir, &source.name)?))
            }
            Err(error) => return Err(error),
        };
    let major = leader.as_ref().map(|leader| leader.facts.major());
    let tools = Toolbox::prefixed(&psql, major, options.lock_timeout).await?;
    let choice = choose(method(source, options), options.jobs, &source.name, None).await?;
    Ok(Opened { leader, tools, choice, view: None, _lock: lock })
}

/// Ends what a killed `docker exec` leaves behind: its pg_dump goes on inside the container. Only this run can own
/// sessions of these names, for it holds the database's lock.
pub(super) async fn end_remote_sessions(source: &Source, job: &Job) {
    let Some(psql) = psql_options(source) else { return };
    let ended = async {
        let mut session = PsqlSession::open(&psql, None, "clean-up").await?;
        session.execute(END_SESSIONS).await
    };
    match tokio::time::timeout(CLEAN_UP_DEADLINE, ended).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => job.warn(&format!("could not end the tools' sessions: {}", error.chain())),
        Err(_) => job.warn("could not end the tools' sessions: the database does not answer"),
    }
}

const END_SESSIONS: &str = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
    WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() \
    AND application_name IN ('lifeboat/leader', 'lifeboat/schema', 'lifeboat/globals', 'lifeboat/dump')";
const CLEAN_UP_DEADLINE: Duration = Duration::from_secs(15);
