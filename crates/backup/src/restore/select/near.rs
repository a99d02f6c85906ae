//! Finds what is named, and says what a name might have meant.

use std::collections::BTreeSet;

use lifeboat_core::{Error, Kind, Result};

use super::kind::{is_firm, is_nameable};
use super::name::{SchemaName, Selection, TableName, shown};
use super::toc::{Entry, Toc};

/// The entries that the selection names, but for those of a schema that may have to be left out.
///
/// # Errors
/// [`Kind::Usage`] for names that select nothing, or more than one table: all of them at once.
pub(super) fn named(toc: &Toc, selection: &Selection) -> Result<BTreeSet<usize>> {
    let (mut found, mut problems) = (BTreeSet::new(), Vec::new());
    for table in &selection.tables {
        match of_table(toc, table) {
            Ok(position) => drop(found.insert(position)),
            Err(problem) => problems.push(problem),
        }
    }
    for schema in &selection.schemas {
        let of_schema: Vec<_> = positions(toc, |entry| is_schema(entry, schema) || is_in(entry, schema)).collect();
        if of_schema.is_empty() {
            problems.push(Problem::new(format!("there is no schema {schema}"), near_schemas(toc, schema)));
        }
        found.extend(of_schema.into_iter().filter(|at| {
            let entry = &toc.entries[*at];
            is_schema(entry, schema) || is_firm(&entry.kind)
        }));
    }
    if problems.is_empty() { Ok(found) } else { Err(refusal(&problems)) }
}

struct Problem {
    text: String,
    near: Vec<String>,
}

impl Problem {
    fn new(text: String, near: Vec<String>) -> Self {
        Self { text, near }
    }
}

fn refusal(problems: &[Problem]) -> Error {
    let texts: Vec<_> = problems.iter().map(|problem| problem.text.as_str()).collect();
    let error = Error::new(Kind::Usage, format!("select from the backup: {}", texts.join("; ")));
    let mut near: Vec<_> = Vec::new();
    for name in problems.iter().flat_map(|problem| &problem.near) {
        if !near.contains(&name.as_str()) {
            near.push(name);
        }
    }
    match near.as_slice() {
        [] => error.hint("`lifeboat show` lists the tables of the backup"),
        near => error.hint(format!("there is {}", near.join(", "))),
    }
}

fn of_table(toc: &Toc, table: &TableName) -> std::result::Result<usize, Problem> {
    let found: Vec<_> = positions(toc, |entry| {
        let schema = table.schema.is_none() || entry.schema == table.schema;
        is_nameable(&entry.kind) && schema && entry.tag == table.name
    })
    .collect();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => Err(Problem::new(format!("there is no table {table}"), near_tables(toc, table))),
        several => {
            let names = several.iter().map(|at| shown(toc.entries[*at].schema.as_deref(), &toc.entries[*at].tag));
            Err(Problem::new(format!("several tables are called {table}"), names.collect()))
        }
    }
}

fn positions(toc: &Toc, wanted: impl Fn(&Entry) -> bool) -> impl Iterator<Item = usize> {
    toc.entries.iter().enumerate().filter(move |(_, entry)| wanted(entry)).map(|(position, _)| position)
}

fn is_schema(entry: &Entry, schema: &SchemaName) -> bool {
    entry.kind == "SCHEMA" && entry.tag == schema.0
}

fn is_in(entry: &Entry, schema: &SchemaName) -> bool {
    entry.schema.as_ref() == Some(&schema.0)
}

/// Tables of that name elsewhere, else those whose names differ in few letters.
fn near_tables(toc: &Toc, table: &TableName) -> Vec<String> {
    let tables = || toc.entries.iter().filter(|entry| is_nameable(&entry.kind));
    let text = |entry: &Entry| shown(entry.schema.as_deref(), &entry.tag);
    let elsewhere: Vec<_> = tables().filter(|entry| same(&entry.tag, &table.name)).map(text).take(SHOWN).collect();
    if elsewhere.is_empty() { nearest(&table.to_string(), tables().map(text)) } else { elsewhere }
}

fn near_schemas(toc: &Toc, schema: &SchemaName) -> Vec<String> {
    let schemas: BTreeSet<_> = toc.entries.iter().filter_map(|entry| entry.schema.as_deref()).collect();
    nearest(&schema.to_string(), schemas.into_iter().map(|name| shown(None, name)))
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn nearest(wanted: &str, names: impl Iterator<Item = String>) -> Vec<String> {
    let most = wanted.chars().count().div_ceil(3);
    let mut near: Vec<_> = names.map(|name| (differing_letters(wanted, &name), name)).collect();
    near.retain(|(letters, _)| *letters <= most);
    near.sort();
    near.into_iter().map(|(_, name)| name).take(SHOWN).collect()
}

/// How many letters have to be added, taken away or changed, whatever their case.
fn differing_letters(one: &str, other: &str) -> usize {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, other) in other.chars().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.chars().count()]
}

const SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use super::differing_letters;

    #[test]
    fn letters_that_differ_are_counted() {
        assert_eq!(differing_letters("sales.order", "sales.orders"), 1);
        assert_eq!(differing_letters("Orders", "orders"), 0);
        assert_eq!(differing_letters("", "abc"), 3);
        assert_eq!(differing_letters("kitten", "sitting"), 3);
    }
}
