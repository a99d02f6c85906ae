//! A scratch database that a command of the operator's makes: a container, a clone of a volume, a branch at a provider.
//!
//! It prints how to connect on the first line of its standard output, and lives as long as the database does. SIGTERM ends
//! it; so does the end of its standard input, for those that wait for nothing else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lifeboat_backup::MissingRoles;
use lifeboat_backup::postgres::{ConnectOptions, ConnectionSettings, DirectSession, Retry, connect};
use lifeboat_core::{DrillId, Error, Job, Kind, Result, ResultExt};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::ChildStdout;
use tokio::task::JoinHandle;

use super::guards::{reached, refuse_not_empty, refuse_production};
use super::lease::{End, Lease, private_file};
use super::needs::Needs;
use super::processes::MARK;
use super::spawner::Spawner;
use crate::check::secrets::without_passwords;
use crate::report::ScratchFacts;

/// A command that makes a scratch database.
#[derive(Clone, Debug)]
pub struct CommandOptions {
    /// Where it is written down that the command runs.
    pub dir: PathBuf,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Everything it finds in its environment.
    pub environment: Vec<(OsString, OsString)>,
    /// How long it may take until the database can be used.
    pub start_timeout: Duration,
    /// Servers that it must not be: those of the databases that are backed up.
    pub production: Vec<ConnectionSettings>,
}

/// What a command gave. Dropping it ends the command.
#[derive(Debug)]
pub(super) struct Scratch {
    child: Option<Child>,
    spawner: Spawner,
    lease: Option<Lease>,
    target: Option<ConnectionSettings>,
    roles: MissingRoles,
    /// Reads on, so that the command never waits for us.
    reader: Option<JoinHandle<()>>,
}

impl Scratch {
    /// Starts the command, reads where its database is, and refuses production.
    pub(super) async fn open(
        options: &CommandOptions,
        needs: &Needs,
        drill: &DrillId,
        job: &Job,
    ) -> Result<(Self, ScratchFacts)> {
        let program =
            options.command.first().ok_or_else(|| Error::new(Kind::Config, "run an empty scratch command"))?;
        job.step(&format!("run {program} for a scratch database"));
        let mut scratch = Self::start(options, drill)?;
        let in_time = tokio::time::timeout(options.start_timeout, scratch.dsn()).await;
        let line = in_time.unwrap_or_else(|_| Err(Error::new(Kind::Tool, TOO_LATE).hint(HINT)))?;
        let target = ConnectionSettings::parse(&line, &|_| None)
            .map_err(|error| error.while_doing(format!("read the first line of {program}")).hint(HINT))?;
        let mut session = scratch.connect(&target, options, job).await?;
        let (standing, mut notes) = refuse_production(&mut session, needs, &options.production).await?;
        refuse_not_empty(&mut session).await?;
        scratch.target = Some(reached(&target, &session));
        session.close().await;
        if standing.superuser {
            scratch.roles = MissingRoles::Stub;
        } else {
            notes.push("owners and privileges were left out: the role is no superuser".to_owned());
        }
        notes.push(format!("made by {program}"));
        Ok((scratch, ScratchFacts { kind: "command".to_owned(), server_version: standing.version, notes }))
    }

    /// The database.
    pub(super) fn target(&self) -> &ConnectionSettings {
        self.target.as_ref().expect("set before open gives it away")
    }

    /// The drill's folder.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.lease.as_ref().map(Lease::folder)
    }

    /// What the restore does about roles that are missing: the server goes with the command.
    pub(super) fn roles(&self) -> MissingRoles {
        self.roles
    }

    /// Ends the command.
    pub(super) async fn close(mut self) -> Result<()> {
        let ended = tokio::task::spawn_blocking(move || self.end()).await;
        ended.kind_of(Kind::Failure, || "end the scratch command".into())?
    }

    fn start(options: &CommandOptions, drill: &DrillId) -> Result<Self> {
        let spawner = Spawner::new()?;
        let lease = Lease::take(&options.dir, drill, End::Ask)?;
        let doing = || "make a log for the scratch command".to_owned();
        let log = private_file(&lease.folder().join(LOG)).kind_of(Kind::Failure, doing)?;
        let mut command = Command::new(&options.command[0]);
        command
            .args(&options.command[1..])
            .env_clear()
            .envs(options.environment.iter().map(|(name, value)| (name, value)));
        command.env(MARK, lease.folder()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut scratch =
            Self { child: None, spawner, lease: Some(lease), target: None, roles: MissingRoles::Skip, reader: None };
        scratch.child = Some(scratch.spawner.spawn(command, Signal::TERM)?);
        Ok(scratch)
    }

    async fn dsn(&mut self) -> Result<String> {
        let doing = || "read what the scratch command prints".to_owned();
        let stdout = self.child.as_mut().and_then(|child| child.stdout.take());
        let stdout = stdout.ok_or_else(|| Error::new(Kind::Failure, doing()))?;
        let mut lines = BufReader::new(ChildStdout::from_std(stdout).kind_of(Kind::Failure, doing)?);
        let mut line = Vec::new();
        (&mut lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await.kind_of(Kind::Tool, doing)?;
        let line = String::from_utf8(line).map_err(|_| Error::new(Kind::Tool, doing()).hint(HINT))?;
        if line.trim().is_empty() {
            return Err(self.gave_nothing());
        }
        self.reader = Some(tokio::spawn(async move {
            let _ = tokio::io::copy(&mut lines, &mut tokio::io::sink()).await;
        }));
        Ok(line.trim().to_owned())
    }

    fn gave_nothing(&self) -> Error {
        let log = self.lease.as_ref().map(|lease| lease.folder().join(LOG));
        let said = log.and_then(|log| std::fs::read(log).ok()).unwrap_or_default();
        let said = without_passwords(String::from_utf8_lossy(&said).trim());
        let error = Error::new(Kind::Tool, "get a scratch database: its command named none").hint(HINT);
        if said.is_empty() { error } else { error.caused_by(said.lines().next_back().unwrap_or_default().to_owned()) }
    }

    /// The database may still be starting.
    async fn connect(&self, target: &ConnectionSettings, options: &CommandOptions, job: &Job) -> Result<DirectSession> {
        let tries = usize::try_from(options.start_timeout.as_millis() / RETRY.as_millis()).unwrap_or(usize::MAX);
        let how =
            ConnectOptions { retry: Retry { waits: vec![RETRY; tries.min(TRIES_MAX)] }, cancel: job.cancel.clone() };
        connect(target, "drill", &how, &lifeboat_core::monitor::Silent).await
    }

    fn end(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return self.lease.take().map_or(Ok(()), Lease::remove) };
        drop(child.stdin.take());
        let group = Pid::from_child(&child);
        // Its number is its own until it is waited for.
        let _ = kill_process_group(group, Signal::TERM);
        let removed = self.lease.take().map_or(Ok(()), Lease::remove);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.wait();
        removed
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.abort();
        }
        if let Err(error) = self.end() {
            tracing::warn!(error = %error.chain(), "what a scratch command made was left to the next drill");
        }
    }
}

const LOG: &str = "command.log";
const TOO_LATE: &str = "get a scratch database: its command does not say where it is";
const HINT: &str = "the first line of the command's standard output must be a connection URI, and the command must live as \
                    long as the database";
const LINE_BYTES_MAX: u64 = 64 << 10;
const RETRY: Duration = Duration::from_millis(500);
const TRIES_MAX: usize = 10_000;
