//! Starts processes that end when we do, however we end.
//!
//! The kernel sends the parent-death signal when the *thread* that started a process ends, and a runtime's threads come and
//! go: so one thread starts them all, and lives as long as they may.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::thread::Builder;

use lifeboat_core::{Kind, Result, ResultExt};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

/// The thread. What it started and still runs gets its signal when this is dropped.
#[derive(Debug)]
pub(crate) struct Spawner {
    requests: Sender<Request>,
}

#[derive(Debug)]
struct Request {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

impl Spawner {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Kind::Failure`] when the operating system gives no thread.
    pub(crate) fn new() -> Result<Self> {
        let (requests, waiting) = channel::<Request>();
        let serve = move || {
            for Request { mut command, reply } in waiting {
                // Nobody waits any more: the child is ours to end then, and `Child` does not do that by itself.
                if let Err(unwanted) = reply.send(command.spawn())
                    && let Ok(mut child) = unwanted.0
                {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        };
        let thread = Builder::new().name("scratch".into()).spawn(serve);
        thread.kind_of(Kind::Failure, || "start a thread for the scratch server".into())?;
        Ok(Self { requests })
    }

    /// Starts `command` in a process group of its own; it gets `signal` when we end.
    ///
    /// # Errors
    /// [`Kind::Tool`] when it cannot be started.
    pub(crate) fn spawn(&self, mut command: Command, signal: Signal) -> Result<Child> {
        let doing = format!("start {}", command.get_program().display());
        end_with_us(&mut command, signal);
        // The terminal's Ctrl-C is for us: we end what we started in its order.
        command.process_group(0);
        let (reply, started) = channel();
        let sent = self.requests.send(Request { command, reply });
        sent.ok()
            .and_then(|()| started.recv().ok())
            .unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()))
            .kind_of(Kind::Tool, || doing)
    }
}

#[expect(unsafe_code, reason = "a process's parent-death signal can be set only between fork and exec")]
fn end_with_us(command: &mut Command, signal: Signal) {
    let parent: Pid = getpid();
    // SAFETY: the closure makes two system calls, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            set_parent_process_death_signal(Some(signal))?;
            // We may have ended before the signal was set.
            if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use rustix::process::Signal;

    use super::Spawner;

    #[test]
    fn what_was_started_ends_with_the_thread_that_started_it() {
        let spawner = Spawner::new().unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        let mut child = spawner.spawn(sleep, Signal::QUIT).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        drop(spawner);
        assert_eq!(child.wait().unwrap().signal(), Some(Signal::QUIT.as_raw()));
    }

    #[test]
    fn what_cannot_be_started_is_named() {
        let error = Spawner::new().unwrap().spawn(Command::new("/no/such/postgres"), Signal::QUIT).unwrap_err();
        assert_eq!(error.to_string(), "start /no/such/postgres");
    }
}
