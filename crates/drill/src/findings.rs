//! What a drill has found out so far; in the end, its report.

use lifeboat_backup::RestoreSummary;
use lifeboat_backup::archive::Archive;
use lifeboat_core::drill::{DrillStart, Proven, Verdict};
use lifeboat_core::{Error, Job};

use crate::check::{CheckReport, Checked, Outcome};
use crate::drill::Ended;
use crate::options::DrillOptions;
use crate::report::{DrillReport, DrilledBackup, NotProven, Rpo, Rto, ScratchFacts};
use crate::stopwatch::Stopwatch;
use crate::verdict;

/// Filled step by step, so that a drill that ends early still tells what it knows.
pub(crate) struct Findings {
    /// Phases.
    pub(crate) watch: Stopwatch,
    backup: Option<DrilledBackup>,
    /// Where the backup was restored.
    pub(crate) scratch: Option<ScratchFacts>,
    usable_after: Option<f64>,
    ranges: Option<CheckReport>,
    /// What the checks found.
    pub(crate) checked: Checked,
    not_proven: Vec<NotProven>,
    warnings: Vec<String>,
}

impl Findings {
    /// Nothing yet; time runs from now on.
    pub(crate) fn start() -> Self {
        Self {
            watch: Stopwatch::start(),
            backup: None,
            scratch: None,
            usable_after: None,
            ranges: None,
            checked: Checked::default(),
            not_proven: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The backup was found, and its manifest and index are proven.
    pub(crate) fn found(&mut self, archive: &Archive) {
        let (manifest, source) = (&archive.manifest, archive.index.source.as_ref());
        let objects = manifest.script.iter().chain(&manifest.attachments);
        self.backup = Some(DrilledBackup {
            id: archive.path.id.clone(),
            class: archive.path.class.clone(),
            manifest_sha256: archive.manifest_sha256.to_string(),
            method: manifest.method.to_string(),
            encrypted: manifest.is_encrypted(),
            server_version: source.map(|source| source.server_version.clone()),
            snapshot: source.map(|source| source.snapshot_at).or(manifest.snapshot),
            stored_bytes: objects.map(|object| object.length).sum(),
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
    pub(crate) fn report(self, start: DrillStart, ended: Ended, options: &DrillOptions) -> DrillReport {
        let Checked { mut reports, tables, rows_proven, proven, not_proven } = self.checked;
        let rto = Rto {
            seconds: self.usable_after,
            target_seconds: options.rto.map(|limit| limit.as_secs_f64()),
            phases: self.watch.into_phases(),
        };
        reports.extend(check_rto(&rto));
        let (verdict, reasons, error_kind) = match &ended {
            Ok(()) => {
                let (verdict, reasons) = verdict::of_checks(&reports);
                (verdict, reasons, None)
            }
            Err((stage, error)) => {
                let (verdict, reason) = verdict::of_error(*stage, error);
                (verdict, vec![reason], Some(error.kind().name().to_owned()))
            }
        };
        let age = |snapshot: jiff::Timestamp| start.started.duration_since(snapshot).as_secs_f64().max(0.0);
        let rpo = self.backup.as_ref().and_then(|backup| backup.snapshot).map(|snapshot| Rpo {
            seconds: age(snapshot),
            target_seconds: options.checks.rpo.map(|limit| limit.as_secs_f64()),
        });
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
            error_kind,
            backup: self.backup,
            scratch: self.scratch,
            rto,
            rpo,
            checks: reports,
            rows_proven,
            proven,
            not_proven: self.not_proven.into_iter().chain(not_proven).collect(),
            tables,
            warnings: self.warnings,
        }
    }
}

/// Whether the database could be used in time, where the operator says when that is.
fn check_rto(rto: &Rto) -> Option<CheckReport> {
    let (seconds, target) = (rto.seconds?, rto.target_seconds?);
    Some(CheckReport {
        name: "rto".to_owned(),
        proves: format!("the database can be used within {target:.0} s"),
        outcome: if seconds <= target { Outcome::Passed } else { Outcome::Failed },
        proves_data: false,
        summary: format!("it could be used after {seconds:.1} s"),
        findings: Vec::new(),
        seconds: 0.0,
    })
}
