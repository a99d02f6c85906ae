//! The report as JUnit XML: a test case for the restore, and one for each check.

use lifeboat_core::drill::Verdict;

use super::text::text;
use super::{DrillReport, escape, words};

/// A line of the suite.
struct Case<'a> {
    name: &'a str,
    seconds: f64,
    outcome: Verdict,
    message: &'a str,
    lines: Vec<String>,
}

/// The report as JUnit XML. What failed is a failure, and what could not be found out an error: neither counts as a success, and
/// no suite is green whose drill did not pass.
#[must_use]
pub fn junit(report: &DrillReport) -> String {
    let cases = cases(report);
    let count = |outcome| cases.iter().filter(|case| case.outcome == outcome).count();
    let seconds = (report.finished.as_millisecond() - report.started.as_millisecond()).max(0) as f64 / 1000.0;
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite id=\"0\" package=\"lifeboat.drill\" \
         name=\"{}\" timestamp=\"{}\" hostname=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{seconds:.3}\">\n",
        escaped(report.database.as_str()),
        report.started.strftime("%Y-%m-%dT%H:%M:%S"),
        escaped(&report.host),
        cases.len(),
        count(Verdict::Failed),
        count(Verdict::Inconclusive),
    );
    xml += "    <properties>\n";
    let verdict = [("Verdict", report.verdict.name().to_owned())];
    for (name, value) in verdict.into_iter().chain(words::head(report)) {
        xml += &format!("      <property name=\"{name}\" value=\"{}\"/>\n", escaped(&value));
    }
    xml += "    </properties>\n";
    let class = format!("lifeboat.drill.{}", report.database);
    xml.extend(cases.iter().map(|case| element(case, &class)));
    xml += &format!("    <system-out>{}</system-out>\n    <system-err></system-err>\n", escaped(&text(report)));
    xml += "  </testsuite>\n</testsuites>\n";
    xml
}

fn cases(report: &DrillReport) -> Vec<Case<'_>> {
    let not_passed = match report.verdict {
        Verdict::Failed => Verdict::Failed,
        Verdict::Passed | Verdict::Inconclusive => Verdict::Inconclusive,
    };
    let restored = report.rto.seconds.is_some();
    let message = report.reasons.first().map_or("the database never could be used", String::as_str);
    let mut cases = vec![Case {
        name: "restore",
        seconds: report.rto.phases.iter().filter(|phase| phase.counts).map(|phase| phase.seconds).sum(),
        outcome: if restored { Verdict::Passed } else { not_passed },
        message: if restored { "" } else { message },
        lines: if restored { Vec::new() } else { report.reasons.clone() },
    }];
    cases.extend(report.checks.iter().map(|check| Case {
        name: &check.name,
        seconds: check.seconds,
        outcome: check.outcome,
        message: &check.summary,
        lines: check.findings.clone(),
    }));
    if report.verdict != Verdict::Passed && cases.iter().all(|case| case.outcome == Verdict::Passed) {
        let message = report.reasons.first().map_or("the drill did not pass", String::as_str);
        let lines = report.reasons.clone();
        cases.push(Case { name: "verdict", seconds: 0.0, outcome: not_passed, message, lines });
    }
    cases
}

fn element(case: &Case<'_>, class: &str) -> String {
    let open = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
        escaped(class),
        escaped(case.name),
        case.seconds.max(0.0)
    );
    let element = match case.outcome {
        Verdict::Passed => return format!("{open}/>\n"),
        Verdict::Failed => "failure",
        Verdict::Inconclusive => "error",
    };
    let (message, lines) = (escaped(case.message), escaped(&case.lines.join("\n")));
    let kind = words::outcome(case.outcome);
    format!("{open}>\n      <{element} message=\"{message}\" type=\"{kind}\">{lines}</{element}>\n    </testcase>\n")
}

/// Text that stands in XML 1.0, in an attribute as well: what may not stand there at all is replaced.
pub(super) fn escaped(text: &str) -> String {
    escape::escaped(text, '\u{fffd}', |char| match char {
        '\n' => Some("&#10;"),
        '\t' => Some("&#9;"),
        '\u{fffe}' | '\u{ffff}' => Some("\u{fffd}"),
        _ => escape::quote(char),
    })
}
