//! Rows that can never be opened, and that the operator gives up.

use std::collections::{BTreeMap, BTreeSet};

use lifeboat_core::{Error, Kind, Result};

use super::counts::{Failures, key_text};
use super::target::TableName;

/// Rows by table and key.
///
/// The file has one row a line: the key as it is reported, either plain (`ev_7f3a`) or, always possible and needed for
/// keys of several columns, as a JSON array of texts (`["acme", "42"]`). A line `[schema.table]` names the table of the lines
/// that follow it, `[schema.table.column]` one column of it; before the first of these they are of whichever table the rotation has. Empty lines and lines that
/// begin with `#` are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptList {
    anywhere: BTreeSet<Vec<String>>,
    tables: BTreeMap<Rows, BTreeSet<Vec<String>>>,
}

/// A table, and one of its columns or all.
type Rows = (TableName, Option<String>);

impl AcceptList {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`Kind::Usage`], with the line that cannot be read.
    pub fn parse(text: &str) -> Result<Self> {
        let mut list = Self::default();
        let mut rows: Option<Rows> = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Ok(key) = serde_json::from_str::<Vec<serde_json::Value>>(line) {
                list.insert(rows.as_ref(), key.iter().map(as_text).collect());
            } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                rows = Some(rows_of(name).map_err(|error| error.while_doing(reading(number)))?);
            } else if line.starts_with('[') {
                return Err(Error::new(Kind::Usage, reading(number))
                    .hint("a row is a plain key or a JSON array of texts, a table is [schema.table], one column of it [schema.table.column]"));
            } else {
                list.insert(rows.as_ref(), vec![line.to_owned()]);
            }
        }
        Ok(list)
    }

    /// Adds a row, of that table or of any.
    pub fn add(&mut self, table: Option<&TableName>, key: Vec<String>) {
        self.insert(table.map(|table| (table.clone(), None)).as_ref(), key);
    }

    fn insert(&mut self, rows: Option<&Rows>, key: Vec<String>) {
        match rows {
            Some(rows) => self.tables.entry(rows.clone()).or_default().insert(key),
            None => self.anywhere.insert(key),
        };
    }

    /// Whether a row's value in these columns may stay as it is.
    #[must_use]
    pub fn accepts(&self, table: &TableName, columns: &[String], key: &[String]) -> bool {
        let is_meant =
            |(of, column): &Rows| of == table && column.as_ref().is_none_or(|column| columns.contains(column));
        self.anywhere.contains(key) || self.tables.iter().any(|(rows, keys)| is_meant(rows) && keys.contains(key))
    }

    /// What it names of these columns, or of none in particular, that is not among the rows which did not open. Nothing where not
    /// all of those are named.
    #[must_use]
    pub fn unmatched<'f>(
        &self,
        found: impl Iterator<Item = (&'f TableName, &'f [String], &'f Failures)>,
    ) -> Vec<String> {
        let found: Vec<_> = found.collect();
        if found.iter().any(|(_, _, failures)| (failures.named.len() as u64) < failures.total) {
            return Vec::new();
        }
        let has = |failures: &Failures, key: &Vec<String>| failures.named.iter().any(|failure| failure.key == *key);
        let anywhere = self.anywhere.iter().filter(|key| !found.iter().any(|(_, _, failures)| has(failures, key)));
        let there = self.tables.iter().flat_map(|((of, column), keys)| {
            let is_meant = |columns: &[String]| column.as_ref().is_none_or(|column| columns.contains(column));
            let meant: Vec<_> = found
                .iter()
                .filter(|(table, columns, failures)| {
                    is_meant(columns) && (*table == of || failures.named.iter().any(|failure| failure.table == *of))
                })
                .collect();
            let is_left = move |key: &&Vec<String>| {
                !meant.is_empty()
                    && !meant.iter().any(|(table, _, failures)| {
                        failures
                            .named
                            .iter()
                            .any(|failure| failure.key == **key && (*table == of || failure.table == *of))
                    })
            };
            keys.iter().filter(is_left)
        });
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

/// `schema.table` or `schema.table.column`, as SQL names them.
fn rows_of(name: &str) -> Result<Rows> {
    let whole = match name.parse::<TableName>() {
        Ok(table) => return Ok((table, None)),
        Err(error) => error,
    };
    let mut dots = name.match_indices('.').map(|(at, _)| at);
    let outside = |at: &usize| name[..*at].matches('"').count().is_multiple_of(2);
    let Some(last) = dots.rfind(outside) else { return Err(whole) };
    let column = column_of(&name[last + 1..]).ok_or(whole)?;
    Ok((name[..last].parse()?, Some(column)))
}

/// A column as it is declared elsewhere: capital letters stay, and quotes may stand around it.
fn column_of(name: &str) -> Option<String> {
    let quoted = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let rest = quoted.map_or_else(|| name.to_owned(), |name| name.replace("\"\"", ""));
    let column = quoted.map_or_else(|| name.to_owned(), |name| name.replace("\"\"", "\""));
    (!rest.contains('"') && !column.is_empty()).then_some(column)
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
        let accepts = |table: &TableName, names: &[&str]| list.accepts(table, &key(&["value"]), &key(names));
        assert!(accepts(&other, &["ev_1"]) && accepts(&secrets, &["ev_1"]));
        assert!(accepts(&secrets, &["acme", "7"]) && !accepts(&other, &["acme", "7"]));
        assert!(accepts(&secrets, &["x]"]));
        assert_eq!(list.len(), 3);
    }

    #[test]
    fn a_row_may_be_given_up_in_one_column_alone() {
        let list = AcceptList::parse("[app.secrets.value]\n7\n[app.secrets.\"Odd.name\"]\n8\n").unwrap();
        let secrets: TableName = "app.secrets".parse().unwrap();
        let accepts = |columns: &[&str], id: &str| list.accepts(&secrets, &key(columns), &key(&[id]));
        assert!(accepts(&["value"], "7") && accepts(&["ct", "value"], "7") && !accepts(&["second"], "7"));
        assert!(accepts(&["Odd.name"], "8") && !accepts(&["value"], "8"));
        for wrong in ["[a.b.c.d]\n", "[a.b.]\n", "[a.b.\"\"]\n", "[a.b.c\"]\n", "[a.b.\"c]\n"] {
            assert!(AcceptList::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_column_keeps_its_capital_letters_as_it_does_where_it_is_declared() {
        let list = AcceptList::parse("[Public.Users.apiToken]\n7\n").unwrap();
        let users: TableName = "users".parse().unwrap();
        let accepts = |column: &str, id: &str| list.accepts(&users, &key(&[column]), &key(&[id]));
        assert!(accepts("apiToken", "7") && !accepts("apitoken", "7"));
        let list = AcceptList::parse("[public.users.\"a\"\"b\"]\n8\n").unwrap();
        assert!(list.accepts(&users, &key(&["a\"b"]), &key(&["8"])));
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
        let mut failures =
            Failures { named: vec![failure(&["2"]), failure(&["3"])], total: 2, accepted: 2, ..Failures::default() };
        let columns = key(&["value"]);
        let unmatched =
            |list: &AcceptList, failures: &Failures| list.unmatched([(&table, &*columns, failures)].into_iter());
        assert_eq!(unmatched(&list, &failures), ["1", "[\"acme\",\"7\"]"]);
        let of_columns = AcceptList::parse("[app.secrets.value]\n2\n5\n[app.secrets.other]\n6\n").unwrap();
        assert_eq!(unmatched(&of_columns, &failures), ["5"], "the other column is of another rotation");
        let other = Failures { named: vec![failure(&["5"])], total: 1, accepted: 1, ..Failures::default() };
        let others = key(&["other"]);
        let both = [(&table, &*columns, &failures), (&table, &*others, &other)];
        assert_eq!(
            of_columns.unmatched(both.into_iter()),
            ["6", "5"],
            "what did not open in the other column is another value"
        );
        failures.total = 3;
        assert!(unmatched(&list, &failures).is_empty(), "not all are named");
    }

    #[test]
    fn a_line_that_is_neither_is_refused_with_its_number() {
        let error = AcceptList::parse("a\n[1, 2\n").unwrap_err();
        assert_eq!(error.to_string(), "read line 2 of the accept list");
    }
}
