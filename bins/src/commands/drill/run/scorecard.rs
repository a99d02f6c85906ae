//! Several drills in one table.

use std::time::Duration;

use lifeboat_drill::DrillReport;

use crate::output::table::{Align, render};
use crate::output::units;

/// A line for each database.
pub(super) fn scorecard(reports: &[DrillReport]) -> String {
    let head = [
        ("DATABASE", Align::Left),
        ("VERDICT", Align::Left),
        ("BACKUP", Align::Left),
        ("ROWS", Align::Right),
        ("RTO", Align::Right),
        ("RPO", Align::Right),
        ("WHY", Align::Left),
    ];
    let dash = || "-".to_owned();
    let seconds = |seconds: f64| units::duration(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let row = |report: &DrillReport| {
        vec![
            report.database.to_string(),
            report.verdict.name().to_owned(),
            report.named_backup().map_or_else(dash, |(_, id)| id.to_string()),
            report.backup.as_ref().map_or_else(dash, |backup| units::count(backup.rows)),
            report.rto.seconds.map_or_else(dash, seconds),
            report.rpo.as_ref().map_or_else(dash, |rpo| seconds(rpo.seconds)),
            report.reasons.first().cloned().unwrap_or_default(),
        ]
    };
    render(&head, &reports.iter().map(row).collect::<Vec<_>>())
}
