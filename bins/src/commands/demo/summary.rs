//! What the demo shows at its end.

use std::time::Duration;

use lifeboat_backup::BackupSummary;
use lifeboat_backup::archive::VerifySummary;
use lifeboat_drill::{DrillReport, report};

use super::compare::Compared;
use crate::output::table::{Align, facts, render};
use crate::output::units;

/// Everything the demo found out.
pub(super) struct Findings {
    /// The store's address.
    pub(super) store: String,
    /// The backup.
    pub(super) backup: BackupSummary,
    /// Its verification.
    pub(super) verified: VerifySummary,
    /// The comparison.
    pub(super) compared: Vec<Compared>,
    /// The drill's report.
    pub(super) drill: DrillReport,
    /// How long each step took.
    pub(super) times: Vec<(&'static str, Duration)>,
}

impl Findings {
    /// Whether every row came back, and none besides.
    pub(super) fn is_equal(&self) -> bool {
        !self.compared.is_empty() && self.compared.iter().all(Compared::is_equal)
    }

    /// The findings as text.
    pub(super) fn render(&self, colour: bool) -> String {
        [self.numbers(), self.tables(), report::text(&self.drill), self.verdict(colour), self.next_steps()].join("\n")
    }

    fn numbers(&self) -> String {
        let ratio = self.backup.sql_bytes as f64 / self.backup.stored_bytes.max(1) as f64;
        let (sql, stored) = (units::size(self.backup.sql_bytes), units::size(self.backup.stored_bytes));
        let mut lines = vec![
            ("backup", format!("{}/{}", self.backup.database, self.backup.id)),
            ("store", self.store.clone()),
            ("size", format!("{sql} of SQL, {stored} stored: {ratio:.1} times smaller")),
            (
                "proven",
                format!(
                    "{}, every byte; {} against their fingerprints",
                    units::counted(self.verified.objects as u64, "object"),
                    units::counted(self.verified.rows.unwrap_or_default(), "row")
                ),
            ),
        ];
        lines.extend(self.times.iter().map(|(step, time)| (*step, units::duration(*time))));
        facts(&lines)
    }

    fn tables(&self) -> String {
        let head = [("TABLE", Align::Left), ("ROWS", Align::Right), ("CAME BACK", Align::Right), ("", Align::Left)];
        let row = |compared: &Compared| {
            let verdict = if compared.is_equal() { "equal" } else { "DIFFERENT" };
            vec![compared.table.clone(), units::count(compared.rows), units::count(compared.equal), verdict.to_owned()]
        };
        render(&head, &self.compared.iter().map(row).collect::<Vec<_>>())
    }

    fn verdict(&self, colour: bool) -> String {
        let (green, red, plain) = if colour { ("\x1b[1;32m", "\x1b[1;31m", "\x1b[0m") } else { ("", "", "") };
        let rows: u64 = self.compared.iter().map(|compared| compared.rows).sum();
        match self.is_equal() {
            true => {
                format!("{green}All {} rows of {} tables came back.{plain}\n", units::count(rows), self.compared.len())
            }
            false => format!("{red}The restored database differs from the original.{plain}\n"),
        }
    }

    fn next_steps(&self) -> String {
        let (store, name) = (&self.store, &self.backup.database);
        format!(
            "Look around:\n  lifeboat list --store {store}\n  lifeboat show {name}/latest --store {store}\n  \
             lifeboat cat {name}/latest --store {store} | less\n  \
             lifeboat drill show {name}/latest --store {store} --form html > drill.html\n\
             Then your own:\n  lifeboat backup --store s3://bucket/prefix --name shop --database-url env:DATABASE_URL\n"
        )
    }
}
