//! A session through a `psql` that runs elsewhere, such as in the database's container.
//!
//! Statements go to its stdin; after each of them psql prints a line of ours with the SQLSTATE, which no data can
//! imitate: it holds a random word. Needs psql 11 or newer.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::{Error, Kind, Result, ResultExt};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::connect::{ConnectOptions, with_retries};
use super::credentials::{ClientFiles, ToolCall};
use super::failure::Failure;
use super::session::{ServerState, Session, inspect, settle};
use super::sqlstate::ServerError;
use crate::program_path::PROGRAM_PATH;

mod stderr;

use stderr::{Stderr, cause_of_login};

/// Which psql to start, and where.
#[derive(Clone, Debug)]
pub struct PsqlOptions {
    /// What stands before the tool, such as `docker exec -i db`; empty to run it here.
    pub tools_prefix: Vec<String>,
    /// The tool.
    pub program: String,
    /// The database.
    pub dbname: String,
    /// The user, where it is not the one that the tool would choose.
    pub user: Option<String>,
    /// The whole environment of the child when no [`ClientFiles`] are given. A prefix may need variables such as
    /// `DOCKER_HOST`; secrets do not belong here.
    pub environment: Vec<(OsString, OsString)>,
}

impl Default for PsqlOptions {
    fn default() -> Self {
        Self {
            tools_prefix: Vec::new(),
            program: "psql".to_owned(),
            dbname: "postgres".to_owned(),
            user: None,
            environment: vec![("PATH".into(), PROGRAM_PATH.into()), ("LC_MESSAGES".into(), "C".into())],
        }
    }
}

/// A session through psql. Dropping it kills the child; what a prefix leaves running elsewhere bears our
/// application name and the process id in [`PsqlSession::server`].
///
/// psql expands `:name` and reads a backslash as a command, so statements hold neither outside of quotes.
pub struct PsqlSession {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: Stderr,
    marker: String,
    via: String,
    state: ServerState,
}

const CLOSE_WITHIN: Duration = Duration::from_secs(5);
const NO_ERROR: &str = "00000";

/// Opens a [`PsqlSession`] as [`PsqlSession::open`] does, and tries again as [`super::connect()`] does: while the server
/// is starting, is full or refuses.
///
/// # Errors
/// As [`PsqlSession::open`], and [`Kind::Cancelled`].
pub async fn connect_through(
    options: &PsqlOptions,
    files: Option<&ClientFiles>,
    purpose: &str,
    connect: &ConnectOptions,
    monitor: &dyn Monitor,
) -> Result<PsqlSession> {
    let doing = format!("connect through {}", options.via());
    with_retries(&doing, connect, monitor, || Box::pin(PsqlSession::log_in(options, files, purpose))).await
}

impl PsqlSession {
    /// Starts psql once and opens a session named `lifeboat/<purpose>`. `files` are for a psql on this host.
    ///
    /// # Errors
    /// [`Kind::Tool`] when it cannot be started; [`Kind::Database`] when it cannot log in.
    pub async fn open(options: &PsqlOptions, files: Option<&ClientFiles>, purpose: &str) -> Result<Self> {
        Self::log_in(options, files, purpose).await.map_err(|failure| failure.error)
    }

    async fn log_in(options: &PsqlOptions, files: Option<&ClientFiles>, purpose: &str) -> Result<Self, Failure> {
        let mut session = Self::start(options, files, purpose).map_err(Failure::after_login)?;
        match session.settled(purpose).await {
            Ok(()) => Ok(session),
            Err(error) => Err(Failure { cause: cause_of_login(&error.chain()), error }),
        }
    }

    async fn settled(&mut self, purpose: &str) -> Result<()> {
        self.run("\\encoding UTF8").await?;
        self.state = inspect(self).await?;
        settle(self, purpose).await
    }

    fn start(options: &PsqlOptions, files: Option<&ClientFiles>, purpose: &str) -> Result<Self> {
        let mut word = [0; 12];
        getrandom::fill(&mut word).kind_of(Kind::Failure, || "draw a random word".to_owned())?;
        let marker = format!("lifeboat-{}", hex::encode(word));
        let mut command = command(options, files, purpose, &marker);
        let via = options.via();
        let mut child = command.spawn().map_err(|error| not_started(options, error))?;
        let missing = || Error::new(Kind::Failure, format!("open the pipes of {via}"));
        Ok(Self {
            stdin: child.stdin.take().ok_or_else(missing)?,
            stdout: BufReader::new(child.stdout.take().ok_or_else(missing)?),
            stderr: Stderr::keep(child.stderr.take().ok_or_else(missing)?),
            child,
            marker,
            via,
            state: ServerState { pid: 0, in_recovery: false, read_only: false, version_num: 0 },
        })
    }

    /// The server process, as it was when the session began.
    #[must_use]
    pub fn server(&self) -> &ServerState {
        &self.state
    }

    /// Ends psql by the end of its input, and waits a few seconds for it.
    pub async fn close(self) {
        let Self { mut child, stdin, .. } = self;
        drop(stdin);
        // When the time is up, dropping the child kills it.
        let _ = tokio::time::timeout(CLOSE_WITHIN, child.wait()).await;
    }

