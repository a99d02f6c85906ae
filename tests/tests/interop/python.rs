//! A Python program beside the test, asked line by line.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use lifeboat_tests::servers::installation::in_venv;

/// A running program; it ends when its input does.
pub(crate) struct Python {
    child: Child,
    input: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Python {
    /// Runs a program that answers each line with one.
    pub(crate) fn run(program: &str) -> Self {
        let mut child = Command::new(in_venv("bin/python"))
            .args(["-c", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, answers }
    }

    /// The answer to a line; what the program has to say of a failure is on the test's own stderr.
    pub(crate) fn ask(&mut self, line: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        self.answers.next().expect("Python ended before it answered").unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
