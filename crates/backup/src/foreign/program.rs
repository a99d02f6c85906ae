//! A program that makes of one layer the next: gpg, pg_restore.
//!
//! Invariant: what it prints ends, without an error, only after the program ended well and everything beneath it was read to its
//! end without one.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use lifeboat_core::{Error, Kind, Result, ResultExt};
use rustix::process::{Pid, Signal, kill_process_group};

use super::flow::{Flow, STEP_BYTES};

/// What a program said behind its output.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Its last words for people.
    pub(super) words: Vec<String>,
    /// Its last words for programs, as gpg has them, without their mark.
    pub(super) status: Vec<String>,
}

/// What went wrong and what to do about it, by what a program said that ended without success; none where its output is whole all
/// the same.
pub(super) type Judge = Box<dyn Fn(&Said) -> Option<(Kind, &'static str)> + Send>;

/// A running program, and what it prints.
pub(super) struct Program {
    name: &'static str,
    child: Child,
    output: ChildStdout,
    feeding: Option<JoinHandle<Result<()>>>,
    listening: Option<JoinHandle<Said>>,
    /// What its end without success means.
    judge: Judge,
    /// Ends with it: a folder of private files, say.
    _kept: Box<dyn Send>,
    ended: bool,
}

impl Program {
    /// Starts `command`, which reads `input` and prints the next layer.
    ///
    /// # Errors
    /// [`Kind::Tool`] when it cannot be started.
    pub(super) fn start(
        mut command: Command,
        name: &'static str,
        input: Box<dyn Flow>,
        judge: Judge,
        kept: Box<dyn Send>,
    ) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).current_dir("/");
        let mut child = command.spawn().map_err(|error| {
            let hint = format!("install {name}, which this file needs");
            Error::new(Kind::Tool, format!("start {name}")).hint(hint).caused_by(error)
        })?;
        let missing = || Error::new(Kind::Failure, format!("open the pipes of {name}"));
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let group = group_of(&child);
        // Behind an input that breaks off a program may wait for ever.
        let feeding = Some(std::thread::spawn(move || feed(input, stdin).inspect_err(|_| kill(group))));
        let listening = Some(std::thread::spawn(move || listen(stderr)));
        Ok(Self { name, child, output, feeding, listening, judge, _kept: kept, ended: false })
    }

    /// What was wrong with its input says more than what it made of that.
    fn end(&mut self) -> Result<()> {
        let fed = self.feeding.take().map_or(Ok(Ok(())), JoinHandle::join);
        fed.map_err(|_| Error::new(Kind::Failure, format!("feed {}: the thread panicked", self.name)))??;
        let status = self.child.wait().kind_of(Kind::Failure, || format!("wait for {}", self.name))?;
        self.ended = true;
        let said = self.listening.take().and_then(|listening| listening.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let Some((kind, hint)) = (self.judge)(&said) else { return Ok(()) };
        let error = Error::new(kind, format!("run {}: it ended with {status}", self.name)).hint(hint);
        Err(if said.words.is_empty() { error } else { error.caused_by(said.words.join("; ")) })
    }
}

impl Flow for Program {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        if self.ended {
            return Ok(0);
        }
        let read = self.output.read(into).kind_of(Kind::Failure, || format!("read what {} prints", self.name))?;
        if read == 0 {
            self.end()?;
        }
        Ok(read)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.ended {
            kill(group_of(&self.child));
            let _ = self.child.wait();
        }
    }
}

fn group_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

fn kill(group: Option<Pid>) {
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// A program may stop reading early, as pg_restore does behind the last row: the rest is read all the same, for it may be
/// damaged.
fn feed(mut input: Box<dyn Flow>, stdin: ChildStdin) -> Result<()> {
    let (mut stdin, mut slice) = (Some(stdin), vec![0; STEP_BYTES]);
    loop {
        let read = input.read(&mut slice)?;
        if read == 0 {
            return Ok(());
        }
        match stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(&slice[..read])) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => stdin = None,
            other => other.kind_of(Kind::Failure, || "hand a file to a program".into())?,
        }
    }
}

fn listen(stderr: ChildStderr) -> Said {
    let mut said = Said::default();
    for line in std::io::BufRead::split(std::io::BufReader::new(stderr), b'\n').map_while(|line| line.ok()) {
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        let (lines, kept, line) = match line.strip_prefix(STATUS) {
            Some(status) => (&mut said.status, STATUS_KEPT, status.to_owned()),
            None => (&mut said.words, WORDS_KEPT, line),
        };
        if lines.len() == kept {
            lines.remove(0);
        }
        lines.push(line);
    }
    said.words.retain(|line| !line.is_empty());
    said
}

/// How gpg begins what it says for programs.
const STATUS: &str = "[GNUPG:] ";
const STATUS_KEPT: usize = 500;
const WORDS_KEPT: usize = 20;
