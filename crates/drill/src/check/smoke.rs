//! `smoke`: the operator's own program works with the restored database.
//!
//! Nothing of it outlives the check: it is a process group of its own, which is asked to end and then killed whole, also when the
//! drill is cancelled. When the drill itself is killed by `kill -9`, the program gets SIGTERM; what it started bears the drill's
//! mark, and whoever collects the drill ends that. What it prints is kept, the end of it, without the password that it was given.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use lifeboat_backup::postgres::{ClientFiles, ConnectionSettings};
use lifeboat_core::job::cancelled;
use lifeboat_core::{Job, Kind, Result, ResultExt as _};
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret as _;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

use super::freshness::span;
use super::said::{Check, Said};
use super::secrets::Secrets;
use super::url::database_url;
use super::{CheckReport, libpq};
use crate::scratch::{MARK, Spawner};

/// A program of the operator's.
#[derive(Clone, Debug)]
pub struct Smoke {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// All that it sees of its surroundings, beside what leads to the database: `DATABASE_URL`, and `PGHOST` and so on.
    pub environment: Vec<(String, String)>,
}

/// Runs the program with `DATABASE_URL`, and the variables of libpq, leading to `target`. It passes when it exits with 0 within its time; a program that
/// cannot be started says nothing about the backup. `folder` is the drill's: by it [`crate::scratch::gc`] finds what is left of
/// the program when the drill was killed.
///
/// # Errors
/// [`Kind::Cancelled`], and nothing else: the program was then given time to end.
pub async fn smoke(
    program: &Smoke,
    target: &ConnectionSettings,
    folder: Option<&Path>,
    job: &Job,
) -> Result<CheckReport> {
    let check = Check::new("smoke", format!("{} works with the restored database", name(program)));
    job.step(&format!("run {}", name(program)));
    check.run(Box::pin(run(program, target, folder, job))).await
}

fn name(program: &Smoke) -> &str {
    program.command.first().map_or("no program", String::as_str)
}

async fn run(program: &Smoke, target: &ConnectionSettings, folder: Option<&Path>, job: &Job) -> Result<Said> {
    if program.command.is_empty() {
        return Ok(Said::inconclusive("no program is named"));
    }
    let url = database_url(target);
    let secrets = Secrets::of(target, &url);
    let (reader, writer) = std::io::pipe().kind_of(Kind::Failure, || "open a pipe".to_owned())?;
    let errors = writer.try_clone().kind_of(Kind::Failure, || "open a pipe".to_owned())?;
    // They go with the drill's folder, however the drill ends.
    let files = ClientFiles::write(target, folder.unwrap_or(&std::env::temp_dir()))?;
    let mut command = command(program, folder);
    command.envs(libpq::variables(target, &files.password_file()));
    command.env("DATABASE_URL", url.expose_secret()).stdout(writer).stderr(errors);
    let mut group = Group::start(command)?;
    let mut output = Output::new(reader.into())?;
    let ended = job.cancel.run_until_cancelled(group.end_within(program.timeout, &mut output)).await;
    let is_cancelled = ended.is_none();
    let ended = ended.transpose()?.flatten();
    if ended.is_none() {
        group.ask_to_end(&mut output).await?;
    }
    drop(group);
    if is_cancelled {
        return Err(cancelled());
    }
    // Whoever left the group may hold the pipe for ever.
    let _ = tokio::time::timeout(LET_GO, output.read_on()).await;
    Ok(judge(ended, program.timeout).with(output.lines(&secrets)))
}

fn command(program: &Smoke, folder: Option<&Path>) -> Command {
    let mut command = Command::new(&program.command[0]);
    command.args(&program.command[1..]).env_clear().stdin(Stdio::null());
    command.envs(program.environment.iter().map(|(name, value)| (name, value)));
    if let Some(folder) = folder {
        command.env(MARK, folder);
    }
    command
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
    number: Pid,
    /// Dropped after the child is ended: it would end it, too.
    _spawner: Spawner,
}

impl Group {
    fn start(command: Command) -> Result<Self> {
        let spawner = Spawner::new()?;
        let child = spawner.spawn(command, Signal::TERM)?;
        Ok(Self { number: Pid::from_child(&child), child, _spawner: spawner })
    }

    /// Waits for the process, reading what it prints; `None` when the time is up.
    async fn end_within(&mut self, limit: Duration, output: &mut Output) -> Result<Option<ExitStatus>> {
        let (child, reading) = (&mut self.child, output.read_on());
        tokio::pin!(reading);
        let mut is_read = false;
        let ended = async {
            loop {
                if let Some(status) = child.try_wait()? {
                    break Ok::<_, std::io::Error>(status);
                }
                tokio::select! {
                    () = tokio::time::sleep(POLL) => {}
                    () = &mut reading, if !is_read => is_read = true,
                }
            }
        };
        match tokio::time::timeout(limit, ended).await {
            Ok(status) => status.map(Some).kind_of(Kind::Failure, || "wait for the program".to_owned()),
            Err(_) => Ok(None),
        }
    }

    /// It is given some time to clean up after itself.
    async fn ask_to_end(&mut self, output: &mut Output) -> Result<()> {
        let _ = kill_process_group(self.number, Signal::TERM);
        self.end_within(GRACE, output).await.map(drop)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The group bears the number of its first process. That one may have been waited for; as long as another is in the group,
        // the number is not given to anybody else, and without any the signal reaches nobody.
        let _ = kill_process_group(self.number, Signal::KILL);
        let _ = self.child.wait();
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
    fn lines(&self, secrets: &Secrets) -> Vec<String> {
        // Where it was cut, the rest of a secret may stand, which nothing recognises.
        let from = if self.is_cut { secrets.longest().min(self.kept.len()) } else { 0 };
        let text = secrets.masked(&String::from_utf8_lossy(&self.kept[from..]));
        // Again: a password with a control character in it is one without.
        let lines: Vec<_> =
            text.lines().map(|line| secrets.masked(&clean(line))).filter(|line| !line.is_empty()).collect();
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

const KEPT_BYTES: usize = 32 << 10;
const KEPT_LINES: usize = 60;
const LINE_CHARS: usize = 500;
/// Between being asked to end and being killed.
const GRACE: Duration = Duration::from_secs(10);
/// How long the output may stay open when the program has ended.
const LET_GO: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use lifeboat_backup::postgres::ConnectionSettings;

    use super::super::secrets::Secrets;
    use super::super::url::database_url;
    use super::{KEPT_BYTES, Output};

    #[tokio::test]
    async fn a_secret_that_the_cut_goes_through_leaves_no_rest() {
        let password = "Tr0ub4dor&3-correct-horse";
        let settings = ConnectionSettings::parse("host=db user=u dbname=d", &|_| None).unwrap();
        let settings = settings.with_password(password.to_owned().into());
        let secrets = Secrets::of(&settings, &database_url(&settings));
        for cut in 0..password.len() {
            let (reader, _writer) = std::io::pipe().unwrap();
            let mut output = Output::new(OwnedFd::from(reader)).unwrap();
            let after = "y".repeat(KEPT_BYTES - (password.len() - cut));
            output.keep(format!("{}{password}{after}", "x".repeat(2 * KEPT_BYTES)).as_bytes());
            assert!(output.kept.starts_with(&password.as_bytes()[cut..]));
            assert!(output.lines(&secrets)[1].starts_with("yyyy"), "cut after {cut}");
        }
    }
}
