//! A process that holds a scratch database, to be killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use lifeboat_tests::lifeboat::built;

/// A drill's process, as far as its scratch database goes; killed when dropped.
pub(super) struct Holder(Child);

impl Holder {
    /// Starts one; the scratch database may not be there yet.
    pub(super) fn start(words: &[&str]) -> Holder {
        let mut command = Command::new(built().join("hold-scratch"));
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Holder(command.spawn().unwrap())
    }

    /// Waits until it is there; what it is called.
    pub(super) fn opened(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the scratch database could not be opened");
        line.trim().to_owned()
    }

    /// `kill -9`.
    pub(super) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
