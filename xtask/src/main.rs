//! Chores of Lifeboat's developers: `cargo xtask bench`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod bench;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of Lifeboat's developers")]
enum Chore {
    /// Measure Lifeboat beside the stock pipelines and write docs/benchmarks.md
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let Chore::Bench(options) = Chore::parse();
    match bench::bench(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
