//! Where a whole backup goes, whatever is in it: a database to be created, or one that is empty.

use lifeboat_core::index::Extension;
use lifeboat_core::{Job, Result, counted};
use serde::Deserialize;

use super::{Preflight, TargetFacts, connect_to, facts, present, user_objects, version_refusal};
use crate::archive::Archive;
use crate::postgres::{ConnectionSettings, DirectSession, rows};
use crate::restore::RestoreOptions;
use crate::restore::target::{drop_statement, is_unfinished};

/// What is wrong with a target before anything is known of what is restored: of a file that takes an hour to read.
pub(in crate::restore) async fn look(
    target: &ConnectionSettings,
    options: &RestoreOptions,
    job: &Job,
) -> Result<Preflight> {
    let mut session = connect_to(target, options, job).await?;
    let preflight = Preflight::whatever_comes(&mut session, target, options, UNKNOWN).await?;
    warn_of_unfinished(&mut session, target, options, job).await?;
    session.close().await;
    Ok(preflight)
}

/// What is wrong with a target for a script that nobody has looked into.
pub(in crate::restore) async fn check_for_script(
    archive: &Archive,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    job: &Job,
) -> Result<Preflight> {
    let mut session = connect_to(target, options, job).await?;
    let source = archive.index.server_major().unwrap_or(UNKNOWN);
    let preflight = Preflight::whatever_comes(&mut session, target, options, source).await?;
    session.close().await;
    Ok(preflight)
}

impl Preflight {
    /// What is wrong with a target whatever a dump of this major version holds: nobody knows which extensions it needs.
    async fn whatever_comes(
        session: &mut DirectSession,
        target: &ConnectionSettings,
        options: &RestoreOptions,
        source: u32,
    ) -> Result<Self> {
        let facts = facts(session, &target.dbname).await?;
        let mut preflight = Self::of(&facts);
        preflight.check_is_primary(&facts);
        if let Some((why, hint)) = version_refusal(source, facts.server_version_num / 10_000) {
            preflight.refuse(why, &hint);
        }
        preflight.check_rights(options, &facts.user);
        preflight.check_place(session, target, options, None, &facts).await?;
        Ok(preflight)
    }

    /// Nothing is wrong with it so far.
    pub(super) fn of(facts: &TargetFacts) -> Self {
        Self {
            server_version_num: facts.server_version_num,
            missing_roles: Vec::new(),
            tablespace: None,
            encoding: None,
            refusals: Vec::new(),
            hints: Vec::new(),
        }
    }

    pub(super) fn check_is_primary(&mut self, facts: &TargetFacts) {
        if facts.recovering {
            self.refuse("the server is a standby", "restore into its primary");
        }
    }

    /// `extensions` may be there already: those of the backup, or any where nobody knows them.
    pub(super) async fn check_place(
        &mut self,
        session: &mut DirectSession,
        target: &ConnectionSettings,
        options: &RestoreOptions,
        extensions: Option<&[Extension]>,
        facts: &TargetFacts,
    ) -> Result<()> {
        if options.create {
            if facts.exists {
                let why = format!("the database {} exists already", target.dbname);
                self.refuse(
                    why,
                    "name another database, or leave --create out if it is empty; --replace puts a backup in its place",
                );
            }
            return Ok(());
        }
        let objects = user_objects(session).await?.saturating_sub(present(extensions, session).await?);
        if objects > 0 {
            let why = format!("the database {} is not empty: it has {}", target.dbname, counted(objects, "object"));
            self.refuse(why, "name an empty database, or another one with --create");
        }
        Ok(())
    }
}

/// A file has no id: what a killed restore of it left stands in nobody's way, and takes its disk.
async fn warn_of_unfinished(
    session: &mut DirectSession,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    job: &Job,
) -> Result<()> {
    #[derive(Deserialize)]
    struct Database {
        name: String,
    }
    if !options.create {
        return Ok(());
    }
    let databases: Vec<Database> = rows(session, "SELECT datname AS name FROM pg_catalog.pg_database").await?;
    for database in databases.iter().filter(|database| is_unfinished(&database.name, &target.dbname)) {
        let drop = drop_statement(&database.name, session.server().version_num);
        job.warn(&format!(
            "the database {} is of a restore that did not end; unless that still runs, drop it: {drop}",
            database.name
        ));
    }
    Ok(())
}

/// A major version that is older than any.
const UNKNOWN: u32 = 0;
