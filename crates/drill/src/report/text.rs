//! The report for a terminal.

use lifeboat_core::units;

use super::{DrillReport, words};

/// The report as text. What the backup made up (names, values in findings) cannot steer the terminal.
#[must_use]
pub fn text(report: &DrillReport) -> String {
    let title = format!("{}: the drill of {}\n", report.verdict.name().to_uppercase(), report.database);
    let sections = [Some(title), reasons(report), Some(head(report)), phases(report), checks(report)];
    let lists = [
        list("Proven", report.proven.iter().cloned()),
        list("Not proven", report.not_proven.iter().map(|missing| format!("{}: {}", missing.what, missing.why))),
        list("Warnings", report.warnings.iter().cloned()),
    ];
    let text: Vec<String> = sections.into_iter().chain(lists).flatten().collect();
    tame(&text.join("\n"))
}

fn reasons(report: &DrillReport) -> Option<String> {
    let lines: String = report.reasons.iter().map(|reason| format!("  {}\n", indented(reason, 2))).collect();
    (!lines.is_empty()).then_some(lines)
}

fn head(report: &DrillReport) -> String {
    columns(&words::head(report).into_iter().map(|(label, value)| vec![label.to_owned(), value]).collect::<Vec<_>>())
}

fn phases(report: &DrillReport) -> Option<String> {
    let phases = report.rto.phases.iter().map(|phase| {
        let counts = if phase.counts { "" } else { "not part of the RTO" };
        vec![phase.name.clone(), units::seconds(phase.seconds), counts.to_owned()]
    });
    let phases: Vec<_> = phases.collect();
    (!phases.is_empty()).then(|| format!("Time\n{}", shifted(&columns(&phases))))
}

fn checks(report: &DrillReport) -> Option<String> {
    let rows = report
        .checks
        .iter()
        .map(|check| vec![words::outcome(check.outcome).to_owned(), check.name.clone(), check.summary.clone()]);
    let table = columns(&rows.collect::<Vec<_>>());
    let mut lines = String::new();
    for (check, line) in report.checks.iter().zip(table.lines()) {
        lines += &format!("  {line}\n");
        lines.extend(check.findings.iter().map(|finding| format!("      {}\n", indented(finding, 6))));
    }
    (!lines.is_empty()).then(|| format!("Checks\n{lines}"))
}

fn list(title: &str, items: impl Iterator<Item = String>) -> Option<String> {
    let lines: String = items.map(|item| format!("  {}\n", indented(&item, 2))).collect();
    (!lines.is_empty()).then(|| format!("{title}\n{lines}"))
}

/// Cells below each other, two spaces apart; each on one line.
fn columns(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| cell.replace('\n', " ")).collect()).collect();
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len))
        .map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn shifted(lines: &str) -> String {
    lines.lines().map(|line| format!("  {line}\n")).collect()
}

/// Further lines of an item below its first.
fn indented(item: &str, by: usize) -> String {
    item.trim_end().replace('\n', &format!("\n{}", " ".repeat(by)))
}

/// Control characters, spelt out: a name must not move the cursor.
fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => tamed.push(char),
            _ if char.is_control() || is_direction(char) => tamed.extend(char.escape_unicode()),
            _ => tamed.push(char),
        }
    }
    tamed
}

/// Characters that change the order in which others are shown.
pub(super) fn is_direction(char: char) -> bool {
    matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}
