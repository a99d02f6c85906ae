//! Drill records: that a drill began, and how it ended, as two objects that tell nothing about the data.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{BackupId, DrillId, Name, RunId};

/// What a drill found out about a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It restored, data was proven, and no check said no.
    Passed,
    /// It did not restore, or a check said no.
    Failed,
    /// Something that is not the backup kept the drill from finding out.
    Inconclusive,
}

impl Verdict {
    /// The exit code of a program that ends with this verdict.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 31,
            Self::Inconclusive => 32,
        }
    }

    /// The verdict as JSON and people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// How much of the rows a drill compared with their fingerprints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proven {
    /// Those of every table.
    All,
    /// Those of some tables.
    Part,
    /// None.
    None,
}

impl Proven {
    /// As JSON and people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Part => "part",
            Self::None => "none",
        }
    }
}

/// Written before anything else: a start without an end is a drill that was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillStart {
    /// Version of the archive format.
    pub format: u32,
    /// What ran.
    pub tool: String,
    /// The drill.
    pub drill: DrillId,
    /// Groups the drills of one run.
    pub run: RunId,
    /// The database, as the store names it.
    pub database: Name,
    /// When it began.
    pub started: Timestamp,
}

/// Written last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrillEnd {
    /// What began.
    #[serde(flatten)]
    pub start: DrillStart,
    /// When it ended.
    pub finished: Timestamp,
    /// Class of the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Name>,
    /// The backup, when one was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupId>,
    /// What was found out.
    pub verdict: Verdict,
    /// The exit code that the binary's contract gives for this end.
    pub exit_code: u8,
    /// What the operator does next, when it did not pass because of an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<String>,
    /// How much of the rows was proven.
    pub proven: Proven,
    /// Seconds until the database could be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rto_seconds: Option<f64>,
    /// Stored bytes of the backup.
    pub stored_bytes: u64,
    /// SQL bytes of the backup.
    pub sql_bytes: u64,
    /// Rows of the backup.
    pub rows: u64,
}

impl DrillEnd {
    /// The backup whose sizes the record has; one that was found and not opened has none.
    #[must_use]
    pub fn opened_backup(&self) -> Option<&BackupId> {
        self.backup.as_ref().filter(|_| self.stored_bytes > 0)
    }
}
