//! Where a whole backup goes, whatever is in it: a database to be created, or one that is empty.

use lifeboat_core::index::Extension;
use lifeboat_core::{Job, Result, counted};
use serde::Deserialize;

use super::{Preflight, TargetFacts, connect_to, facts, present, user_objects, version_refusal};
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
    let facts = facts(&mut session, &target.dbname).await?;
    let mut preflight = Preflight::of(&facts);
    preflight.check_is_primary(&facts);
    if let Some((why, hint)) = version_refusal(0, facts.server_version_num / 10_000) {
        preflight.refuse(why, &hint);
    }
    preflight.check_rights(options, &facts.user);
    preflight.check_place(&mut session, target, options, &[], &facts).await?;
    warn_of_unfinished(&mut session, target, options, job).await?;
    session.close().await;
    Ok(preflight)
}

impl Preflight {
    /// Nothing is wrong with it so far.
    pub(super) fn of(facts: &TargetFacts) -> Self {
        Self {
            server_version_num: facts.server_version_num,
            missing_roles: Vec::new(),
            tablespace: None,
            refusals: Vec::new(),
            hints: Vec::new(),
        }
    }

    pub(super) fn check_is_primary(&mut self, facts: &TargetFacts) {
        if facts.recovering {
            self.refuse("the server is a standby", "restore into its primary");
        }
    }

    /// `extensions`: of the backup, which may be there already.
    pub(super) async fn check_place(
        &mut self,
        session: &mut DirectSession,
        target: &ConnectionSettings,
        options: &RestoreOptions,
        extensions: &[Extension],
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
