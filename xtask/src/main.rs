//! Chores of Lifeboat's developers: `cargo xtask bench`, `cargo xtask bench-memory`, `cargo xtask bench-keys`,
//! `cargo xtask bench-columns`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod bench;
mod bench_columns;
mod bench_keys;

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Chores of Lifeboat's developers")]
enum Chore {
    /// Measure Lifeboat beside the stock pipelines and write docs/benchmarks.md
    Bench(bench::Options),
    /// Measure how much memory databases of 1 and of 4 GB take
    BenchMemory(bench::memory::Options),
    /// Measure sealing beside OpenSSL, and rewraps of ten thousand backups
    BenchKeys(bench_keys::Options),
    /// Measure the rotation of a million encrypted values beside a bare UPDATE
    BenchColumns(bench_columns::Options),
}

fn main() -> ExitCode {
    let done = match Chore::parse() {
        Chore::Bench(options) => bench::bench(&options),
        Chore::BenchMemory(options) => bench::memory::bench(&options),
        Chore::BenchKeys(options) => bench_keys::bench(&options),
        Chore::BenchColumns(options) => bench_columns::bench(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
