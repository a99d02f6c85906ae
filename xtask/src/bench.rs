//! The benchmark: ours and the stock pipelines in turn, on one machine, over one database.
//!
//! A benchmark is not a test: nothing here asserts a time. Times mean little alone, so every round runs each job once and
//! ratios are taken inside a round; noise from outside then hits both sides.

mod data;
mod machine;
mod measure;
pub(crate) mod memory;
mod phases;
mod pipelines;
mod report;
mod servers;

use clap::{Args, ValueEnum};
use pipelines::{JOBS, Job};
use report::Outcome;
pub(crate) use report::median;
use servers::Servers;
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// The database: small is for trying the benchmark out, full is about 1.2 GB on disk
    #[arg(long, value_enum, default_value_t = Size::Full)]
    size: Size,
    /// Measure only this job; may be repeated
    #[arg(long, value_name = "LABEL", value_parser = label)]
    only: Vec<String>,
    /// How often each job runs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Leave the servers' files behind and say where
    #[arg(long)]
    keep: bool,
    /// Write the report here; without it only a whole run at full size is written, to docs/benchmarks.md
    #[arg(long)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Size {
    Small,
    Full,
}

/// Runs the benchmark and writes the report.
pub(crate) fn bench(options: &Options) -> io::Result<()> {
    let jobs: Vec<&Job> = JOBS.iter().filter(|job| options.wants(job)).collect();
    build_lifeboat(&jobs)?;
    let mut place = tempfile::Builder::new().prefix("lifeboat-bench-").tempdir()?;
    place.disable_cleanup(options.keep);
    let servers = Servers::start(place.path(), &search_path()?)?;
    let facts = data::load(&servers, options.size)?;
    let mut outcomes: Vec<Outcome> = jobs.into_iter().map(|job| pipelines::prepare(job, &servers)).collect();
    for round in 1..=options.rounds {
        println!("round {round} of {}", options.rounds);
        outcomes.iter_mut().for_each(|outcome| pipelines::run(outcome, &servers, round));
    }
    let text = report::render(&outcomes, &facts, &machine::describe(&servers));
    print!("\n{text}");
    if let Some(output) = options.output() {
        fs::write(output, &text)?;
    }
    if options.keep {
        println!("kept: {}", place.path().display());
    }
    report::first_failure(&outcomes).map_or(Ok(()), |failure| Err(io::Error::other(failure)))
}

impl Options {
    fn output(&self) -> Option<&Path> {
        let whole = self.only.is_empty() && self.size == Size::Full;
        self.output.as_deref().or_else(|| whole.then_some(Path::new("docs/benchmarks.md")))
    }

    fn wants(&self, job: &Job) -> bool {
        self.only.is_empty() || self.only.iter().any(|label| label == job.label)
    }
}

fn label(text: &str) -> Result<String, String> {
    let known: Vec<&str> = JOBS.iter().map(|job| job.label).collect();
    if known.contains(&text) { Ok(text.to_owned()) } else { Err(format!("choose among {}", known.join(", "))) }
}

fn build_lifeboat(jobs: &[&Job]) -> io::Result<()> {
    if jobs.iter().any(|job| job.needs.contains(&"lifeboat")) { build() } else { Ok(()) }
}

fn build() -> io::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(cargo).args(["build", "--release", "--package", "lifeboat", "--bin", "lifeboat"]).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other("building lifeboat failed")) }
}

/// Where programs are looked for: our own build, the tests' virtual environment, Postgres, then `PATH`.
fn search_path() -> io::Result<Vec<PathBuf>> {
    let release = env::current_exe()?.parent().map(Path::to_path_buf).unwrap_or_default();
    let venv = env::var_os("LIFEBOAT_TEST_VENV").map_or_else(|| "target/venv".into(), PathBuf::from);
    let mut path = vec![release, env::current_dir()?.join(venv).join("bin")];
    path.extend(machine::postgres_bin());
    path.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    Ok(path)
}
