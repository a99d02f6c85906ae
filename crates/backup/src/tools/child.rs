//! Runs one tool: its output goes to a thread, its messages to the operator, its exit status to whoever must commit.

use std::io::PipeReader;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use lifeboat_core::job::cancelled;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::oneshot;

use crate::postgres::RECOVERY_CONFLICT;

/// Tells the thread that reads a tool's output how the tool ended.
pub(crate) struct ExitGate(oneshot::Receiver<Result<()>>);

impl ExitGate {
    /// Waits for the tool to end. To be called after its output was read to the end.
    ///
    /// # Errors
    /// When the tool failed, was killed, or the run was cancelled.
    pub(crate) fn wait(self) -> Result<()> {
        self.0.blocking_recv().unwrap_or_else(|_| Err(cancelled()))
    }
}

/// Runs `command` and gives its output to `consume`, on a thread of its own.
///
/// # Errors
/// What `consume` returns; its [`ExitGate`] tells it how the tool ended. [`Kind::Tool`] when it cannot be started.
pub(crate) async fn run<T: Send + 'static>(
    job: &Job,
    mut command: Command,
    tool: &str,
    consume: impl FnOnce(PipeReader, ExitGate) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (reader, writer) = std::io::pipe().kind_of(Kind::Failure, || format!("open a pipe for {tool}"))?;
    // A larger pipe lets the tool run ahead while a part is handed over; a refusal costs nothing but that.
    let _ = rustix::pipe::fcntl_setpipe_size(&reader, PIPE_BYTES);
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).kill_on_drop(true).process_group(0);
    let mut child = command.spawn().kind_of(Kind::Tool, || format!("start {tool}"))?;
    // The command holds the pipe's writing end: with it open, the output would never end.
    drop(command);
    let stderr = child.stderr.take();
    let (tell, gate) = oneshot::channel();
    let worker = tokio::task::spawn_blocking(move || consume(reader, ExitGate(gate)));
    let ended = watch(job, &mut child, stderr, tool).await;
    let is_cancelled = matches!(&ended, Err(error) if error.kind() == Kind::Cancelled);
    // The thread may have failed before and be gone: then its own error is what counts.
    let _ = tell.send(ended);
    let deadline = if is_cancelled { LET_GO } else { Duration::MAX };
    match tokio::time::timeout(deadline, worker).await {
        Ok(done) => done.kind_of(Kind::Failure, || format!("read the output of {tool}"))?,
        // Somebody out of our reach holds the pipe; the thread ends with it.
        Err(_) => Err(cancelled()),
    }
}

async fn watch(job: &Job, child: &mut Child, stderr: Option<ChildStderr>, tool: &str) -> Result<()> {
    let messages = listen(job, stderr);
    let ended = async {
        tokio::select! {
            status = child.wait() => status.kind_of(Kind::Failure, || format!("wait for {tool}")).map(Some),
            () = job.cancel.cancelled() => {
                kill_group(child);
                child.kill().await.kind_of(Kind::Failure, || format!("end {tool}"))?;
                Ok(None)
            }
        }
    };
    let mut messages = std::pin::pin!(messages);
    let mut ended = std::pin::pin!(ended);
    let mut said = None;
    let ended = loop {
        tokio::select! {
            ended = &mut ended => break ended?,
            all = &mut messages, if said.is_none() => said = Some(all),
        }
    };
    let Some(status) = ended else { return Err(cancelled()) };
    let said = match said {
        Some(said) => said,
        None => messages.await,
    };
    judge(status, &said, tool)
}

/// A prefix such as `sudo` has children of its own.
fn kill_group(child: &Child) {
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Reads messages to their end, so that the tool never waits for us; keeps the last ones.
async fn listen(job: &Job, stderr: Option<ChildStderr>) -> Vec<String> {
    let (mut kept, mut warning) = (Vec::<String>::new(), false);
    let Some(stderr) = stderr else { return kept };
    let mut lines = BufReader::new(stderr).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        // A warning's details and hints are lines of their own, and only with them does it say something.
        warning = line.contains("warning:") || warning && ["detail:", "hint:"].iter().any(|more| line.contains(more));
        if warning {
            job.warn(&line);
        }
        if kept.len() == MESSAGES_KEPT {
            kept.remove(0);
        }
        kept.push(line);
    }
    kept
}

/// What the operator does about a failed tool, by what it said; first match wins.
const MESSAGES: &[(&str, Kind, &str)] = &[
    ("server version mismatch", Kind::Tool, "install the client tools of the server's major version"),
    (
        "row-level security",
        Kind::Database,
        "use a role with BYPASSRLS: a dump under row-level security would be partial",
    ),
    (
        "permission denied for large object",
        Kind::Database,
        "no role reads every large object: GRANT SELECT ON LARGE OBJECT with the number that the message names, or make the role \
         a member of its owner",
    ),
    ("permission denied for database", Kind::Database, "grant the role CONNECT on the database that the message names"),
    ("permission denied", Kind::Database, "grant the role pg_read_all_data, or SELECT on what the message names"),
    ("lock timeout", Kind::TryAgain, "another session holds the table; run again later, or raise --lock-timeout"),
    ("statement timeout", Kind::TryAgain, "another session holds the table; run again later, or raise --lock-timeout"),
    ("password authentication failed", Kind::Database, "correct the user or the password"),
    ("conflict with recovery", Kind::TryAgain, RECOVERY_CONFLICT),
    ("invalid snapshot identifier", Kind::TryAgain, "the leader's session was ended; run again"),
    (
        "unsupported startup parameter",
        Kind::Database,
        "connect to the server's own port, past the connection pooler: it does not pass on the settings that rows are printed under",
    ),
    ("could not connect", Kind::Database, "see the message of the server"),
    ("terminating connection", Kind::TryAgain, "the server ended the session; run again"),
];

fn judge(status: ExitStatus, messages: &[String], tool: &str) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let said = messages.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let doing = format!("run {tool}: it ended with {status}");
    let known = MESSAGES.iter().find(|(text, ..)| said.contains(text));
    let error = match known {
        Some((_, kind, hint)) => Error::new(*kind, doing).hint(*hint),
        None => Error::new(Kind::Failure, doing),
    };
    Err(if said.is_empty() { error } else { error.caused_by(said) })
}

const PIPE_BYTES: usize = 1 << 20;
/// How long a killed tool's output may stay open.
const LET_GO: Duration = Duration::from_secs(5);
const MESSAGES_KEPT: usize = 20;
