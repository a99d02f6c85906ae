//! The monthly timer's tool: it drills, and can do nothing else.

use std::process::ExitCode;

use lifeboat::{Program, run};

fn main() -> ExitCode {
    run(Program::LifeboatDrill)
}
