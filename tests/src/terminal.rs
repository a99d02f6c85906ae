//! Programs on a terminal, where somebody types.

use std::process::Command;

use crate::lifeboat::Lifeboat;

/// Runs it on a terminal of its own, where `answer` is typed: the exit code, and what it said.
pub fn on_a_terminal(lifeboat: &Lifeboat, answer: &str) -> (i32, String) {
    let command = lifeboat.command();
    let mut python = Command::new("python3");
    python.args(["-c", TERMINAL, answer]).arg(command.get_program()).args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        python.env(name, value.unwrap_or_default());
    }
    let output = python.env("TERM", "xterm").output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

const TERMINAL: &str = "
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execve(sys.argv[2], sys.argv[2:], os.environ)
os.write(terminal, (sys.argv[1] + chr(10)).encode())
said = b''
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    said += part
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";
