//! What a check has to say, before its name and its time are added.

use std::future::Future;
use std::time::Instant;

use lifeboat_core::{Kind, Result};

use super::{CheckReport, Verdict};

/// A check's name, and what it proves when it passes.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) proves: String,
    pub(super) proves_data: bool,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) outcome: Verdict,
    pub(super) summary: String,
    pub(super) findings: Vec<String>,
}

impl Check {
    pub(super) fn new(name: impl Into<String>, proves: impl Into<String>) -> Self {
        Self { name: name.into(), proves: proves.into(), proves_data: false }
    }

    /// Runs `work` as this check: an error of its is something that could not be found out.
    ///
    /// # Errors
    /// [`Kind::Cancelled`].
    pub(super) async fn run(self, work: impl Future<Output = Result<Said>>) -> Result<CheckReport> {
        let clock = Instant::now();
        let said = match work.await {
            Err(error) if error.kind() == Kind::Cancelled => return Err(error),
            Err(error) => Said::inconclusive(error.chain()),
            Ok(said) => said,
        };
        Ok(self.report(said, clock))
    }

    pub(super) fn report(self, said: Said, clock: Instant) -> CheckReport {
        CheckReport {
            name: self.name,
            proves: self.proves,
            outcome: said.outcome,
            proves_data: self.proves_data,
            summary: said.summary,
            findings: bounded(said.findings),
            seconds: clock.elapsed().as_secs_f64(),
        }
    }
}

impl Said {
    pub(super) fn passed(summary: impl Into<String>) -> Self {
        Self { outcome: Verdict::Passed, summary: summary.into(), findings: Vec::new() }
    }

    pub(super) fn failed(summary: impl Into<String>) -> Self {
        Self { outcome: Verdict::Failed, ..Self::passed(summary) }
    }

    pub(super) fn inconclusive(summary: impl Into<String>) -> Self {
        Self { outcome: Verdict::Inconclusive, ..Self::passed(summary) }
    }

    pub(super) fn with(mut self, findings: impl IntoIterator<Item = String>) -> Self {
        self.findings.extend(findings);
        self
    }
}

/// At most [`FINDINGS`] lines, and how many more there are.
fn bounded(mut findings: Vec<String>) -> Vec<String> {
    let more = findings.len().saturating_sub(FINDINGS);
    findings.truncate(FINDINGS);
    if more > 0 {
        findings.push(format!("and {more} more"));
    }
    findings
}

/// A few of the names, and how many more there are.
pub(super) fn listed<T: AsRef<str>>(names: &[T]) -> String {
    let few: Vec<_> = names.iter().take(NAMES).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(NAMES) {
        0 => few.join(", "),
        more => format!("{} and {more} more", few.join(", ")),
    }
}

/// `12,000 rows`.
pub(super) fn many(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `12,000`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let group = |(place, digit): (usize, char)| {
        let comma = place > 0 && (digits.len() - place).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

/// A text on one line, and not too long.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

/// Characters of a definition or a value that are shown.
const LINE: usize = 240;
const FINDINGS: usize = 100;
const NAMES: usize = 10;

#[cfg(test)]
mod tests {
    use super::{bounded, listed, thousands};

    #[test]
    fn long_lists_are_cut_and_say_so() {
        let lines = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(bounded(lines(100)).len(), 100);
        assert_eq!(bounded(lines(103)).last().unwrap(), "and 3 more");
        assert_eq!(listed(&lines(2)), "0, 1");
        assert!(listed(&lines(12)).ends_with("9 and 2 more"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 12_345_678].map(thousands), ["0", "999", "1,000", "12,345,678"]);
    }
}
