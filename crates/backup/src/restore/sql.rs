//! Runs SQL, each range proven before its first statement, statement by statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat_core::monitor::Counter;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result};

use super::extensions;
use super::inert::Inert;
use super::pieces::Pieces;
use super::settings::Settings;
use super::worker::Worker;
use crate::archive::Archive;
use crate::postgres::sqlstate::{INSUFFICIENT_PRIVILEGE, UNDEFINED_OBJECT};
use crate::postgres::{Session, sqlstate_of};
use crate::script::{
    Statement, StatementKind, Statements, changes_owner_or_privileges, comment_header, is_session_setting,
    may_name_roles,
};

/// What every restoring session is told first, as the script's own first statements say it.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    /// Settings; the client encoding is not among them, for our sessions speak UTF-8 whatever the script's encoding is.
    pub(super) settings: Arc<Settings>,
    /// Encoding of the script.
    pub(super) encoding: Option<String>,
}

impl Header {
    /// Reads the settings before the script's first other statement.
    pub(super) async fn read(store: &Store, archive: &Archive, job: &Job) -> Result<Self> {
        let mut header = Self::default();
        for range in &archive.index.ranges {
            let sql = archive.read_whole(store, job, range).await?;
            for statement in Statements::new(&sql) {
                let statement = statement?;
                match statement.kind {
                    StatementKind::Sql if is_session_setting(statement.body()) => header.add(statement.body())?,
                    StatementKind::MetaCommand | StatementKind::Blank => {}
                    _ => return Ok(header),
                }
            }
        }
        Ok(header)
    }

    /// The encoding of the script's rows.
    pub(super) fn encoding(&self) -> &str {
        self.encoding.as_deref().unwrap_or("UTF8")
    }

    fn add(&mut self, setting: &[u8]) -> Result<()> {
        let text = std::str::from_utf8(setting).map_err(|_| not_convertible("unknown"))?;
        match client_encoding(text) {
            Some(encoding) => self.encoding = Some(encoding.to_owned()),
            None => {
                Arc::make_mut(&mut self.settings).make(text);
            }
        }
        Ok(())
    }
}

/// The encoding in which the rows of a backup were printed.
///
/// # Errors
/// Those of reading the beginning of the script, where the index does not tell.
pub async fn row_encoding(store: &Store, archive: &Archive, job: &Job) -> Result<String> {
    match &archive.index.source {
        Some(source) => Ok(source.encoding.clone()),
        None => Ok(Header::read(store, archive, job).await?.encoding().to_owned()),
    }
}

/// The encoding that `SET client_encoding = 'X';` names.
fn client_encoding(setting: &str) -> Option<&str> {
    let value = setting.strip_prefix("SET client_encoding = '")?;
    value.split_once('\'').map(|(encoding, _)| encoding)
}

/// The error when a session that must be UTF-8 meets text in another encoding that the server cannot convert.
fn not_convertible(encoding: &str) -> Error {
    Error::new(Kind::Failure, format!("run a statement that is not ASCII in the encoding {encoding}"))
        .hint("pipe the script into psql instead: `lifeboat cat BACKUP | psql -X -v ON_ERROR_STOP=1`")
}

/// Runs statements of the script, whichever session does.
pub(super) struct Sql<'a> {
    pub(super) store: &'a Store,
    pub(super) archive: &'a Archive,
    pub(super) job: &'a Job,
    /// The encoding of the statements.
    pub(super) encoding: String,
    /// Leave owners and privileges as they come.
    pub(super) skip_owners: bool,
    /// Leave out what reaches out of the database.
    pub(super) inert: Option<Inert>,
    /// Whether it was told that privileges on what is the server's own were left out.
    pub(super) told_of_the_servers: AtomicBool,
}

