//! The operator's tool: every command.

use std::process::ExitCode;

use lifeboat::{Program, run};

fn main() -> ExitCode {
    run(Program::Lifeboat)
}
