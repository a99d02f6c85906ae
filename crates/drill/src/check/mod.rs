//! The checks: each a small thing with a name, what it proves, and an outcome.
//!
//! Invariant: a check that could not find out says so; it never passes.

use serde::{Deserialize, Serialize};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It says yes.
    Passed,
    /// It says no.
    Failed,
    /// It could not find out.
    Inconclusive,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckReport {
    /// Its name: `rows`, `catalog`, `assert orders-are-recent`.
    pub name: String,
    /// What it proves when it passes, as a clause: "every row of every table is the one that was dumped".
    pub proves: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether passing proves data: a drill that passed no such check does not pass.
    pub proves_data: bool,
    /// One line: "40,500 rows of 4 tables", or why not.
    pub summary: String,
    /// What it found, a line each; at most 100 and then a line that says how many more.
    pub findings: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}
