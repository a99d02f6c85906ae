//! `smoke`: the operator's own program works with the restored database.
//!
//! Nothing of it outlives the check: it is a process group of its own, which is killed whole; only `kill -9` of the drill itself
//! leaves it running. What it prints is kept, the end of
//! it, without the password that it was given.

use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::{Job, Kind, Result, ResultExt as _};
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::CheckReport;
use super::freshness::span;
use super::said::{Check, Said};
use super::url::database_url;

/// A program of the operator's.
#[derive(Clone, Debug)]
pub struct Smoke {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// All that it sees of its surroundings, beside `DATABASE_URL`.
    pub environment: Vec<(String, String)>,
}

/// Runs the program with `DATABASE_URL` leading to `target`. It passes when it exits with 0 within its time; a program that
/// cannot be started says nothing about the backup.
///
/// # Errors
/// [`Kind::Cancelled`], and nothing else.
pub async fn smoke(program: &Smoke, target: &ConnectionSettings, job: &Job) -> Result<CheckReport> {
    let check = Check::new("smoke", format!("{} works with the restored database", name(program)));
    job.step(&format!("run {}", name(program)));
    check.run(job.run(Box::pin(run(program, target)))).await
}

fn name(program: &Smoke) -> &str {
    program.command.first().map_or("no program", String::as_str)
}

async fn run(program: &Smoke, target: &ConnectionSettings) -> Result<Said> {
    let Some((word, arguments)) = program.command.split_first() else {
        return Ok(Said::inconclusive("no program is named"));
    };
    let url = database_url(target);
    let secrets = secrets(target, &url);
    let (reader, writer) = std::io::pipe().kind_of(Kind::Failure, || "open a pipe".to_owned())?;
    let errors = writer.try_clone().kind_of(Kind::Failure, || "open a pipe".to_owned())?;
    let mut command = Command::new(word);
    command.args(arguments).env_clear().envs(program.environment.iter().map(|(name, value)| (name, value)));
    command.env("DATABASE_URL", url.expose_secret());
    command.stdin(Stdio::null()).stdout(writer).stderr(errors).kill_on_drop(true).process_group(0);
    let child = command.spawn().kind_of(Kind::Tool, || format!("start {word}"))?;
    // The command holds the pipe's writing ends: with them open, the output would never end.
    drop(command);
    let mut group = Group::of(child);
    let mut output = Output::new(reader.into())?;
    let ended = group.end_within(program.timeout, &mut output).await?;
    if ended.is_none() {
        group.ask_to_end(&mut output).await?;
    }
    drop(group);
    // Whoever left the group may hold the pipe for ever.
    let _ = tokio::time::timeout(LET_GO, output.read_on()).await;
    Ok(judge(ended, program.timeout).with(output.lines(&secrets)))
}

fn judge(ended: Option<ExitStatus>, limit: Duration) -> Said {
    match ended {
        None => Said::failed(format!("it did not end within {}, and was killed", span(limit.as_secs()))),
        Some(status) if status.success() => Said::passed("it ended with 0"),
        Some(status) => Said::failed(match status.code() {
            Some(code) => format!("it ended with {code}"),
            None => format!("it was ended by {status}"),
        }),
    }
}

/// A process and all it started, as far as these stayed in its group; killed when dropped.
struct Group {
    child: Child,
    number: Option<Pid>,
}

impl Group {
    fn of(child: Child) -> Self {
        let number = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, number }
    }

    /// Waits for the process, reading what it prints; `None` when the time is up.
    async fn end_within(&mut self, limit: Duration, output: &mut Output) -> Result<Option<ExitStatus>> {
        let (waiting, reading) = (self.child.wait(), output.read_on());
        tokio::pin!(waiting, reading);
        let mut is_read = false;
        let ended = async {
            loop {
                tokio::select! {
                    status = &mut waiting => break status,
                    () = &mut reading, if !is_read => is_read = true,
                }
            }
        };
        match tokio::time::timeout(limit, ended).await {
            Ok(status) => status.map(Some).kind_of(Kind::Failure, || "wait for the program".to_owned()),
            Err(_) => Ok(None),
        }
    }

    /// Its time is up: it is given some to clean up after itself.
    async fn ask_to_end(&mut self, output: &mut Output) -> Result<()> {
        if let Some(group) = self.number {
            let _ = kill_process_group(group, Signal::TERM);
        }
        self.end_within(GRACE, output).await.map(drop)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The group bears the number of its first process. That one may have been waited for; as long as another is in the group,
        // the number is not given to anybody else, and without any the signal reaches nobody.
        if let Some(group) = self.number {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The end of what a program prints.
struct Output {
    pipe: pipe::Receiver,
    kept: Vec<u8>,
    is_cut: bool,
}

impl Output {
    fn new(reader: OwnedFd) -> Result<Self> {
        let pipe = pipe::Receiver::from_owned_fd(reader).kind_of(Kind::Failure, || "read from a pipe".to_owned())?;
        Ok(Self { pipe, kept: Vec::new(), is_cut: false })
    }

    /// Reads to the end. May be dropped and called again.
    async fn read_on(&mut self) {
        let mut slice = [0; 4096];
        while let Ok(read @ 1..) = self.pipe.read(&mut slice).await {
            self.keep(&slice[..read]);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        if self.kept.len() > 2 * KEPT_BYTES {
            self.kept.drain(..self.kept.len() - KEPT_BYTES);
            self.is_cut = true;
        }
    }

    /// The last lines, fit to be shown anywhere.
    fn lines(&self, secrets: &[SecretString]) -> Vec<String> {
        let mut text = String::from_utf8_lossy(&self.kept).into_owned();
        for secret in secrets {
            text = text.replace(secret.expose_secret(), "…");
        }
        let lines: Vec<_> = text.lines().map(clean).filter(|line| !line.is_empty()).collect();
        let more = lines.len().saturating_sub(KEPT_LINES);
        let cut = (more > 0 || self.is_cut).then(|| "… (the end of its output)".to_owned());
        cut.into_iter().chain(lines.into_iter().skip(more)).collect()
    }
}

/// Without what a terminal would obey, and not too long.
fn clean(line: &str) -> String {
    let plain = line.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !c.is_control());
    plain.take(LINE_CHARS).collect::<String>().trim_end().to_owned()
}

/// What must not be in a report: the URL with the password, and the password.
fn secrets(target: &ConnectionSettings, url: &SecretString) -> Vec<SecretString> {
    let Some(password) = target.password_for(&target.hosts[0]) else { return Vec::new() };
    let password = password.expose_secret();
    if password.is_empty() { Vec::new() } else { vec![url.clone(), password.to_owned().into()] }
}

const KEPT_BYTES: usize = 32 << 10;
const KEPT_LINES: usize = 60;
const LINE_CHARS: usize = 500;
/// Between being asked to end and being killed.
const GRACE: Duration = Duration::from_secs(10);
/// How long the output may stay open when the program has ended.
const LET_GO: Duration = Duration::from_secs(2);
