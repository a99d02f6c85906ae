//! Run records: that a run began, and how it ended, as two objects, so that a key that may only write suffices.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{BackupId, Name, RunId};

/// Written before anything else: a start without an end is a run that was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStart {
    /// Version of the archive format.
    pub format: u32,
    /// What ran.
    pub tool: String,
    /// The run.
    pub run: RunId,
    /// When it began.
    pub started: Timestamp,
    /// The databases it was to back up.
    pub databases: Vec<Name>,
}

/// Written last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// What began.
    #[serde(flatten)]
    pub start: RunStart,
    /// When it ended.
    pub finished: Timestamp,
    /// The exit code that the binary's contract gives for this end.
    pub exit_code: u8,
    /// What became of each database.
    pub results: Vec<DatabaseResult>,
}

/// What became of one database in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseResult {
    /// The database.
    pub database: Name,
    /// The backup, when one was committed.
    pub backup: Option<BackupId>,
    /// Its stored bytes.
    pub stored_bytes: u64,
    /// What the operator does next, when none was.
    pub error_kind: Option<String>,
    /// Why none was, as one line; kept apart, and sealed, where encryption is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a run's errors say, for they may repeat what is in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDetails {
    /// Version of the archive format.
    pub format: u32,
    /// Those that failed.
    pub errors: Vec<DatabaseError>,
}

/// Why a database was not backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseError {
    /// The database.
    pub database: Name,
    /// Why, as one line.
    pub error: String,
}

impl RunEnd {
    /// Takes the errors' texts out of the record.
    pub fn take_errors(&mut self) -> RunDetails {
        let errors = self.results.iter_mut().filter_map(|result| {
            Some(DatabaseError { database: result.database.clone(), error: result.error.take()? })
        });
        RunDetails { format: crate::FORMAT, errors: errors.collect() }
    }
}
