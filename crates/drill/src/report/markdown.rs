//! The report as an entry of a runbook's log.

use std::fmt::Write as _;

use lifeboat_core::units;

use super::{DrillReport, escape, words};

/// The report as Markdown: a section of the second level.
#[must_use]
pub fn markdown(report: &DrillReport) -> String {
    let date = report.started.strftime("%Y-%m-%d");
    let mut text = format!("## {date}: drill of {}: {}\n\n", escaped(report.database.as_str()), report.verdict.name());
    text += "| | |\n|---|---|\n";
    let head = [("Verdict", format!("**{}**", report.verdict.name()))];
    let facts = words::head(report).into_iter().map(|(label, value)| (label, escaped(&value)));
    for (label, value) in head.into_iter().chain(facts) {
        push(&mut text, format_args!("| {label} | {value} |\n"));
    }
    let issues: Vec<_> = report.reasons.iter().map(|reason| escaped(reason)).collect();
    let issues = if issues.is_empty() { "none".to_owned() } else { issues.join("<br>") };
    push(&mut text, format_args!("| Issues | {issues} |\n"));
    checks(&mut text, report);
    phases(&mut text, report);
    list(&mut text, "Proven", report.proven.iter().cloned());
    let not_proven = report.not_proven.iter().map(|missing| format!("{}: {}", missing.what, missing.why));
    list(&mut text, "Not proven", not_proven);
    list(&mut text, "Warnings", report.warnings.iter().cloned());
    text
}

fn checks(text: &mut String, report: &DrillReport) {
    if report.checks.is_empty() {
        return;
    }
    *text += "\n| check | outcome | result |\n|---|---|---|\n";
    for check in &report.checks {
        let findings: String = check.findings.iter().map(|finding| format!("<br>{}", escaped(finding))).collect();
        let (name, outcome) = (escaped(&check.name), words::outcome(check.outcome));
        push(text, format_args!("| {name} | {outcome} | {}{findings} |\n", escaped(&check.summary)));
    }
}

fn phases(text: &mut String, report: &DrillReport) {
    if report.rto.phases.is_empty() {
        return;
    }
    *text += "\n| phase | time | part of the RTO |\n|---|---:|---|\n";
    for phase in &report.rto.phases {
        let counts = if phase.counts { "yes" } else { "no" };
        push(text, format_args!("| {} | {} | {counts} |\n", escaped(&phase.name), units::seconds(phase.seconds)));
    }
}

fn list(text: &mut String, title: &str, items: impl Iterator<Item = String>) {
    let items: String = items.map(|item| format!("* {}\n", escaped(&item))).collect();
    if !items.is_empty() {
        push(text, format_args!("\n**{title}**\n\n{items}"));
    }
}

/// One line in which nothing is markup.
fn escaped(text: &str) -> String {
    escape::escaped(text, ' ', |char| MARKUP.iter().find(|written| written.ends_with(char)).copied())
}

/// What Markdown gives a meaning, as it is written without.
const MARKUP: [&str; 11] = ["\\\\", "\\`", "\\*", "\\_", "\\[", "\\]", "\\|", "\\~", "\\#", "\\!", "\\$"];

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = text.write_fmt(line);
}
