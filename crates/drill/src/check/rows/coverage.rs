//! Which tables a drill compares when it has not the time for all, so that over several drills it is all of them.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use super::super::RowsOptions;
use crate::report::DrillReport;

/// The turns of all tables.
#[derive(Clone, Debug)]
pub(super) struct Coverage {
    turns: Vec<usize>,
    /// After this time no table's turn comes any more.
    pub(super) budget: Option<Duration>,
}

/// The turn of tables that are compared whatever the budget.
pub(super) const ALWAYS: usize = 0;

impl Coverage {
    /// Plans which of the tables of these schemas and names come when, by what earlier drills have proven.
    ///
    /// A drill that did not come to comparing rows does not count. A table that no drill has proven counts as proven by a
    /// drill before the first: there may be many of them, and they are no reason to break the budget of one drill.
    pub(super) fn plan(names: &[(&str, &str)], drills: &[DrillReport], options: RowsOptions) -> Self {
        let RowsOptions { budget, within } = options;
        let mut turns = vec![ALWAYS; names.len()];
        if budget.is_some() {
            let ago = drills_ago(names, drills);
            let may_wait = |table: &usize| within.is_none_or(|within| ago[*table] < within);
            let mut waiting: Vec<_> = (0..names.len()).filter(may_wait).collect();
            waiting.sort_by_key(|table| Reverse(ago[*table]));
            waiting.into_iter().zip(ALWAYS + 1..).for_each(|(table, turn)| turns[table] = turn);
        }
        Self { turns, budget }
    }

    /// When a table's turn comes.
    pub(super) fn turn(&self, table: usize) -> usize {
        self.turns[table]
    }

    /// All tables.
    pub(super) fn all(&self) -> std::ops::Range<usize> {
        0..self.turns.len()
    }
}

/// How many drills ago each table was last proven: 1 is the drill before this one.
fn drills_ago(names: &[(&str, &str)], drills: &[DrillReport]) -> Vec<u32> {
    let mut drills: Vec<_> = drills.iter().filter(|drill| drill.compared_rows()).collect();
    drills.sort_by_key(|drill| Reverse(drill.started));
    let mut last: HashMap<(&str, &str), u32> = HashMap::new();
    for (ago, drill) in (1..).zip(&drills) {
        for table in drill.tables.iter().filter(|table| table.proven) {
            last.entry((&table.schema, &table.name)).or_insert(ago);
        }
    }
    let never = u32::try_from(drills.len()).unwrap_or(u32::MAX).saturating_add(1);
    names.iter().map(|name| last.get(name).copied().unwrap_or(never)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::{CheckReport, RowsOptions, Verdict};
    use super::{ALWAYS, Coverage};
    use crate::report::{DrillReport, TableReport};

    const NAMES: [(&str, &str); 3] = [("public", "a"), ("public", "b"), ("public", "c")];

    /// A drill on this day that proved these tables.
    fn drill(day: usize, proven: &[&str]) -> DrillReport {
        let table = |name: &&str| TableReport {
            schema: "public".into(),
            name: (*name).into(),
            rows: 1,
            bytes: 1,
            compressed_bytes: 1,
            proven: true,
        };
        let rows = CheckReport {
            name: "rows".into(),
            proves: String::new(),
            outcome: Verdict::Passed,
            proves_data: true,
            summary: String::new(),
            findings: Vec::new(),
            seconds: 0.0,
        };
        DrillReport { tables: proven.iter().map(table).collect(), checks: vec![rows], ..empty(day) }
    }

    fn empty(day: usize) -> DrillReport {
        let at = format!("2026-11-{day:02}T02:00:00Z");
        serde_json::from_value(serde_json::json!({
            "format": 1, "tool": "t", "drill": format!("202611{day:02}T020000Z-000000"), "run": "20261101T020000Z-000000",
            "database": "shop", "host": "h", "started": at, "finished": at, "verdict": "passed", "reasons": [],
            "error_kind": null, "backup": null, "scratch": null, "rpo": null,
            "rto": {"seconds": null, "target_seconds": null, "phases": []},
            "checks": [], "rows_proven": "none", "proven": [], "not_proven": [], "tables": [], "warnings": [],
        }))
        .unwrap()
    }

    fn turns(drills: &[DrillReport], within: Option<u32>) -> Vec<usize> {
        let coverage = Coverage::plan(&NAMES, drills, RowsOptions { budget: Some(Duration::ZERO), within });
        coverage.all().map(|table| coverage.turn(table)).collect()
    }

    #[test]
    fn without_a_budget_every_table_is_compared() {
        let options = RowsOptions { budget: None, within: Some(6) };
        let coverage = Coverage::plan(&NAMES, &[drill(1, &["a"])], options);
        assert!(coverage.all().all(|table| coverage.turn(table) == ALWAYS));
    }

    #[test]
    fn tables_come_in_the_order_of_how_long_ago_they_were_proven() {
        let drills = [drill(2, &["b"]), drill(3, &["a"]), drill(1, &["a", "b", "c"])];
        assert_eq!(turns(&drills, None), [3, 2, 1]);
        assert_eq!(turns(&drills[..2], None), [3, 2, 1], "c was never proven");
    }

    #[test]
    fn a_table_that_may_not_be_left_out_again_is_always_compared() {
        let drills = [drill(1, &["a", "b", "c"]), drill(2, &["b"]), drill(3, &["a"])];
        assert_eq!(turns(&drills, Some(3)), [2, 1, ALWAYS]);
        assert_eq!(turns(&drills, Some(2)), [1, ALWAYS, ALWAYS]);
        assert_eq!(turns(&[], Some(2)), [1, 2, 3], "the first drill keeps its budget");
    }

    #[test]
    fn as_many_drills_are_looked_at_as_the_promise_spans() {
        let options = |within| RowsOptions { budget: Some(Duration::ZERO), within };
        assert_eq!(options(Some(40)).reports_wanted(), 40);
        assert_eq!((options(None).reports_wanted(), RowsOptions::default().reports_wanted()), (0, 0));
    }

    #[test]
    fn drills_with_time_for_one_table_prove_all_of_them_in_turn() {
        let mut drills: Vec<DrillReport> = Vec::new();
        for day in 1..=6 {
            let first = turns(&drills, None).iter().position(|turn| *turn == 1).unwrap();
            drills.push(drill(day, &[NAMES[first].1]));
        }
        let count = |name: &str| drills.iter().filter(|drill| drill.tables[0].name == name).count();
        assert_eq!([count("a"), count("b"), count("c")], [2, 2, 2]);
    }

    #[test]
    fn a_drill_that_did_not_come_to_the_rows_does_not_count() {
        let drills = [drill(1, &["a", "b", "c"]), empty(2), empty(3)];
        assert_eq!(turns(&drills, Some(2)), [1, 2, 3]);
    }
}
