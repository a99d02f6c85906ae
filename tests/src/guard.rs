//! Servers end when nobody uses them any more, even after `kill -9` of the test runner.
//!
//! Every user of a server holds a shared lock on a file, which the kernel releases when the process ends. A guardian, a
//! small shell script in a session of its own, is the server's parent and tries for the exclusive lock: when it gets it, it ends
//! the server and removes its folder. A parent-death signal would not do: it is sent when the *thread* that spawned
//! dies, and is lost when the child changes its user, as Postgres must.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use crate::scratch;

const SCRIPT: &str = include_str!("guard.sh");
const ATTEMPTS: usize = 4;
/// As the kernel writes this state of a socket.
const LISTEN: &str = "0A";
const START_LIMIT: Duration = Duration::from_secs(60);

/// How a server is started and told to be ready.
pub trait Service {
    /// What a user must know to reach the server; stored as JSON for users in other processes.
    type State: serde::Serialize + serde::de::DeserializeOwned;

    /// Prepares `run`, an empty folder that is removed when the server ends, and says what to run in it.
    fn prepare(&self, run: &Path) -> (Command, Self::State);

    /// Whether the server answers.
    fn is_ready(&self, run: &Path, state: &Self::State) -> bool;

    /// The signal that ends it at once and leaves nothing behind.
    fn end_signal(&self) -> &'static str;

    /// Called once after the start, before anyone else may use the server.
    fn furnish(&self, run: &Path, state: &Self::State);
}

/// A running server, kept alive by this value.
#[derive(Debug)]
pub struct Guarded<S> {
    /// What the service's `prepare` returned.
    pub state: S,
    /// The server's folder; its output is in `log`.
    pub run: PathBuf,
    guardian: Option<Child>,
    _use: File,
}

/// Starts a server of the caller's own; it ends when the value is dropped or the process is gone.
pub fn own<T: Service>(name: &str, service: &T) -> Guarded<T::State> {
    let home = scratch::of_servers().join(format!("own-{name}-{:016x}", scratch::unique()));
    scratch::create_open(&home);
    let users = use_of(&home);
    let (run, state, guardian) = launch(&home, service, 0);
    service.furnish(&run, &state);
    Guarded { state, run, guardian: Some(guardian), _use: users }
}

/// Joins the server of this name, or starts it; it outlives the process by a few seconds, for the next one to join.
pub fn shared<T: Service>(name: &str, service: &T) -> Guarded<T::State> {
    let home = scratch::of_servers().join(format!("shared-{name}"));
    scratch::create_open(&home);
    let users = use_of(&home);
    scratch::exclusively(&format!("start-{name}"), || {
        if let Some((run, state)) = joined::<T>(&home) {
            return Guarded { state, run, guardian: None, _use: users };
        }
        let (run, state, _) = launch(&home, service, 3);
        service.furnish(&run, &state);
        let text = serde_json::to_vec(&(&run, &state)).unwrap();
        fs::write(home.join("state.draft"), text).unwrap();
        fs::rename(home.join("state.draft"), home.join("state")).unwrap();
        Guarded { state, run, guardian: None, _use: users }
    })
}

impl<S> Guarded<S> {
    /// What the server wrote to its standard output and error.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.run.join("log")).unwrap_or_default()).into_owned()
    }

    /// The server's process id.
    pub fn pid(&self) -> i32 {
        let text = fs::read_to_string(self.run.join("pid")).expect("the guardian writes the server's pid");
        text.trim().parse().unwrap()
    }
}

impl<S> Drop for Guarded<S> {
    fn drop(&mut self) {
        let Some(mut guardian) = self.guardian.take() else { return };
        let _ = kill_process(Pid::from_child(&guardian), Signal::TERM);
        let _ = guardian.wait();
        let _ = fs::remove_dir_all(self.run.parent().expect("a run lies in its home"));
    }
}

/// Whether the server itself listens on this port of 127.0.0.1: one that has lost the port to somebody else may not have noticed yet.
pub fn listens(run: &Path, port: u16) -> bool {
    let Ok(pid) = fs::read_to_string(run.join("pid")) else { return false };
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let place = format!("0100007F:{port:04X}");
    let listening = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut listening =
        listening.filter(|fields| fields.get(1) == Some(&place.as_str()) && fields.get(3) == Some(&LISTEN));
    let Some(socket) = listening.find_map(|fields| Some(format!("socket:[{}]", fields.get(9)?))) else { return false };
    let open = fs::read_dir(format!("/proc/{}/fd", pid.trim())).into_iter().flatten().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| link.as_os_str() == socket.as_str())
}

fn use_of(home: &Path) -> File {
    let users = File::create(home.join("users")).unwrap();
    flock(&users, FlockOperation::LockShared).unwrap();
    users
}

fn joined<T: Service>(home: &Path) -> Option<(PathBuf, T::State)> {
    serde_json::from_slice(&fs::read(home.join("state")).ok()?).ok()
}

fn launch<T: Service>(home: &Path, service: &T, grace_polls: u32) -> (PathBuf, T::State, Child) {
    let mut last_log = String::new();
    for _ in 0..ATTEMPTS {
        let run = home.join(format!("run-{:016x}", scratch::unique()));
        scratch::create_open(&run);
        let (command, state) = service.prepare(&run);
        let mut guardian = guardian(home, &run, service.end_signal(), grace_polls, &command);
        let began = Instant::now();
        while began.elapsed() < START_LIMIT && matches!(guardian.try_wait(), Ok(None)) {
            if service.is_ready(&run, &state) {
                return (run, state, guardian);
            }
            sleep(Duration::from_millis(20));
        }
        // Most likely another test took one of the ports in the meantime.
        last_log = fs::read_to_string(home.join("last.log"))
            .or_else(|_| fs::read_to_string(run.join("log")))
            .unwrap_or_default();
        let _ = kill_process(Pid::from_child(&guardian), Signal::TERM);
        let _ = guardian.wait();
    }
    panic!("the server in {} does not start:\n{last_log}", home.display());
}

fn guardian(home: &Path, run: &Path, signal: &str, grace_polls: u32, server: &Command) -> Child {
    let log = File::create(run.join("log")).unwrap();
    let mut command = Command::new("setsid");
    command.args(["sh", "-c", SCRIPT, "lifeboat-test-guard"]);
    command.arg(home).arg(run).arg(signal).arg(grace_polls.to_string());
    command.arg(server.get_program()).args(server.get_args());
    for (name, value) in server.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.current_dir(server.get_current_dir().unwrap_or(run));
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().expect("run setsid and sh to guard a server")
}
