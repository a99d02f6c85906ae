//! Opens what a backup needs of a database: the leader, where one is possible, and the tools.

use lifeboat_core::{Job, Kind, Result};

use crate::backup::BackupOptions;
use crate::leader::Leader;
use crate::postgres::{ConnectOptions, ConnectionSettings, PsqlOptions, connect, connect_through};
use crate::source::{Reach, Source};
use crate::tools::Toolbox;

pub(crate) struct Opened {
    pub(crate) leader: Option<Leader>,
    pub(crate) tools: Toolbox,
}

pub(crate) async fn open(source: &Source, options: &BackupOptions, job: &Job) -> Result<Opened> {
    match &source.reach {
        Reach::Direct { settings, tools_dir } => {
            let (leader, settings) = lead(settings, options, job).await?;
            let major = leader.facts.major();
            let tools = Toolbox::local(&settings, major, tools_dir.as_deref(), &options.runtime_dir).await?;
            Ok(Opened { leader: Some(leader), tools })
        }
        Reach::Prefixed { prefix, dbname, user, environment } => {
            let psql = PsqlOptions {
                tools_prefix: prefix.clone(),
                dbname: dbname.clone(),
                user: user.clone(),
                environment: environment.clone(),
                ..PsqlOptions::default()
            };
            open_through(&psql, options, job).await
        }
    }
}

/// The leader, and the settings of the one server it reached: its snapshot exists nowhere else.
async fn lead(
    settings: &ConnectionSettings,
    options: &BackupOptions,
    job: &Job,
) -> Result<(Leader, ConnectionSettings)> {
    job.step(&format!("connect to {}", settings.display()));
    let session = connect(settings, "leader", &connect_options(options, job), &*job.monitor).await?;
    let settings = session.settings().clone();
    Ok((Leader::open(Box::new(session), job, options.lock_timeout).await?, settings))
}

fn connect_options(options: &BackupOptions, job: &Job) -> ConnectOptions {
    ConnectOptions { retry: options.connect_retry.clone(), cancel: job.cancel.clone() }
}

/// The tools tell the server's version only through psql; without it there is no leader, and pg_dump alone refuses a
/// server newer than itself.
async fn open_through(psql: &PsqlOptions, options: &BackupOptions, job: &Job) -> Result<Opened> {
    job.step("open a session through psql");
    let leader = match connect_through(psql, None, "leader", &connect_options(options, job), &*job.monitor).await {
        Ok(session) => Some(Leader::open(Box::new(session), job, options.lock_timeout).await?),
        Err(error) if error.kind() == Kind::Tool => {
            job.warn(&format!("no leader is possible: {}", error.chain()));
            None
        }
        Err(error) => return Err(error),
    };
    let major = leader.as_ref().map(|leader| leader.facts.major());
    Ok(Opened { leader, tools: Toolbox::prefixed(psql, major).await? })
}