impl Sql<'_> {
    /// Runs pieces, statement by statement, and notes the settings that they make.
    pub(super) async fn run(
        &self,
        worker: &mut Worker,
        pieces: &Pieces<'_>,
        settings: &mut Arc<Settings>,
    ) -> Result<()> {
        let mut proven = pieces.read(self.store, self.archive, self.job);
        while let Some(sql) = proven.next().await? {
            for statement in Statements::new(&sql) {
                let statement = statement?;
                if !self.note_setting(&statement, settings)? {
                    worker.tell(settings).await?;
                    self.statement(worker, &statement).await?;
                }
                self.job.count(Counter::SqlBytes, statement.text.len() as u64);
            }
        }
        Ok(())
    }

    /// Whether the statement makes a setting, which is then noted and not run.
    pub(super) fn note_setting(&self, statement: &Statement<'_>, settings: &mut Arc<Settings>) -> Result<bool> {
        if statement.kind != StatementKind::Sql || !is_session_setting(statement.body()) {
            return Ok(false);
        }
        let text = std::str::from_utf8(statement.body()).map_err(|_| not_convertible(&self.encoding))?;
        let mut changed = Settings::clone(settings);
        if client_encoding(text).is_none() && changed.make(text) {
            *settings = Arc::new(changed);
        }
        Ok(true)
    }

    /// Runs a statement under the settings that its session was told.
    pub(super) async fn statement(&self, worker: &mut Worker, statement: &Statement<'_>) -> Result<()> {
        match statement.kind {
            StatementKind::Blank | StatementKind::CopyBegin | StatementKind::CopyEnd => Ok(()),
            StatementKind::MetaCommand => refuse_other_commands(statement),
            StatementKind::Sql if self.inert.as_ref().is_some_and(|inert| inert.leaves_out(statement.body())) => {
                self.job.warn(&format!("left out the {}: the restored database is to reach nobody", name(statement)));
                Ok(())
            }
            StatementKind::Sql if self.skip_owners && changes_owner_or_privileges(statement.body()) => Ok(()),
            StatementKind::Sql if self.skip_owners && may_name_roles(statement.body()) => {
                self.execute_unless_role_is_missing(worker, statement).await
            }
            StatementKind::Sql => self.execute(worker, statement).await,
        }
    }

    /// What is for a role that is not there has no use; what depends on it, such as its comment, follows it.
    async fn execute_unless_role_is_missing(&self, worker: &mut Worker, statement: &Statement<'_>) -> Result<()> {
        match self.execute(worker, statement).await {
            Err(error) if sqlstate_of(&error) == Some(UNDEFINED_OBJECT) => {
                self.job.warn(&format!("left out with the role it is for: {}", error.chain()));
                Ok(())
            }
            result => result,
        }
    }

    async fn execute(&self, worker: &mut Worker, statement: &Statement<'_>) -> Result<()> {
        let mut text = self.utf8(worker, statement.body()).await?;
        let is_told = extensions::creates_timescaledb(statement.body());
        if is_told {
            text = extensions::with_version(&text, &self.archive.index.extensions);
        }
        let executed = worker.session.execute(&text).await;
        if let (Err(error), Some(inert)) = (&executed, &self.inert)
            && inert.excuses(statement.body(), error)
        {
            self.job.warn(&format!("left out the rows of {}: {}", name(statement), error.chain()));
            return Ok(());
        }
        if let Err(error) = &executed
            && sqlstate_of(error) == Some(INSUFFICIENT_PRIVILEGE)
            && self.leaves_to_the_server(statement.body())
        {
            return Ok(());
        }
        executed.map_err(|error| error.while_doing(format!("restore {}", name(statement))))?;
        if is_told { extensions::begin(&mut worker.session, self.job).await } else { Ok(()) }
    }

    /// Whether a statement that may not be run concerns what is the server's own and not the database's: the comment of an
    /// extension that somebody else has created, which brings it, and privileges on what comes with Postgres.
    fn leaves_to_the_server(&self, statement: &[u8]) -> bool {
        let is_privilege = changes_privileges_of_the_server(statement);
        if is_privilege && !self.told_of_the_servers.swap(true, Ordering::Relaxed) {
            self.job.warn(LEFT_TO_THE_SERVER);
        }
        is_privilege || statement.starts_with(b"COMMENT ON EXTENSION ")
    }

    /// The server converts what is not UTF-8: it knows every encoding it has ever stored.
    async fn utf8(&self, worker: &mut Worker, text: &[u8]) -> Result<String> {
        if self.encoding == "UTF8" || text.is_ascii() {
            return String::from_utf8(text.to_vec()).map_err(|_| not_convertible(&self.encoding));
        }
        let encoding = crate::postgres::quote_literal(&self.encoding);
        let query = format!("SELECT pg_catalog.convert_from('\\x{}'::pg_catalog.bytea, {encoding})", hex(text));
        let converted = worker.session.text(&query).await?;
        converted.ok_or_else(|| not_convertible(&self.encoding))
    }
}

