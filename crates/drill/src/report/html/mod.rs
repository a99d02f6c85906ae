//! The report as one page that needs nothing else: no script, no font, no request.
//!
//! Invariant: every text goes through [`escaped`]; a policy in the page forbids whatever could be loaded nevertheless.

mod chart;
mod history;

use lifeboat_core::drill::{DrillEnd, Verdict};
use lifeboat_core::units;

use super::{DrillReport, TableReport, escape, words};
use crate::report::CheckReport;

/// The report as a page. `history` are the ends of the database's drills, oldest first, this one's included: they are drawn.
#[must_use]
pub fn html(report: &DrillReport, history: &[DrillEnd]) -> String {
    let verdict = report.verdict.name();
    let title = format!("Drill of {}: {verdict}", report.database);
    let sections = [
        head(report),
        time(report),
        checks(report),
        proven(report),
        history::drawn(history, report.rto.target_seconds),
        tables(report),
        list("Warnings", report.warnings.iter().map(|warning| escaped(warning))),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n\
         <footer>{tool} · report {drill}</footer>\n</body>\n</html>\n",
        title = escaped(&title),
        body = sections.concat(),
        tool = escaped(&report.tool),
        drill = escaped(report.drill.as_str()),
    )
}

fn head(report: &DrillReport) -> String {
    let verdict = report.verdict.name();
    let reasons: String =
        report.reasons.iter().map(|reason| format!("<p class=\"reason\">{}</p>\n", escaped(reason))).collect();
    let facts =
        words::head(report).into_iter().map(|(label, value)| format!("<dt>{label}</dt><dd>{}</dd>\n", escaped(&value)));
    format!(
        "<header class=\"{verdict}\">\n<p class=\"verdict\">{verdict}</p>\n<h1>Drill of {}</h1>\n{reasons}</header>\n\
         <dl>\n{}</dl>\n",
        escaped(report.database.as_str()),
        facts.collect::<String>()
    )
}

fn time(report: &DrillReport) -> String {
    if report.rto.phases.is_empty() {
        return String::new();
    }
    let rows = report.rto.phases.iter().map(|phase| {
        let counts = if phase.counts { "yes" } else { "no" };
        let time = units::seconds(phase.seconds);
        format!("<tr><td>{}</td><td class=\"n\">{time}</td><td>{counts}</td></tr>\n", escaped(&phase.name))
    });
    let head = "<tr><th>Phase</th><th class=\"n\">Time</th><th>Part of the RTO</th></tr>";
    let table = table(head, &rows.collect::<String>());
    section("Time until the database can be used", &format!("{}{table}", chart::phases(&report.rto)))
}

fn checks(report: &DrillReport) -> String {
    if report.checks.is_empty() {
        return section("Checks", "<p>No check ran.</p>\n");
    }
    section("Checks", &format!("<ul class=\"checks\">\n{}</ul>\n", report.checks.iter().map(check).collect::<String>()))
}

fn check(check: &CheckReport) -> String {
    let outcome = words::outcome(check.outcome);
    let findings: String = check.findings.iter().map(|finding| format!("<li>{}</li>", escaped(finding))).collect();
    let findings = if findings.is_empty() { findings } else { format!("<ul class=\"findings\">{findings}</ul>\n") };
    let proves = if check.outcome == Verdict::Passed { "proves" } else { "would prove" };
    format!(
        "<li class=\"{outcome}\"><span class=\"badge\">{outcome}</span> <strong>{}</strong> <span class=\"n\">{}</span>\n\
         <p>{}</p>\n<p class=\"quiet\">{proves} that {}</p>\n{findings}</li>\n",
        escaped(&check.name),
        units::seconds(check.seconds),
        escaped(&check.summary),
        escaped(&check.proves),
    )
}

fn proven(report: &DrillReport) -> String {
    let not = report.not_proven.iter();
    let not = not.map(|missing| format!("<strong>{}</strong>: {}", escaped(&missing.what), escaped(&missing.why)));
    let proven = list("Proven", report.proven.iter().map(|sentence| escaped(sentence)));
    format!("<div class=\"pair\">\n{proven}{}</div>\n", list("Not proven", not))
}

fn tables(report: &DrillReport) -> String {
    let rows: String = report.tables.iter().map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = "<tr><th>Table</th><th class=\"n\">Rows</th><th class=\"n\">Bytes</th><th class=\"n\">Compressed</th>\
                <th>Proven</th></tr>";
    let table = table(head, &rows);
    let count = units::counted(report.tables.len() as u64, "table");
    if report.tables.len() <= TABLES_SHOWN {
        return section("Tables", &table);
    }
    section("Tables", &format!("<details><summary>{count}</summary>\n{table}</details>\n"))
}

fn row(table: &TableReport) -> String {
    let TableReport { schema, name, rows, bytes, compressed_bytes, proven } = table;
    let compressed = if *compressed_bytes == 0 {
        "-".to_owned()
    } else {
        format!("{} ({:.1}×)", units::size(*compressed_bytes), *bytes as f64 / *compressed_bytes as f64)
    };
    let (class, proven) = if *proven { ("passed", "yes") } else { ("quiet", "no") };
    format!(
        "<tr><td>{}.{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{compressed}</td>\
         <td class=\"{class}\">{proven}</td></tr>\n",
        escaped(schema),
        escaped(name),
        units::count(*rows),
        units::size(*bytes),
    )
}

fn list(title: &str, items: impl Iterator<Item = String>) -> String {
    let items: String = items.map(|item| format!("<li>{item}</li>\n")).collect();
    if items.is_empty() { items } else { section(title, &format!("<ul>\n{items}</ul>\n")) }
}

/// A table that scrolls by itself where the window is too narrow for it.
fn table(head: &str, rows: &str) -> String {
    format!("<div class=\"wide\"><table>\n<thead>{head}</thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n")
}

fn section(title: &str, content: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n{content}</section>\n")
}

/// Text that stands in HTML, in an attribute as well.
fn escaped(text: &str) -> String {
    escape::escaped(text, '\u{fffd}', |char| if char == '\n' { Some("<br>") } else { escape::quote(char) })
}

const STYLE: &str = include_str!("style.css");
const TABLES_SHOWN: usize = 40;
