//! What a drill found out: the document that is stored, and every form it is printed in.
//!
//! Invariant: a report says what was proven and what was not, and why; every form of it says the same.

mod escape;
mod html;
mod junit;
mod markdown;
#[cfg(test)]
pub(crate) mod schema;
#[cfg(test)]
pub(crate) mod tests;
mod text;
mod words;

use jiff::Timestamp;
use lifeboat_core::drill::{DrillStart, Proven, Verdict};
use lifeboat_core::manifest::refuse_other_formats;
use lifeboat_core::{BackupId, DrillId, Error, Kind, Name, Result, ResultExt, RunId};
use serde::{Deserialize, Serialize};

pub use html::html;
pub use junit::junit;
pub use markdown::markdown;
pub use text::text;

/// The report of one drill, as `report.json` stores it (`docs/format.md`, section 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DrillReport {
    /// Version of the archive format.
    pub format: u32,
    /// What ran.
    pub tool: String,
    /// The drill.
    #[cfg_attr(test, schemars(with = "schema::Id"))]
    pub drill: DrillId,
    /// Groups the drills of one run.
    #[cfg_attr(test, schemars(with = "schema::Id"))]
    pub run: RunId,
    /// The database, as the store names it.
    #[cfg_attr(test, schemars(with = "schema::NameText"))]
    pub database: Name,
    /// The machine it ran on.
    pub host: String,
    /// When it began.
    #[cfg_attr(test, schemars(with = "schema::Time"))]
    pub started: Timestamp,
    /// When it ended, cleaned up.
    #[cfg_attr(test, schemars(with = "schema::Time"))]
    pub finished: Timestamp,
    /// What was found out.
    #[cfg_attr(test, schemars(with = "schema::VerdictText"))]
    pub verdict: Verdict,
    /// Why it did not pass, a line each; empty when it passed.
    pub reasons: Vec<String>,
    /// What kind of error ended it, as [`lifeboat_core::Kind::name`] spells it.
    pub error_kind: Option<String>,
    /// The backup that was drilled; `None` when none was opened.
    pub backup: Option<DrilledBackup>,
    /// The backup that was found and not opened; the reasons say why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_opened: Option<FoundBackup>,
    /// Where it was restored.
    pub scratch: Option<ScratchFacts>,
    /// How long it took.
    pub rto: Rto,
    /// How much would have been lost; `None` without a backup.
    pub rpo: Option<Rpo>,
    /// Every check that ran, in its order.
    pub checks: Vec<CheckReport>,
    /// How much of the rows was compared with their fingerprints.
    #[cfg_attr(test, schemars(with = "schema::ProvenText"))]
    pub rows_proven: Proven,
    /// What this drill proved, a sentence each.
    pub proven: Vec<String>,
    /// What it did not prove, and why.
    pub not_proven: Vec<NotProven>,
    /// Every table of the backup.
    pub tables: Vec<TableReport>,
    /// What the operator should know besides.
    pub warnings: Vec<String>,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CheckReport {
    /// Its name: `rows`, `catalog`, `assert orders-are-recent`.
    pub name: String,
    /// What it proves when it passes, as a clause: "every row of every table is the one that was dumped".
    pub proves: String,
    /// How it ended.
    #[cfg_attr(test, schemars(with = "schema::VerdictText"))]
    pub outcome: Verdict,
    /// Whether passing proves data: a drill that passed no such check does not pass.
    pub proves_data: bool,
    /// One line: "40,500 rows of 4 tables", or why not.
    pub summary: String,
    /// What it found, a line each; at most 100 and then a line that says how many more.
    pub findings: Vec<String>,
    /// How long it took.
    pub seconds: f64,
}

