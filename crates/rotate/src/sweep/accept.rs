//! Rows that can never be opened, and that the operator gives up.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_core::{Error, Kind, Result};

use super::counts::{Failures, key_text};
use super::target::TableName;

/// Rows by table and key.
///
/// The file has one row a line: the key as it is reported, either plain (`ev_7f3a`) or, always possible and needed for
/// keys of several columns, as a JSON array of texts (`["acme", "42"]`). A line `[schema.table]` names the table of the lines
/// that follow it; before the first of these they are of whichever table the rotation has. Empty lines and lines that
/// begin with `#` are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptList {
    anywhere: BTreeSet<Vec<String>>,
    tables: BTreeMap<TableName, BTreeSet<Vec<String>>>,
}

impl AcceptList {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`Kind::Usage`], with the line that cannot be read.
    pub fn parse(text: &str) -> Result<Self> {
        let mut list = Self::default();
        let mut table: Option<TableName> = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Ok(key) = serde_json::from_str::<Vec<serde_json::Value>>(line) {
                list.add(table.as_ref(), key.iter().map(as_text).collect());
            } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                table = Some(name.parse().map_err(|error: Error| error.while_doing(reading(number)))?);
            } else if line.starts_with('[') {
                return Err(Error::new(Kind::Usage, reading(number))
                    .hint("a row is a plain key or a JSON array of texts, a table is [schema.table]"));
            } else {
                list.add(table.as_ref(), vec![line.to_owned()]);
            }
        }
        Ok(list)
    }

    /// Adds a row, of that table or of any.
    pub fn add(&mut self, table: Option<&TableName>, key: Vec<String>) {
        match table {
            Some(table) => self.tables.entry(table.clone()).or_default().insert(key),
            None => self.anywhere.insert(key),
        };
    }

    /// Whether a row may stay as it is.
    #[must_use]
    pub fn accepts(&self, table: &TableName, key: &[String]) -> bool {
        self.anywhere.contains(key) || self.tables.get(table).is_some_and(|rows| rows.contains(key))
    }

    /// What it names of these tables, or of none in particular, that is not among the rows which did not open. Nothing where not
    /// all of those are named.
    #[must_use]
    pub fn unmatched<'f>(&self, found: impl Iterator<Item = (&'f TableName, &'f Failures)>) -> Vec<String> {
        let (mut tables, mut seen) = (BTreeSet::new(), BTreeSet::new());
        for (table, failures) in found {
            if (failures.named.len() as u64) < failures.total {
                return Vec::new();
            }
            tables.insert(table);
            for failure in &failures.named {
                tables.insert(&failure.table);
                seen.insert((table, &failure.key));
                seen.insert((&failure.table, &failure.key));
            }
        }
        let anywhere = self.anywhere.iter().filter(|key| !tables.iter().any(|table| seen.contains(&(*table, *key))));
        let here = self.tables.iter().filter(|(table, _)| tables.contains(table));
        let there = here.flat_map(|(table, keys)| keys.iter().filter(|key| !seen.contains(&(table, *key))));
        anywhere.chain(there).map(|key| key_text(key)).collect()
    }

    /// How many rows it names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.anywhere.len() + self.tables.values().map(BTreeSet::len).sum::<usize>()
    }

    /// Whether it names none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn reading(number: usize) -> String {
    format!("read line {} of the accept list", number + 1)
}

fn as_text(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::AcceptList;
    use crate::columns::Unopened;
    use crate::sweep::{Failure, Failures, TableName, Why};

    fn key(parts: &[&str]) -> Vec<String> {
        parts.iter().map(|part| (*part).to_owned()).collect()
    }

    #[test]
    fn rows_are_named_plainly_or_as_arrays_and_belong_to_their_table() {
        let list = AcceptList::parse("# lost in 2024\nev_1\n[app.secrets]\n[\"acme\", 7]\n[\"x]\"]\n").unwrap();
        let (secrets, other): (TableName, TableName) = ("app.secrets".parse().unwrap(), "other".parse().unwrap());
        assert!(list.accepts(&other, &key(&["ev_1"])) && list.accepts(&secrets, &key(&["ev_1"])));
        assert!(list.accepts(&secrets, &key(&["acme", "7"])) && !list.accepts(&other, &key(&["acme", "7"])));
        assert!(list.accepts(&secrets, &key(&["x]"])));
        assert_eq!(list.len(), 3);
    }

    #[test]
    fn lines_that_name_nothing_are_told_unless_they_are_of_other_tables() {
        let list = AcceptList::parse("1\n2\n[app.secrets]\n[\"acme\", 7]\n3\n[app.others]\n4\n").unwrap();
        let table: TableName = "app.secrets".parse().unwrap();
        let failure = |names: &[&str]| Failure {
            table: "app.secrets_1".parse().unwrap(),
            key: key(names),
            why: Why::Unopened(Unopened::Plaintext),
            accepted: true,
        };
        let mut failures = Failures { named: vec![failure(&["2"]), failure(&["3"])], total: 2, accepted: 2 };
        assert_eq!(list.unmatched([(&table, &failures)].into_iter()), ["1", "[\"acme\",\"7\"]"]);
        failures.total = 3;
        assert!(list.unmatched([(&table, &failures)].into_iter()).is_empty(), "not all are named");
    }

    #[test]
    fn a_line_that_is_neither_is_refused_with_its_number() {
        let error = AcceptList::parse("a\n[1, 2\n").unwrap_err();
        assert_eq!(error.to_string(), "read line 2 of the accept list");
    }
}
