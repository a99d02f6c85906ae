//! The tools of one run, all of the server's major version, each called with the same connection.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lifeboat_core::{Error, Kind, Result, ResultExt};
use tokio::process::Command;

use super::locate::{find, major_of};
use crate::leader::PINNED_SETTINGS;
use crate::parallel::LOCK_TRIES;
use crate::postgres::credentials::session_options;
use crate::postgres::{ClientFiles, ConnectionSettings, PsqlOptions, ToolCall};

/// Builds the commands of one run.
pub(crate) struct Toolbox {
    how: How,
    /// What `pg_dump --version` printed.
    pub(crate) version: String,
    lock_timeout: Duration,
}

enum How {
    Local { folder: PathBuf, files: ClientFiles, dbname: String },
    Prefixed(PsqlOptions),
}

impl Toolbox {
    /// Tools of this host for a server of `major`; the connection's files are written below `runtime_dir`.
    pub(crate) async fn local(
        settings: &ConnectionSettings,
        major: u32,
        configured: Option<&Path>,
        runtime_dir: &Path,
        lock_timeout: Duration,
    ) -> Result<Self> {
        let (folder, version) = find(major, configured).await?;
        let files = ClientFiles::write(settings, runtime_dir)?;
        Ok(Self { how: How::Local { folder, files, dbname: settings.dbname.clone() }, version, lock_timeout })
    }

    /// Tools that `prefix` runs where the server is.
    ///
    /// `major` is the server's, where a leader could ask for it.
    pub(crate) async fn prefixed(options: &PsqlOptions, major: Option<u32>, lock_timeout: Duration) -> Result<Self> {
        let tools = Self { how: How::Prefixed(options.clone()), version: String::new(), lock_timeout };
        let version = tools.ask_version().await?;
        if major.is_some_and(|major| major_of(&version) != Some(major)) {
            let prefix = options.tools_prefix.first().map_or("", String::as_str);
            return Err(Error::new(
                Kind::Tool,
                format!("use {version} through `{prefix}` with another server version"),
            )
            .hint("the tools must have the server's major version"));
        }
        Ok(Self { version, ..tools })
    }

    async fn ask_version(&self) -> Result<String> {
        let mut command = self.bare("pg_dump");
        let doing = || "run pg_dump --version".to_owned();
        let output = command.arg("--version").kill_on_drop(true).output().await.kind_of(Kind::Tool, doing)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::new(Kind::Tool, doing()).caused_by(said))
    }

    /// The database as an argument: a bare name with `=` in it would be taken for connection parameters.
    pub(crate) fn database_argument(&self) -> String {
        let dbname = match &self.how {
            How::Local { dbname, .. } => dbname,
            How::Prefixed(options) => &options.dbname,
        };
        connection_string(&[("dbname", dbname)])
    }

    /// The first word of the prefix, if there is one.
    pub(crate) fn prefix(&self) -> Option<&str> {
        match &self.how {
            How::Local { .. } => None,
            How::Prefixed(options) => options.tools_prefix.first().map(String::as_str),
        }
    }

    /// A call of `tool` that connects to the database under the pinned settings, never asking for a password.
    pub(crate) fn command(&self, tool: &str, purpose: &str) -> Command {
        let mut command = self.bare(tool);
        command.arg("--no-password");
        match &self.how {
            How::Local { files, .. } => {
                files.apply(&mut command, &ToolCall { purpose, settings: PINNED_SETTINGS, ..ToolCall::default() });
            }
            How::Prefixed(options) => {
                command.arg(format!("--dbname={}", remote_connection(&options.dbname, purpose)));
                command.args(options.user.iter().map(|user| format!("--username={user}")));
            }
        }
        command
    }

    /// A call of `pg_dump`. It waits for a table as long as we do: the leader holds every table already, and only changes that
    /// queued up behind it can keep pg_dump waiting. Quoted names survive the reserved words of later versions, and psql's habit of
    /// taking an unquoted `begin` in CREATE FUNCTION for a block: it would silently leave out the rest of the script.
    pub(crate) fn pg_dump(&self, purpose: &str) -> Command {
        let mut command = self.command("pg_dump", purpose);
        let wait = self.lock_timeout.saturating_mul(LOCK_TRIES);
        command.arg(format!("--lock-wait-timeout={}ms", wait.as_millis())).arg("--quote-all-identifiers");
        command
    }

    /// A call of `tool` that needs no server.
    pub(crate) fn offline(&self, tool: &str) -> Command {
        let mut command = self.bare(tool);
        if let How::Local { .. } = &self.how {
            command.env_clear().env("LANG", "C").env("LC_MESSAGES", "C");
        }
        command
    }

    /// A new file that only we and the tools of this host can read, gone with the toolbox.
    pub(crate) fn private_file(&self) -> Result<tempfile::NamedTempFile> {
        let made = match &self.how {
            How::Local { files, .. } => tempfile::NamedTempFile::new_in(files.directory()),
            How::Prefixed(_) => tempfile::NamedTempFile::new(),
        };
        made.kind_of(Kind::Failure, || "make a file for the schema archive".into())
    }

    fn bare(&self, tool: &str) -> Command {
        match &self.how {
            How::Local { folder, .. } => Command::new(folder.join(tool)),
            How::Prefixed(options) => {
                let mut words = options.tools_prefix.iter().map(String::as_str).chain([tool]);
                let mut command = Command::new(words.next().unwrap_or(tool));
                command.args(words).env_clear().envs(options.environment.iter().map(|(name, value)| (name, value)));
                command
            }
        }
    }
}

fn remote_connection(dbname: &str, purpose: &str) -> String {
    connection_string(&[
        ("dbname", dbname),
        ("options", &session_options("", PINNED_SETTINGS)),
        ("application_name", &format!("lifeboat/{purpose}")),
    ])
}

/// libpq's `key='value'` form.
fn connection_string(pairs: &[(&str, &str)]) -> String {
    let quote = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    pairs.iter().map(|(key, value)| format!("{key}='{}'", quote(value))).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::connection_string;

    #[test]
    fn values_of_a_connection_string_keep_quotes_and_backslashes() {
        assert_eq!(connection_string(&[("dbname", r"o'clock \ x")]), r"dbname='o\'clock \\ x'");
    }
}