/// Providers take rights on functions of Postgres from their customers, database by database, and pg_dump notes it.
fn changes_privileges_of_the_server(statement: &[u8]) -> bool {
    let text = String::from_utf8_lossy(statement);
    let name = ["GRANT ", "REVOKE "].iter().find_map(|verb| text.strip_prefix(verb)).and_then(|rest| {
        let name = rest.split_once(" ON ")?.1;
        let kinds = ["FUNCTION ", "PROCEDURE ", "TABLE ", "TYPE "];
        Some(kinds.iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(name).to_owned())
    });
    name.is_some_and(|name| name.starts_with("\"pg_catalog\".") || name.starts_with("pg_catalog."))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `\restrict` and `\unrestrict` guard psql; every other command would run something on this host.
pub(super) fn refuse_other_commands(statement: &Statement<'_>) -> Result<()> {
    match statement.meta_command() {
        Some(b"restrict" | b"unrestrict") => Ok(()),
        other => {
            let command = String::from_utf8_lossy(other.unwrap_or_default()).into_owned();
            Err(Error::new(Kind::Policy, format!("run the psql command \\{command} that the script holds")))
        }
    }
}

/// What a statement restores, by the comment that pg_dump put before it, else by its first words.
fn name(statement: &Statement<'_>) -> String {
    match comment_header(statement.text) {
        Some(header) => {
            let lossy = String::from_utf8_lossy;
            let schema = header.schema.map(|schema| format!("{}.", lossy(schema))).unwrap_or_default();
            format!("{} {schema}{}", lossy(header.kind).to_lowercase(), lossy(header.name))
        }
        None => {
            let line = statement.body().split(|byte| *byte == b'\n').next().unwrap_or_default();
            let line = line.strip_suffix(b";").unwrap_or(line);
            String::from_utf8_lossy(line).chars().take(WORDS_CHARS).collect()
        }
    }
}

const LEFT_TO_THE_SERVER: &str =
    "left out privileges on what comes with Postgres, in pg_catalog: only a superuser may change them";
const WORDS_CHARS: usize = 80;

#[cfg(test)]
mod tests {
    use super::changes_privileges_of_the_server;

    #[test]
    fn privileges_on_what_comes_with_postgres_are_told_from_others() {
        for own in [
            r#"REVOKE ALL ON FUNCTION "pg_catalog"."pg_read_file"("text") FROM PUBLIC;"#,
            "GRANT SELECT(\"oid\") ON TABLE \"pg_catalog\".\"pg_proc\" TO PUBLIC;",
            "GRANT ALL ON FUNCTION pg_catalog.pg_reload_conf() TO admin;",
        ] {
            assert!(changes_privileges_of_the_server(own.as_bytes()), "{own}");
        }
        for other in [
            r#"GRANT SELECT ON TABLE "public"."orders" TO "pg_catalog";"#,
            "REVOKE ALL ON SCHEMA \"pg_catalog\" FROM PUBLIC;",
            "SELECT 'GRANT ALL ON TABLE pg_catalog.pg_proc';",
        ] {
            assert!(!changes_privileges_of_the_server(other.as_bytes()), "{other}");
        }
    }
}
