//! What a drill has found out so far; in the end, its report.

use jiff::Timestamp;
use lifeboat_backup::RestoreSummary;
use lifeboat_backup::archive::{Archive, Chosen};
use lifeboat_core::drill::{DrillStart, Proven, Verdict};
use lifeboat_core::{Error, Job};

use crate::check::Checked;
use crate::options::DrillOptions;
use crate::report::{
    CheckReport, DrillReport, DrilledBackup, FoundBackup, NotProven, Rpo, Rto, ScratchFacts, TableReport,
};
use crate::stopwatch::Stopwatch;
use crate::verdict::{self, Stage};

/// What ended a drill before its checks were through, and where.
pub(crate) type Ended = Result<(), (Stage, Error)>;

/// Filled step by step, so that a drill that ends early still tells what it knows.
pub(crate) struct Findings {
    /// Phases.
    pub(crate) watch: Stopwatch,
    backup: Option<DrilledBackup>,
    not_opened: Option<FoundBackup>,
    /// Where the backup was restored.
    pub(crate) scratch: Option<ScratchFacts>,
    usable_after: Option<f64>,
    checks: Vec<CheckReport>,
    tables: Vec<TableReport>,
    rows_proven: Proven,
    proven: Vec<String>,
    not_proven: Vec<NotProven>,
    warnings: Vec<String>,
}

impl Findings {
    /// Nothing yet; time runs from now on.
    pub(crate) fn start() -> Self {
        Self {
            watch: Stopwatch::start(),
            backup: None,
            not_opened: None,
            scratch: None,
            usable_after: None,
            checks: Vec::new(),
            tables: Vec::new(),
            rows_proven: Proven::None,
            proven: Vec::new(),
            not_proven: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The backup was found, and is still to be opened.
    pub(crate) fn found(&mut self, chosen: &Chosen) {
        self.not_opened = Some(FoundBackup { id: chosen.path.id.clone(), class: chosen.path.class.clone() });
    }

    /// The backup was opened: its manifest and index are proven.
    pub(crate) fn opened(&mut self, archive: &Archive) {
        self.not_opened = None;
        let (manifest, source) = (&archive.manifest, archive.index.source.as_ref());
        self.backup = Some(DrilledBackup {
            id: archive.path.id.clone(),
            class: archive.path.class.clone(),
            manifest_sha256: archive.manifest_sha256.to_string(),
            method: manifest.method.name().to_owned(),
            encrypted: manifest.is_encrypted(),
            server_version: source
                .map(|source| source.server_version.clone())
                .or_else(|| archive.index.dumped_from.as_ref().and_then(|from| from.server_version.clone())),
            snapshot: Some(source.map_or(manifest.snapshot, |source| source.snapshot_at)),
            stored_bytes: manifest.stored_bytes(),
            sql_bytes: archive.index.script_bytes,
            database_bytes: source.map(|source| source.size_bytes),
            rows: archive.index.rows(),
        });
    }

    /// The database is restored: from now on it could be used.
    pub(crate) fn usable(&mut self, restored: &RestoreSummary) {
        self.usable_after = Some(self.watch.seconds());
        self.warnings.extend(restored.warnings.iter().cloned());
    }

    /// Whether what was restored is what was backed up.
    pub(crate) fn checked(&mut self, checked: Checked) {
        self.checks.extend(checked.reports);
        self.proven.extend(checked.proven);
        self.tables = checked.tables;
        self.rows_proven = checked.rows_proven;
        self.not_proven.extend(checked.not_proven);
    }

    /// What the operator's own assertions and program say.
    pub(crate) fn add(&mut self, reports: impl IntoIterator<Item = CheckReport>) {
        for report in reports {
            if report.outcome == Verdict::Passed {
                self.proven.push(report.proves.clone());
            }
            self.checks.push(report);
        }
    }

    /// Something that does not change the verdict, told at once as well.
    pub(crate) fn warn(&mut self, text: String, job: &Job) {
        job.warn(&text);
        self.warnings.push(text);
    }

    /// What this drill could not look at, and why.
    pub(crate) fn leave_open(&mut self, what: &str, error: &Error) {
        self.not_proven.push(NotProven { what: what.to_owned(), why: error.chain() });
    }

    /// The report.
    pub(crate) fn report(mut self, start: DrillStart, ended: &Ended, options: &DrillOptions) -> DrillReport {
        let rto = Rto {
            seconds: self.usable_after,
            target_seconds: options.rto.map(|limit| limit.as_secs_f64()),
            phases: self.watch.phases(),
        };
        self.add(check_rto(&rto));
        let error = ended.as_ref().err().map(|(stage, error)| verdict::of_error(*stage, error));
        let (verdict, reasons) = verdict::of(verdict::of_checks(&self.checks), error);
        DrillReport {
            format: start.format,
            tool: start.tool,
            drill: start.drill,
            run: start.run,
            database: start.database,
            host: options.host.clone(),
            started: start.started,
            finished: options.clock.now(),
            verdict,
            reasons,
            error_kind: ended.as_ref().err().map(|(_, error)| error.kind().name().to_owned()),
            rpo: rpo(self.backup.as_ref(), start.started, options),
            backup: self.backup,
            not_opened: self.not_opened,
            scratch: self.scratch,
            rto,
            rows_proven: self.rows_proven,
            proven: self.proven,
            checks: self.checks,
            not_proven: self.not_proven,
            tables: self.tables,
            warnings: self.warnings,
        }
    }
}

fn rpo(backup: Option<&DrilledBackup>, now: Timestamp, options: &DrillOptions) -> Option<Rpo> {
    let snapshot = backup?.snapshot?;
    let seconds = now.duration_since(snapshot).as_secs_f64().max(0.0);
    Some(Rpo { seconds, target_seconds: options.checks.rpo.map(|limit| limit.as_secs_f64()) })
}

/// Whether the database could be used in time, where the operator says when that is.
fn check_rto(rto: &Rto) -> Option<CheckReport> {
    let (seconds, target) = (rto.seconds?, rto.target_seconds?);
    Some(CheckReport {
        name: "rto".to_owned(),
        proves: format!("the database can be used within {target:.0} s"),
        outcome: if seconds <= target { Verdict::Passed } else { Verdict::Failed },
        proves_data: false,
        summary: match seconds <= target {
            true => format!("it could be used after {seconds:.1} s"),
            false => format!("it could be used after {seconds:.1} s, and {target:.0} s are allowed: {QUICKER}"),
        },
        findings: Vec::new(),
        seconds: 0.0,
    })
}

const QUICKER: &str =
    "the phases say where they went; more `jobs`, a nearer store and a faster disk help, or a longer `rto`";