    /// Sends statements; gives what they print.
    async fn run(&mut self, sql: &str) -> Result<Vec<u8>> {
        let marker = &self.marker;
        let script = format!(
            "\\set LAST_ERROR_SQLSTATE {NO_ERROR}\n{sql}\n;\n\
             \\echo {marker}.status :LAST_ERROR_SQLSTATE\n\\echo :LAST_ERROR_MESSAGE\n\\echo {marker}.end\n"
        );
        // Both at once: psql stops reading while we leave what it prints in the pipe.
        let status_line = format!("{marker}.status ");
        let end_line = format!("{marker}.end");
        let answer = async {
            let (output, sqlstate) = read_until(&mut self.stdout, status_line.as_bytes()).await?;
            let (message, _) = read_until(&mut self.stdout, end_line.as_bytes()).await?;
            Ok::<_, std::io::Error>((output, sqlstate, message))
        };
        let send = async {
            self.stdin.write_all(script.as_bytes()).await?;
            self.stdin.flush().await
        };
        let (answer, sent) = tokio::join!(answer, send);
        let Ok((output, sqlstate, message)) = answer.and_then(|answer| sent.map(|()| answer)) else {
            return Err(self.ended().await);
        };
        if sqlstate == NO_ERROR {
            self.stderr.clear();
            return Ok(output);
        }
        let last = ServerError { sqlstate, message: text_of(&message), detail: None, hint: None, constraint: None };
        let first = self.stderr.first_error().await;
        self.stderr.clear();
        Err(first.unwrap_or(last).while_doing(self.doing()))
    }

    fn doing(&self) -> String {
        format!("run a statement through {}", self.via)
    }

    /// Why psql is gone, as far as it said so.
    async fn ended(&mut self) -> Error {
        let status = tokio::time::timeout(CLOSE_WITHIN, self.child.wait()).await;
        let code = status.ok().and_then(Result::ok).and_then(|status| status.code());
        if let Some(error) = self.stderr.first_error().await {
            return error.while_doing(self.doing());
        }
        let said = self.stderr.text();
        let said = if said.is_empty() { "it ended without a word".to_owned() } else { said };
        // What shells, docker, podman and ssh end with when the program is missing or cannot be run.
        let kind = if matches!(code, Some(126 | 127)) { Kind::Tool } else { Kind::Database };
        Error::new(kind, self.doing()).hint("run the same command by hand, with tools_prefix before it").caused_by(said)
    }
}

impl PsqlOptions {
    /// The prefix's first word only: the rest may name what nobody else needs to know.
    fn via(&self) -> String {
        match self.tools_prefix.first() {
            Some(first) => format!("{} in {first} ({})", self.program, self.dbname),
            None => format!("{} ({})", self.program, self.dbname),
        }
    }
}

fn command(options: &PsqlOptions, files: Option<&ClientFiles>, purpose: &str, marker: &str) -> Command {
    let mut words = options.tools_prefix.iter().chain([&options.program]);
    let mut command = Command::new(words.next().expect("the program is always there"));
    command.args(words).args(["-X", "-q", "-A", "-t", "--no-password", "-v", "VERBOSITY=verbose", "-P", "pager=off"]);
    command.args(["-P", &format!("null={marker}.null"), "-d", &conninfo_for(&options.dbname)]);
    if let Some(user) = &options.user {
        command.args(["-U", user]);
    }
    match files {
        Some(files) => files.apply(&mut command, &ToolCall { purpose, ..ToolCall::default() }),
        None => {
            command.env_clear().envs(options.environment.iter().map(|(name, value)| (name, value)));
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// psql takes a name with = or :// for connection parameters.
fn conninfo_for(dbname: &str) -> String {
    if dbname.contains('=') || dbname.contains("://") {
        return format!("dbname='{}'", dbname.replace('\\', "\\\\").replace('\'', "\\'"));
    }
    dbname.to_owned()
}

fn not_started(options: &PsqlOptions, error: std::io::Error) -> Error {
    let program = options.tools_prefix.first().unwrap_or(&options.program);
    let hint = match error.kind() {
        ErrorKind::NotFound => format!("{program} is not on the PATH"),
        _ => format!("{program} cannot be run"),
    };
    Error::new(Kind::Tool, format!("start {}", options.via())).hint(hint).caused_by(error)
}

/// What stands before the line that starts so, and the rest of that line.
async fn read_until(stdout: &mut BufReader<ChildStdout>, start: &[u8]) -> std::io::Result<(Vec<u8>, String)> {
    let mut output = Vec::new();
    loop {
        let line = output.len();
        if stdout.read_until(b'\n', &mut output).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if let Some(rest) = output[line..].strip_prefix(start) {
            let rest = text_of(rest);
            output.truncate(line);
            return Ok((output, rest));
        }
    }
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

#[async_trait]
impl Session for PsqlSession {
    async fn execute(&mut self, sql: &str) -> Result<()> {
        self.run(sql).await.map(drop)
    }

    async fn text(&mut self, sql: &str) -> Result<Option<String>> {
        let mut output = self.run(sql).await?;
        if output.pop().is_none() {
            return Ok(None);
        }
        let value = String::from_utf8(output).kind_of(Kind::Failure, || format!("read a value from {}", self.via))?;
        Ok(Some(value).filter(|value| value.strip_prefix(self.marker.as_str()) != Some(".null")))
    }

    fn via(&self) -> &str {
        &self.via
    }
}

#[cfg(test)]
mod tests {
    use super::conninfo_for;

    #[test]
    fn a_database_name_is_never_read_as_parameters() {
        assert_eq!(conninfo_for("shop"), "shop");
        assert_eq!(conninfo_for("host=a'b"), "dbname='host=a\\'b'");
    }
}
