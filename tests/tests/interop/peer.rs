//! A program of another language beside the test, asked line by line.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use lifeboat_tests::servers::installation::in_venv;

/// A running program; it ends when its input does.
pub(crate) struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// A Python program that answers each line with one.
    pub(crate) fn python(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self::run(Command::new(in_venv("bin/python")).args(arguments))
    }

    /// The same in JavaScript. Node is the system's.
    pub(crate) fn node(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        Self::run(Command::new("node").args(arguments))
    }

    fn run(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("the program is missing: run scripts/test once, it installs what the tests need");
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, answers }
    }

    /// The answer to a line; what the program has to say of a failure is on the test's own stderr.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        self.answers.next().expect("the program ended before it answered").unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
