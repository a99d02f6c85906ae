//! The database that is restored beside the one whose place it is to take.

use std::sync::Arc;

use lifeboat_core::index::DatabaseProperties;
use lifeboat_core::{Error, Job, Kind, Result};
use tokio_util::sync::CancellationToken;

use super::super::preflight::{Preflight, maintenance};
use super::super::stand_in::StandIn;
use super::super::target::{WAIT_FOR_DISK, drop_database, drop_statement};
use super::super::{RestoreOptions, with_rights_hint};
use super::live::Ours;
use crate::leader::property_statements;
use crate::postgres::{ConnectOptions, ConnectionSettings, DirectSession, Session, quote_ident, quote_literal};

/// Where the backup is restored, and how.
pub(super) struct Beside {
    /// The database whose place it is to take, and its oid: another one may get the name.
    pub(super) live: ConnectionSettings,
    pub(super) oid: u32,
    /// The database beside it.
    pub(super) target: ConnectionSettings,
    /// Whether an earlier run restored it.
    pub(super) is_ready: bool,
    /// Its comment when everything is in it.
    pub(super) restored: String,
    pub(super) options: RestoreOptions,
    pub(super) preflight: Preflight,
    /// What killed runs left.
    pub(super) leftovers: Vec<Ours>,
}

impl Beside {
    /// Says of the database that it is whole: from here on it is worth something.
    pub(super) async fn mark_as_restored(&self, job: &Job) -> Result<()> {
        let mut session = maintenance(&self.target, &self.connect(job), job).await?;
        session.execute(WAIT_FOR_DISK).await?;
        let comment = quote_literal(&self.restored);
        let say = format!("COMMENT ON DATABASE {} IS {comment}", quote_ident(&self.target.dbname));
        let said = session.execute(&say).await;
        session.close().await;
        said.map_err(|error| with_rights_hint(error.while_doing("say that the database is restored")))
    }

    /// Drops it, also for a cancelled run.
    pub(super) async fn discard(&self, job: &Job) {
        let job = Job::new(Arc::clone(&job.monitor), CancellationToken::new());
        job.step("clean up");
        let dropped = async {
            let mut session = maintenance(&self.target, &self.connect(&job), &job).await?;
            drop_database(&mut session, &self.target.dbname).await
        };
        if let Err(error) = dropped.await {
            job.warn(&format!("could not drop {}: {}", self.target.dbname, error.chain()));
        }
    }

    /// For the operator whose last step failed.
    pub(super) fn tell_that_it_stays(&self, job: &Job) {
        let name = &self.target.dbname;
        let drop = drop_statement(name, self.preflight.server_version_num);
        job.warn(&format!("{name} stays, with everything in it: the same command goes on from it; or drop it: {drop}"));
    }

    /// Gives it what was changed of the live database since; what that one is now.
    ///
    /// # Errors
    /// [`Kind::Policy`] when that cannot be had, such as another tablespace.
    pub(super) async fn follow(&self, session: &mut DirectSession, live: &str) -> Result<StandIn> {
        let name = &self.target.dbname;
        let present = StandIn::of(session, live, String::new()).await?;
        let mut beside = StandIn::of(session, name, String::new()).await?;
        if !beside.is_like(&present) || beside.connection_limit != present.connection_limit {
            let statements = follow_statements(name, &beside, &present).join(";\n");
            let followed = session.execute(&format!("BEGIN;\n{statements};\nCOMMIT")).await;
            if let Err(error) = followed {
                session.execute("ROLLBACK").await?;
                return Err(with_rights_hint(error.while_doing("set what was changed of the database meanwhile")));
            }
            beside = StandIn::of(session, name, String::new()).await?;
        }
        if beside.is_like(&present) {
            return Ok(present);
        }
        Err(Error::new(Kind::Policy, format!("give {name} the properties of {live}, which were changed meanwhile"))
            .hint("compare both with `psql -c '\\l+'` and `psql -c '\\drds'`; run it again to begin anew"))
    }

    /// Its oid.
    pub(super) async fn coming(&self, session: &mut DirectSession) -> Result<u32> {
        let name = &self.target.dbname;
        let query = format!("SELECT oid FROM pg_catalog.pg_database WHERE datname = {}", quote_literal(name));
        let found = session.text(&query).await?.and_then(|oid| oid.parse().ok());
        found.ok_or_else(|| Error::new(Kind::Failure, format!("find {name}: somebody dropped it")).hint("run it again"))
    }

    fn connect(&self, job: &Job) -> ConnectOptions {
        ConnectOptions { retry: self.options.connect_retry.clone(), cancel: job.cancel.clone() }
    }
}

/// What makes the database like `present`, but for its comment.
fn follow_statements(name: &str, beside: &StandIn, present: &StandIn) -> Vec<String> {
    let (database, old, new) = (quote_ident(name), &beside.properties, &present.properties);
    let mut statements = vec![
        format!("ALTER DATABASE {database} RESET ALL"),
        format!("ALTER DATABASE {database} CONNECTION LIMIT {}", present.connection_limit),
    ];
    let roles = old.settings.iter().filter_map(|setting| setting.role.as_deref());
    statements.extend(roles.map(|role| format!("ALTER ROLE {} IN DATABASE {database} RESET ALL", quote_ident(role))));
    let new = DatabaseProperties { comment: None, security_labels: Vec::new(), ..new.clone() };
    statements.extend(property_statements(name, &new));
    statements
}

#[cfg(test)]
mod tests {
    use lifeboat_core::index::{DatabaseProperties, DatabaseSetting};

    use super::{StandIn, follow_statements};

    #[test]
    fn settings_that_are_gone_are_reset_before_those_that_are_there_are_made() {
        let setting = |role: Option<&str>| DatabaseSetting {
            role: role.map(Into::into),
            name: "work_mem".into(),
            value: "8MB".into(),
        };
        let with = |connection_limit, settings| StandIn {
            properties: DatabaseProperties { connection_limit: -1, settings, ..Default::default() },
            connection_limit,
            source: crate::restore::stand_in::tests::source(),
        };
        let old = with(5, vec![setting(Some("app")), setting(None)]);
        let statements = follow_statements("x", &old, &with(-1, vec![setting(None)]));
        assert_eq!(
            statements,
            [
                "ALTER DATABASE \"x\" RESET ALL",
                "ALTER DATABASE \"x\" CONNECTION LIMIT -1",
                "ALTER ROLE \"app\" IN DATABASE \"x\" RESET ALL",
                "ALTER DATABASE \"x\" SET \"work_mem\" TO '8MB'",
            ]
        );
    }
}
