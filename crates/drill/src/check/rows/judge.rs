//! What the comparison of all tables says.

use std::collections::BTreeMap;

use lifeboat_core::codec::Fingerprint;
use lifeboat_core::drill::Proven;
use lifeboat_core::index::Relation;

use super::super::said::{Said, listed, many};
use super::super::{Checked, Verdict};
use super::difference::describe;
use super::queue::Ended;

/// Notes in `checked` which tables are proven and what is not, and says it.
///
/// Rows that were printed `by_others` under settings that nobody recorded may read otherwise and be the same.
pub(super) fn judge(
    relations: &[Relation],
    ended: &BTreeMap<usize, Ended>,
    by_others: bool,
    checked: &mut Checked,
) -> Said {
    let mut found = Found { by_others, ..Found::default() };
    for (position, relation) in relations.iter().enumerate() {
        let name = format!("{}.{}", relation.schema, relation.name);
        let proven = found.add(name, relation.fingerprint, ended.get(&position).unwrap_or(&Ended::Left));
        checked.tables[position].proven = proven;
    }
    checked.rows_proven = match found.proven {
        0 => Proven::None,
        all if all == relations.len() => Proven::All,
        _ => Proven::Part,
    };
    for name in &found.counted {
        checked.leave_open(format!("the text of the rows of {name}"), PRINTED_BY_OTHERS);
    }
    for (name, why) in &found.unknown {
        checked.leave_open(format!("the rows of {name}"), why.clone());
    }
    if !found.left.is_empty() {
        checked.leave_open(format!("the rows of {}", found.left.join(", ")), BUDGET_SPENT);
    }
    found.said(relations.len())
}

#[derive(Default)]
struct Found {
    by_others: bool,
    proven: usize,
    rows: u64,
    /// Those of which the number of rows agrees and no more.
    counted: Vec<String>,
    differ: Vec<String>,
    unknown: Vec<(String, String)>,
    left: Vec<String>,
}

impl Found {
    /// Takes up how one table ended; whether it is proven.
    fn add(&mut self, name: String, dumped: Fingerprint, ended: &Ended) -> bool {
        let differs = match ended {
            Ended::Read(found) if self.by_others && found.rows == dumped.rows && *found != dumped => {
                self.counted.push(name);
                return false;
            }
            Ended::Read(found) => describe(dumped, *found),
            Ended::Differs(how) => Some(how.clone()),
            Ended::Unknown(why) => {
                self.unknown.push((name, why.clone()));
                return false;
            }
            Ended::Left => {
                self.left.push(name);
                return false;
            }
        };
        let is_proven = differs.is_none();
        match differs {
            Some(how) => self.differ.push(format!("{name}: {how}")),
            None => {
                self.proven += 1;
                self.rows += dumped.rows;
            }
        }
        is_proven
    }

    fn said(self, tables: usize) -> Said {
        let outcome = match (self.differ.is_empty(), self.unknown.is_empty(), self.proven) {
            (false, ..) => Verdict::Failed,
            (true, true, proven) if proven > 0 => Verdict::Passed,
            _ => Verdict::Inconclusive,
        };
        let mut summary = self.summary(tables);
        if let [first, more @ ..] = &*self.differ {
            let more = if more.is_empty() {
                String::new()
            } else {
                format!("; and {} more", many(more.len() as u64, "table"))
            };
            summary = format!("{first}{more}; {summary}");
        }
        let unknown = self.unknown.iter().map(|(name, why)| format!("{name}: not compared: {why}"));
        let counted = self.counted.iter().map(|name| format!("{name}: as many rows as dumped; their text differs"));
        let unknown = unknown.chain(counted);
        let left = (!self.left.is_empty()).then(|| format!("not compared within the budget: {}", listed(&self.left)));
        Said { outcome, summary, findings: self.differ.iter().cloned().chain(unknown).chain(left).collect() }
    }

    fn summary(&self, tables: usize) -> String {
        let rows = many(self.rows, "row");
        match tables {
            0 => "the backup holds no table: nothing can be proven of it".to_owned(),
            of if of == self.left.len() => format!("none of {} was compared: {NO_TIME}", many(of as u64, "table")),
            of if of == self.proven => format!("{rows} of {} as dumped", many(of as u64, "table")),
            of => format!("{rows} of {} of {} as dumped", self.proven, many(of as u64, "table")),
        }
    }
}

const PRINTED_BY_OTHERS: &str = "as many as in the file, but they do not read the same here: the file was printed under settings that nobody recorded, \
                                 such as another time zone (lifeboat import --time-zone)";
const NO_TIME: &str = "the budget left time for none; give more of it (`budget` in [drill], --budget)";
const BUDGET_SPENT: &str = "the time for comparing rows was spent on tables that were proven longer ago";
