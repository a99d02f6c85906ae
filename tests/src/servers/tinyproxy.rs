//! An HTTP proxy of a company: who knows its password is led to any port by CONNECT.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::guard::{self, Guarded, Service};
use crate::scratch;

/// A running tinyproxy, ended when dropped.
#[derive(Debug)]
pub struct Tinyproxy {
    guarded: Guarded<State>,
}

#[derive(Debug, Serialize, Deserialize)]
struct State {
    port: u16,
}

struct Program;

impl Tinyproxy {
    /// One that wants the user `me` with this password.
    pub const PASSWORD: &'static str = "canary-proxy-77c0";

    /// Starts one.
    pub fn start() -> Tinyproxy {
        Tinyproxy { guarded: guard::own("tinyproxy", &Program) }
    }

    /// Its address, for whoever has this password.
    pub fn url(&self, password: &str) -> String {
        format!("http://me:{password}@127.0.0.1:{}", self.guarded.state.port)
    }

    /// How often it was asked for the way to `place`, a host and its port.
    pub fn ways_to(&self, place: &str) -> usize {
        self.guarded.log().matches(&format!("CONNECT {place} HTTP")).count()
    }
}

impl Service for Program {
    type State = State;

    fn prepare(&self, run: &Path) -> (Command, State) {
        let state = State { port: scratch::free_port() };
        let configuration = format!(
            "Port {}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\nLogLevel Connect\nBasicAuth me {}\n",
            state.port,
            Tinyproxy::PASSWORD,
        );
        fs::write(run.join("tinyproxy.conf"), configuration).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(run.join("tinyproxy.conf")).current_dir(run);
        (command, state)
    }

    fn is_ready(&self, run: &Path, state: &State) -> bool {
        guard::listens(run, state.port)
    }

    fn end_signal(&self) -> &'static str {
        "KILL"
    }

    fn furnish(&self, _: &Path, _: &State) {}
}
