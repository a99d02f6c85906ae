//! Opens what a backup needs of a database: the leader, where one is possible, and the tools.

use lifeboat_core::{Job, Kind, Result};

use crate::backup::BackupOptions;
use crate::leader::Leader;
use crate::postgres::{
    ConnectOptions, ConnectionSettings, PsqlOptions, PsqlSession, connect, refuse_transaction_pooler,
};
use crate::source::{Reach, Source};
use crate::tools::Toolbox;

pub(crate) struct Opened {
    pub(crate) leader: Option<Leader>,
    pub(crate) tools: Toolbox,
}

pub(crate) async fn open(source: &Source, options: &BackupOptions, job: &Job) -> Result<Opened> {
    match &source.reach {
        Reach::Direct { settings, tools_dir } => {
            let leader = lead(settings, options, job).await?;
            let major = leader.facts.major();
            let tools = Toolbox::local(settings, major, tools_dir.as_deref(), &options.runtime_dir).await?;
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

async fn lead(settings: &ConnectionSettings, options: &BackupOptions, job: &Job) -> Result<Leader> {
    job.step(&format!("connect to {}", settings.display()));
    let how = ConnectOptions { retry: options.connect_retry.clone(), cancel: job.cancel.clone() };
    let mut session = connect(settings, "leader", &how, &*job.monitor).await?;
    refuse_transaction_pooler(&mut session).await?;
    Leader::open(Box::new(session), job, options.lock_timeout).await
}

/// The tools tell the server's version only through psql; without it there is no leader, and pg_dump alone refuses a
/// server newer than itself.
async fn open_through(psql: &PsqlOptions, options: &BackupOptions, job: &Job) -> Result<Opened> {
    job.step(&format!("open a session through `{}`", psql.tools_prefix.join(" ")));
    let leader = match PsqlSession::open(psql, None, "leader").await {
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
