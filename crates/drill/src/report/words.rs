//! What every form of a report says, in the same words.

use jiff::Timestamp;
use lifeboat_core::drill::{Proven, Verdict};
use lifeboat_core::{Kind, units};

use super::{DrillReport, DrilledBackup, Rto};

/// Labels and values of the head, in their order.
pub(super) fn head(report: &DrillReport) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("Database", report.database.to_string()),
        ("Drill", format!("{} on {}", report.drill, report.host)),
        ("Began", time(report.started)),
        ("Backup", backup(report)),
    ];
    if let Some(snapshot) = report.backup.as_ref().and_then(|backup| backup.snapshot) {
        lines.push(("Snapshot", time(snapshot)));
    }
    if let Some(scratch) = &report.scratch {
        let notes = scratch.notes.iter().map(|note| format!("; {note}")).collect::<String>();
        lines.push(("Restored into", format!("{}, PostgreSQL {}{notes}", scratch.kind, scratch.server_version)));
    }
    lines.push(("RTO", rto(&report.rto)));
    if report.rpo.is_some() {
        lines.push(("RPO", rpo(report)));
    }
    lines.push(("Rows compared", rows_proven(report)));
    lines
}

fn backup(report: &DrillReport) -> String {
    match (&report.backup, &report.not_opened) {
        (Some(backup), _) => opened(backup),
        (None, Some(found)) => format!("{} ({}) was found, and was not opened", found.id, found.class),
        (None, None) if report.error_kind.as_deref() == Some(Kind::NotFound.name()) => "none was found".to_owned(),
        (None, None) => "not known".to_owned(),
    }
}

fn opened(backup: &DrilledBackup) -> String {
    let encrypted = if backup.encrypted { "encrypted" } else { "not encrypted" };
    format!(
        "{} ({}, {}, {encrypted}): {}, {} of SQL, {} stored",
        backup.id,
        backup.class,
        backup.method,
        units::counted(backup.rows, "row"),
        units::size(backup.sql_bytes),
        units::size(backup.stored_bytes)
    )
}

/// The time until the database could be used, against what is allowed.
pub(super) fn rto(rto: &Rto) -> String {
    match rto.seconds {
        Some(seconds) => against(seconds, rto.target_seconds),
        None => "the database never could be used".to_owned(),
    }
}

/// How much would have been lost, against what is allowed.
pub(super) fn rpo(report: &DrillReport) -> String {
    report.rpo.as_ref().map_or_else(|| "unknown".to_owned(), |rpo| against(rpo.seconds, rpo.target_seconds))
}

fn against(seconds: f64, target: Option<f64>) -> String {
    let measured = units::seconds(seconds);
    match target {
        None => format!("{measured}, no target is set"),
        Some(target) if seconds <= target => format!("{measured}, within the target of {}", units::seconds(target)),
        Some(target) => format!("{measured}, MORE than the target of {}", units::seconds(target)),
    }
}

fn rows_proven(report: &DrillReport) -> String {
    let proven = report.tables.iter().filter(|table| table.proven).count() as u64;
    let total = units::counted(report.tables.len() as u64, "table");
    match report.rows_proven {
        Proven::All => format!("all, of {total}"),
        Proven::Part => format!("those of {} of {total}", units::count(proven)),
        Proven::None => "none".to_owned(),
    }
}

/// How a check ended.
pub(super) fn outcome(outcome: Verdict) -> &'static str {
    match outcome {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// A moment, as people read it.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
