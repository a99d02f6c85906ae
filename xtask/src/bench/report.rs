//! The report: one table of costs, one of ratios.

use crate::bench::{data::Facts, machine, measure::Usage, phases::Phases, pipelines::Job};
use std::{fmt::Write, time::Duration};

/// What became of a job.
pub(crate) struct Outcome {
    pub(crate) job: &'static Job,
    pub(crate) runs: Vec<Run>,
    pub(crate) problem: Option<String>,
}

/// One measured run.
pub(crate) struct Run {
    pub(crate) usage: Usage,
    pub(crate) server_cpu: Duration,
    pub(crate) store_cpu: Duration,
    pub(crate) stored_bytes: Option<u64>,
    pub(crate) phases: Phases,
}

/// The report as Markdown.
pub(crate) fn render(outcomes: &[Outcome], facts: &Facts, machine: &[String]) -> String {
    let rounds = outcomes.iter().map(|outcome| outcome.runs.len()).max().unwrap_or(0);
    let mut text = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench`; times mean something only beside each other.\n\n",
    );
    machine.iter().for_each(|fact| _ = writeln!(text, "* {fact}"));
    let _ = writeln!(text, "* {}", describe(facts));
    let _ = writeln!(
        text,
        "\n## Costs\n\nMedians of {rounds} interleaved rounds. CPU is user and system time: of the pipeline's own \
        processes, of the database server, of the store. Memory is the peak of the pipeline's largest process.\n"
    );
    text.push_str(
        "| job | time s | CPU s | server s | store s | memory MiB | stored MB |\n|---|--:|--:|--:|--:|--:|--:|\n",
    );
    outcomes.iter().for_each(|outcome| text.push_str(&row(outcome)));
    text.push_str("\n## Ratios\n\nMedian of the ratios inside each round.\n\n| | ratio | goal |\n|---|--:|--:|\n");
    let mut ratios = ratios(outcomes);
    ratios.extend(size_and_memory(outcomes, facts));
    ratios.extend(phases_of_drills(outcomes));
    ratios.iter().for_each(|line| text.push_str(line));
    text.push_str("\n## What ran\n\n");
    outcomes.iter().for_each(|outcome| text.push_str(&script(outcome)));
    text.push('\n');
    text.push_str(REMARKS);
    text
}

/// The first job that failed; a missing stock tool is no failure.
pub(crate) fn first_failure(outcomes: &[Outcome]) -> Option<String> {
    let failed = |outcome: &&Outcome| outcome.problem.as_ref().is_some_and(|problem| problem.starts_with("failed"));
    outcomes.iter().find(failed).map(|outcome| format!("{} failed", outcome.job.label))
}

fn describe(facts: &Facts) -> String {
    let (rows, plain, gzip) = (facts.rows as f64 / 1e6, megabytes(facts.plain_bytes), megabytes(facts.gzip6_bytes));
    let disk = megabytes(facts.disk_bytes);
    format!(
        "database: {rows:.1} million rows, {disk:.0} MB on disk, {plain:.0} MB as a plain dump, {gzip:.0} MB after `gzip -6`"
    )
}

fn row(outcome: &Outcome) -> String {
    let label = outcome.job.label;
    if let Some(problem) = &outcome.problem {
        let word = problem.split(':').next().unwrap_or_default();
        return format!("| {label} | {word} | | | | | |\n");
    }
    let median_of = |value: fn(&Run) -> f64| median(outcome.runs.iter().map(value).collect());
    let stored = outcome.runs.last().and_then(|run| run.stored_bytes).map(|bytes| format!("{:.1}", megabytes(bytes)));
    format!(
        "| {label} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} | {} |\n",
        median_of(|run| run.usage.wall.as_secs_f64()),
        median_of(|run| run.usage.cpu.as_secs_f64()),
        median_of(|run| run.server_cpu.as_secs_f64()),
        median_of(|run| run.store_cpu.as_secs_f64()),
        median_of(memory),
        stored.unwrap_or_default(),
    )
}

fn script(outcome: &Outcome) -> String {
    let problem = outcome.problem.as_ref().map(|problem| format!(" ({})", problem.replace('\n', " ")));
    format!("* {}: `{}`{}\n", outcome.job.label, outcome.job.script, problem.unwrap_or_default())
}

fn ratios(outcomes: &[Outcome]) -> Vec<String> {
    let line = |&(ours, theirs, goal): &(&str, &str, &str)| {
        let pairs = runs(outcomes, ours).iter().zip(runs(outcomes, theirs));
        let ratios: Vec<f64> = pairs.map(|(a, b)| a.usage.wall.as_secs_f64() / b.usage.wall.as_secs_f64()).collect();
        (!ratios.is_empty()).then(|| format!("| {ours} : {theirs} | {:.2} | {goal} |\n", median(ratios)))
    };
    PAIRS.iter().filter_map(line).collect()
}

fn size_and_memory(outcomes: &[Outcome], facts: &Facts) -> Vec<String> {
    let restores = runs(outcomes, "lifeboat-restore").iter();
    let floor: Vec<f64> = restores
        .map(|run| run.usage.wall.as_secs_f64() * machine::cores() as f64 / run.server_cpu.as_secs_f64())
        .collect();
    let mut lines = Vec::new();
    for label in ["lifeboat-s3", "lifeboat-zstd", "stream-s3"] {
        let Some(run) = runs(outcomes, label).last() else { continue };
        let size = run.stored_bytes.map(|bytes| bytes as f64 / facts.gzip6_bytes as f64);
        lines.extend(size.map(|ratio| format!("| stored by {label} : `gzip -6` | {ratio:.3} | 1.03 |\n")));
        lines.push(format!("| memory of {label} : 128 MiB | {:.2} | 1.00 |\n", memory(run) / 128.0));
    }
    lines.extend(
        (!floor.is_empty())
            .then(|| format!("| lifeboat-restore : its server CPU / cores | {:.2} | 1.20 |\n", median(floor))),
    );
    lines
}

/// What a drill's own report says; its whole time is compared with that of others above.
fn phases_of_drills(outcomes: &[Outcome]) -> Vec<String> {
    let drills = runs(outcomes, "lifeboat-drill");
    let median_of = |value: fn(&Phases) -> Option<f64>| {
        let values: Vec<f64> = drills.iter().filter_map(|run| value(&run.phases)).collect();
        (!values.is_empty()).then(|| median(values))
    };
    let checks = median_of(Phases::checks_to_restore);
    let cluster = median_of(Phases::cluster_up);
    let checks = checks.map(|ratio| format!("| lifeboat-drill, checks : its restore | {ratio:.2} | 0.60 |\n"));
    let cluster = cluster.map(|seconds| format!("| lifeboat-drill, cluster up : 1 s | {seconds:.2} | 2.00 |\n"));
    checks.into_iter().chain(cluster).collect()
}

fn runs<'a>(outcomes: &'a [Outcome], label: &str) -> &'a [Run] {
    outcomes.iter().find(|outcome| outcome.job.label == label).map_or(&[], |outcome| &outcome.runs)
}

/// The middle one; of an even number, between the two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn memory(run: &Run) -> f64 {
    run.usage.peak_rss_bytes as f64 / 1_048_576.0
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// What was measured apart from the jobs, and what it means; written by hand.
const REMARKS: &str = include_str!("remarks.md");

// Ours, theirs, the goal; stock beside stock needs none.
const PAIRS: [(&str, &str, &str); 28] = [
    ("lifeboat-s3", "pg_dump", "1.00"),
    ("lifeboat-file", "pg_dump", "0.85"),
    ("lifeboat-s3", "gzip-aws", "0.22"),
    ("lifeboat-s3", "pigz-rclone", ""),
    ("lifeboat-s3", "zstd-rclone", "1.00"),
    ("lifeboat-s3", "directory-rclone", "1.00"),
    ("lifeboat-s3", "lifeboat-open", "1.08"),
    ("lifeboat-zstd", "pg_dump", ""),
    ("lifeboat-zstd", "lifeboat-s3", ""),
    ("lifeboat-zstd", "zstd-rclone", ""),
    ("stream-s3", "pg_dump", "1.20"),
    ("stream-s3", "gzip-aws", "0.35"),
    ("stream-s3", "zstd-rclone", ""),
    ("stream-file", "pg_dump", ""),
    ("lifeboat-s3", "stream-s3", ""),
    ("lifeboat-restore", "pg_restore", "0.85"),
    ("lifeboat-restore", "pgcopydb", "0.85"),
    ("lifeboat-restore", "gunzip-psql", "0.70"),
    ("lifeboat-drill", "gunzip-psql", ""),
    ("lifeboat-drill", "lifeboat-restore", ""),
    ("many-lifeboat", "many-pg_dump", "1.50"),
    ("many-one-schema", "many-restore", "0.05"),
    ("gzip-aws", "pg_dump", ""),
    ("pigz-rclone", "pg_dump", ""),
    ("zstd-rclone", "pg_dump", ""),
    ("directory-rclone", "pg_dump", ""),
    ("pg_restore", "gunzip-psql", ""),
    ("pgcopydb", "gunzip-psql", ""),
];
