//! Programs on a terminal, where somebody types.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use crate::lifeboat::Lifeboat;

/// A program on a terminal of its own.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    said: Vec<u8>,
}

impl Terminal {
    /// Starts it.
    pub fn start(lifeboat: &Lifeboat) -> Terminal {
        let command = lifeboat.command();
        let mut python = Command::new("python3");
        python.args(["-c", TERMINAL]).arg(command.get_program()).args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            python.env(name, value.unwrap_or_default());
        }
        python.env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped());
        Terminal { child: python.spawn().unwrap(), said: Vec::new() }
    }

    /// Waits until it has said these words.
    pub fn until(&mut self, words: &str) {
        let mut part = [0; 4096];
        while !String::from_utf8_lossy(&self.said).contains(words) {
            let read = self.child.stdout.as_mut().unwrap().read(&mut part).unwrap();
            assert!(read > 0, "it ended before {words:?}: {}", String::from_utf8_lossy(&self.said));
            self.said.extend_from_slice(&part[..read]);
        }
    }

    /// Types a line.
    pub fn answer(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Presses Ctrl-C, and nothing after it.
    pub fn interrupt(&mut self) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(b"\x03").unwrap();
        input.flush().unwrap();
    }

    /// Waits for its end: the exit code, and all that it said.
    pub fn wait(mut self) -> (i32, String) {
        self.child.stdout.as_mut().unwrap().read_to_end(&mut self.said).unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        (code, String::from_utf8_lossy(&self.said).into_owned())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs it on a terminal of its own, where `answer` is typed: the exit code, and what it said.
pub fn on_a_terminal(lifeboat: &Lifeboat, answer: &str) -> (i32, String) {
    let mut terminal = Terminal::start(lifeboat);
    terminal.answer(answer);
    terminal.wait()
}

const TERMINAL: &str = "
import os, pty, select, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execve(sys.argv[1], sys.argv[1:], os.environ)
watched = [0, terminal]
while True:
    ready = select.select(watched, [], [])[0]
    if 0 in ready:
        typed = os.read(0, 4096)
        if typed:
            os.write(terminal, typed)
        else:
            watched.remove(0)
    if terminal in ready:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            break
        if not part:
            break
        os.write(1, part)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";
