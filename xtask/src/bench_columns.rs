//! What the rotation of encrypted columns costs: beside a bare `UPDATE`, row by row, and by other ways of writing.

mod scene;
mod traffic;
mod ways;

use std::io;
use std::time::{Duration, Instant};

use clap::Args;
use lifeboat_core::Result;
use lifeboat_rotate::sweep::{Order, SweepOptions};

use self::scene::Scene;
use self::traffic::Traffic;
use crate::bench::median;

/// How much to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Rows of the table
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Sessions of the sweep
    #[arg(long)]
    jobs: Option<usize>,
    /// Rows of a batch; as many as fit its time when not given
    #[arg(long)]
    batch_rows: Option<usize>,
    /// Which measurements: bare, rows, run, verify, ways, traffic, memory; all of them when none is named
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Repetitions of the bare UPDATE, of the run and of that beside an application, of which the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

/// Measures, and prints a report.
pub(crate) fn bench(options: &Options) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measured(options)).map_err(|error| io::Error::other(error.chain()))
}

async fn measured(options: &Options) -> Result<()> {
    let scene = Scene::start(options.rows).await?;
    println!("\n| what | rows | time | rows/s |\n|---|---|---|---|");
    sweeps(&scene, options).await?;
    if options.wants("verify") {
        let (time, passed) = scene.verify(&sweep_options(options, Order::Key)).await?;
        line(if passed { "`verify`" } else { "`verify`, which failed" }, options.rows, time);
    }
    if options.wants("rows") {
        let sample = options.rows.min(20_000);
        line("row by row, from a sample", sample, ways::row_by_row(&scene, sample).await?);
    }
    if options.wants("ways") {
        ways::compare(&scene).await?;
    }
    if options.wants("traffic") {
        Traffic::compare(&scene, &sweep_options(options, Order::Key), options.rounds.max(1)).await?;
    }
    if options.wants("memory") {
        scene.memory().await?;
    }
    Ok(())
}

fn sweep_options(options: &Options, order: Order) -> SweepOptions {
    SweepOptions { jobs: options.jobs, batch_rows: options.batch_rows, order: Some(order), ..SweepOptions::default() }
}

/// The bare `UPDATE` and runs beside it, round by round: what else a machine does for a minute, all of a round has.
async fn sweeps(scene: &Scene, options: &Options) -> Result<()> {
    let (mut bare, mut by_key, mut by_place) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds.max(1) {
        if options.wants("bare") {
            bare.push(scene.bare().await?);
        }
        if options.wants("run") {
            by_key.push(scene.run(&sweep_options(options, Order::Key)).await?);
            by_place.push(scene.run(&sweep_options(options, Order::Place)).await?);
        }
    }
    lines("one bare `UPDATE` of all rows", options.rows, &bare, &[]);
    lines("`run --mode online`, by key", options.rows, &by_key, &bare);
    lines("`run --mode online`, by place", options.rows, &by_place, &bare);
    Ok(())
}

/// The median of rounds, and of their ratios to what was measured beside them.
fn lines(what: &str, rows: u64, times: &[Duration], beside: &[Duration]) {
    if times.is_empty() {
        return;
    }
    eprintln!("{what}: {times:.2?}");
    line(what, rows, Duration::from_secs_f64(median(times.iter().map(Duration::as_secs_f64).collect())));
    if !beside.is_empty() {
        let ratios: Vec<_> = beside.iter().zip(times).map(|(beside, time)| beside.div_duration_f64(*time)).collect();
        println!("| … of the bare `UPDATE` | | | {:.2} ({ratios:.2?}) |", median(ratios.clone()));
    }
}

fn line(what: &str, rows: u64, time: Duration) {
    println!("| {what} | {rows} | {:.2} s | {:.0} |", time.as_secs_f64(), rows as f64 / time.as_secs_f64());
}

/// How long something takes.
async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(Duration, T)> {
    let began = Instant::now();
    let done = work.await?;
    Ok((began.elapsed(), done))
}