impl DrillReport {
    /// The exit code that the binary's contract gives for this end.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.error_kind.as_deref() {
            Some(kind) if kind == Kind::Cancelled.name() => Kind::Cancelled.exit_code(),
            _ => self.verdict.exit_code(),
        }
    }

    /// The record of its begin.
    #[must_use]
    pub fn start(&self) -> DrillStart {
        DrillStart {
            format: self.format,
            tool: self.tool.clone(),
            drill: self.drill.clone(),
            run: self.run.clone(),
            database: self.database.clone(),
            started: self.started,
        }
    }

    /// Class and id of the backup that it is about, opened or not.
    #[must_use]
    pub fn named_backup(&self) -> Option<(&Name, &BackupId)> {
        let opened = self.backup.as_ref().map(|backup| (&backup.class, &backup.id));
        opened.or_else(|| self.not_opened.as_ref().map(|backup| (&backup.class, &backup.id)))
    }

    /// Whether it came to comparing rows.
    #[must_use]
    pub(crate) fn compared_rows(&self) -> bool {
        self.checks.iter().any(|check| check.name == "rows")
    }

    /// The document that is stored.
    ///
    /// # Errors
    /// [`Kind::Failure`]; no report is known that has it.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut json =
            serde_json::to_vec_pretty(self).kind_of(Kind::Failure, || "write the report of a drill".into())?;
        json.push(b'\n');
        Ok(json)
    }

    /// Reads the document that is stored for this drill.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it is no report, or another drill's; [`Kind::Config`] when its format is newer than this release reads.
    pub fn parse(json: &[u8], database: &Name, drill: &DrillId) -> Result<Self> {
        refuse_other_formats(json)?;
        let report: Self = serde_json::from_slice(json)
            .kind_of(Kind::Integrity, || format!("read the report of the drill {database}/{drill}"))?;
        if report.database == *database && report.drill == *drill {
            return Ok(report);
        }
        let doing = format!("trust the report: it is of {}/{}, and lies elsewhere", report.database, report.drill);
        Err(Error::new(Kind::Integrity, doing))
    }
}

/// What was drilled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DrilledBackup {
    /// The backup.
    #[cfg_attr(test, schemars(with = "schema::Id"))]
    pub id: BackupId,
    /// Its class.
    #[cfg_attr(test, schemars(with = "schema::NameText"))]
    pub class: Name,
    /// SHA-256 of its `manifest.json`, as 64 hexadecimal digits.
    #[cfg_attr(test, schemars(with = "schema::Sha256"))]
    pub manifest_sha256: String,
    /// Dump method.
    pub method: String,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Version of the server it was taken from.
    pub server_version: Option<String>,
    /// When its snapshot was taken.
    #[cfg_attr(test, schemars(with = "Option<schema::Time>"))]
    pub snapshot: Option<Timestamp>,
    /// Bytes in the store.
    pub stored_bytes: u64,
    /// SQL bytes.
    pub sql_bytes: u64,
    /// What the database took at the source.
    pub database_bytes: Option<u64>,
    /// Rows.
    pub rows: u64,
}

/// A backup of which nothing but its name is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FoundBackup {
    /// The backup.
    #[cfg_attr(test, schemars(with = "schema::Id"))]
    pub id: BackupId,
    /// Its class.
    #[cfg_attr(test, schemars(with = "schema::NameText"))]
    pub class: Name,
}

/// Where a backup was restored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScratchFacts {
    /// `cluster`, `server` or `command`.
    pub kind: String,
    /// Version of the server.
    pub server_version: String,
    /// What else is worth knowing: durable settings, who ran it.
    pub notes: Vec<String>,
}

/// How long it took until the database could be used, and what that was spent on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rto {
    /// Seconds from the drill's begin until the database could be used; `None` when it never could.
    pub seconds: Option<f64>,
    /// What the configuration allows, in seconds.
    pub target_seconds: Option<f64>,
    /// Every phase in its order, those after the database could be used as well.
    pub phases: Vec<Phase>,
}

impl Rto {
    /// Whether it was as quick as the configuration asks; `None` where it asks for nothing, or it never came to that.
    #[must_use]
    pub fn met(&self) -> Option<bool> {
        Some(self.seconds? <= self.target_seconds?)
    }
}

/// A phase of a drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Phase {
    /// `find`, `scratch`, `restore`, `checks`, `assertions`, `smoke` or `clean up`.
    pub name: String,
    /// Seconds.
    pub seconds: f64,
    /// Whether it counts towards the time until the database can be used.
    pub counts: bool,
}

/// How much would have been lost, had the database been lost when the drill began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Rpo {
    /// Seconds from the snapshot to the drill's begin.
    pub seconds: f64,
    /// What the configuration allows, in seconds.
    pub target_seconds: Option<f64>,
}

/// Something that a drill did not find out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NotProven {
    /// What.
    pub what: String,
    /// Why not.
    pub why: String,
}

/// One table of the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TableReport {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Rows in the backup.
    pub rows: u64,
    /// Bytes of its rows in the backup.
    pub bytes: u64,
    /// Bytes of its rows after compression.
    pub compressed_bytes: u64,
    /// Whether this drill compared all its rows with their fingerprint, and they agreed.
    pub proven: bool,
}
