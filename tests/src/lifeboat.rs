//! Lifeboat's own programs, run as an operator or a timer would.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::scratch;
use crate::servers::postgres::{Database, Postgres};

/// The name of backed-up databases in their stores, unless a test says otherwise.
pub const NAME: &str = "shop";

/// A command line to be run in an environment that holds nothing but what the test put there.
#[derive(Debug)]
pub struct Lifeboat {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    home: TempDir,
}

/// What a program did.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// A program that still runs; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Option<Child>,
    _home: TempDir,
}

impl Lifeboat {
    /// `lifeboat`.
    pub fn new() -> Lifeboat {
        Lifeboat::program("lifeboat")
    }

    /// One of the narrow programs, such as `lifeboat-backup`.
    pub fn program(name: &str) -> Lifeboat {
        let home = TempDir::new().unwrap();
        let mut lifeboat =
            Lifeboat { program: built().join(name), arguments: Vec::new(), environment: BTreeMap::new(), home };
        for (variable, folder) in
            [("HOME", "."), ("XDG_DATA_HOME", "data"), ("XDG_STATE_HOME", "state"), ("XDG_CONFIG_HOME", "config")]
        {
            let value = lifeboat.home.path().join(folder);
            lifeboat.environment.insert(variable.into(), value.into());
        }
        lifeboat.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8")
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Lifeboat {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Lifeboat {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Lifeboat {
        self.environment.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Sets variables, such as [`crate::Seaweed::environment`]'s.
    pub fn envs<N: AsRef<OsStr>, V: AsRef<OsStr>>(self, variables: impl IntoIterator<Item = (N, V)>) -> Lifeboat {
        variables.into_iter().fold(self, |lifeboat, (name, value)| lifeboat.env(name, value))
    }

    /// Adds what names the database to back up, as [`NAME`], and the folder of its server's tools.
    pub fn of(self, database: &Database<'_>) -> Lifeboat {
        self.args(["--name", NAME, "--database-url", "env:DATABASE_URL"])
            .env("DATABASE_URL", database.dsn())
            .env("LIFEBOAT_TOOLS_DIR", &database.server.installation.bin)
    }

    /// Adds the newest backup of [`NAME`], and what names the database of `server` to restore it into.
    pub fn latest_into(self, server: &Postgres, database: &str) -> Lifeboat {
        let latest = format!("{NAME}/latest");
        self.args([&latest, "--into", "env:TARGET_URL"]).env("TARGET_URL", server.dsn(database))
    }

    /// Uses this folder as state directory, so that one run finds what an earlier one left; else each has its own.
    pub fn state_dir(self, folder: &Path) -> Lifeboat {
        self.env("XDG_STATE_HOME", folder)
    }

    /// The command as the standard library's, for what this type does not offer.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().envs(&self.environment).current_dir(self.home.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs to the end.
    pub fn run(self) -> Outcome {
        self.spawn().wait()
    }

    /// Starts.
    pub fn spawn(self) -> Running {
        let child = self.command().spawn().unwrap_or_else(|error| panic!("run {}: {error}", self.program.display()));
        Running { child: Some(child), _home: self.home }
    }
}

impl Default for Lifeboat {
    fn default() -> Lifeboat {
        Lifeboat::new()
    }
}

impl Outcome {
    /// The exit code; 128 and more for a signal, as a shell would say it.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    /// Fails the test, with all output, unless the code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Outcome {
        assert_eq!(self.code(), code, "exit code\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output read as NDJSON.
    #[track_caller]
    pub fn records(&self) -> Vec<serde_json::Value> {
        let record = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"));
        self.stdout.lines().map(record).collect()
    }

    /// The last record, which says how the command ended.
    #[track_caller]
    pub fn last_record(&self) -> serde_json::Value {
        let last = self.records().pop().expect("a command ends with a record");
        assert_eq!(last["schema"], "lifeboat/result/v1", "{last}");
        last
    }

    /// The `result` of the last record.
    #[track_caller]
    pub fn result(&self) -> serde_json::Value {
        self.last_record()["result"].take()
    }

    /// Standard output and error together.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

impl Running {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("the child is taken by wait only").id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("the child is taken by wait only");
        kill_process(Pid::from_child(child), signal).expect("signal the program");
    }

    /// Waits this long, then sends `kill -9`, and says whether that cut the run short; one that ended before must have
    /// ended well.
    pub fn kill_after(self, delay: Duration) -> bool {
        std::thread::sleep(delay);
        if !self.is_running() {
            self.wait().expect(0);
            return false;
        }
        self.signal(Signal::KILL);
        // It may have ended in between.
        self.wait().code() == 128 + Signal::KILL.as_raw()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
    }

    /// The most memory it has had resident so far, in bytes.
    pub fn peak_resident_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// How much memory of its own it has now, in bytes: without the pages of the program, which are many more in a debug build.
    pub fn own_bytes(&self) -> u64 {
        self.memory("RssAnon:")
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024
    }

    /// Its children's command lines and environments as text, grandchildren too: where a secret must not be.
    ///
    /// A child that has not yet become another program is the program itself, its environment included.
    pub fn exposed_by_descendants(&self) -> String {
        let program = |pid: u32| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
        let own = program(self.id());
        descendants(self.id())
            .iter()
            .filter(|pid| program(**pid).is_some_and(|program| own.as_ref().is_some_and(|own| *own != program)))
            .flat_map(|pid| {
                ["cmdline", "environ"].map(|file| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default())
            })
            .map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', "\n"))
            .collect()
    }

    /// Waits for the end. Fails the test when it does not come.
    pub fn wait(mut self) -> Outcome {
        let child = self.child.take().expect("waited for once");
        let (pid, (ended, watched)) = (Pid::from_child(&child), mpsc::channel::<()>());
        let (output, hung) = std::thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let hung = watched.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout);
                hung && kill_process(pid, Signal::KILL).is_ok()
            });
            let output = child.wait_with_output().expect("wait for the program");
            drop(ended);
            (output, watch.join().expect("watch the program"))
        });
        let outcome = Outcome {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert!(!hung, "it did not end within {LONGEST:?}: {}", outcome.text());
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The processes below `parent`.
pub fn descendants(parent: u32) -> Vec<u32> {
    // Each thread has children of its own.
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let text: String = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok()).collect();
    let children = text.split_whitespace().filter_map(|pid| pid.parse().ok());
    children.flat_map(|child: u32| std::iter::once(child).chain(descendants(child))).collect()
}

/// The folder of the built programs, next to the running test's own; built now unless `scripts/test` has done so.
pub fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if std::env::var_os("LIFEBOAT_TEST_BUILT").is_none() {
            build();
        }
        let test = std::env::current_exe().unwrap();
        test.ancestors().nth(2).expect("tests lie in target/<profile>/deps").to_owned()
    })
}

fn build() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // With examples come the features that tests ask for, as in the running one: all below it is built already.
    command.args(["build", "--quiet", "--workspace", "--bins", "--examples"]).current_dir(scratch::workspace());
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    assert!(scratch::exclusively("build", || command.status().expect("run cargo")).success(), "build the programs");
}

/// No run of a test takes longer, but what has hung does.
const LONGEST: Duration = Duration::from_secs(20 * 60);
