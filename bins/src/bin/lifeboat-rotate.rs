//! Rotates keys, and can do nothing else.

use std::process::ExitCode;

use lifeboat::{Program, run};

fn main() -> ExitCode {
    run(Program::LifeboatRotate)
}
