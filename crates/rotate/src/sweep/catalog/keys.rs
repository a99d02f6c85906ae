//! By what rows are named: the same in a sweep, in its reports, in accept lists and in drills.

use lifeboat_backup::postgres::DirectSession;
use lifeboat_core::{Error, Kind, Result};

use super::facts::{self, Fact, FactKey};
use crate::sweep::target::TableName;

/// A table that holds rows: a table itself, a partition or a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name.
    pub table: TableName,
    /// The columns by which its rows are named. Empty: they are named by their place.
    pub key: Vec<String>,
    /// Rows, as the server estimates.
    pub rows: u64,
}

/// The tables that hold the rows of a table, each with the key by which a sweep over these values names them. None: there is no
/// such table.
///
/// # Errors
/// [`Kind::Policy`] when `named` is no key, or is the value itself; [`Kind::Database`] when the server cannot be asked.
pub async fn holders(
    session: &mut DirectSession,
    table: &TableName,
    values: &[String],
    named: Option<&[String]>,
) -> Result<Vec<Holder>> {
    let mut holders = Vec::new();
    for fact in facts::read(session, table).await?.iter().filter(|fact| fact.kind == "r") {
        let key = key_columns(fact, values, named)?.columns.into_iter().map(|column| column.name).collect();
        holders.push(Holder { table: fact.name(), key, rows: fact.rows });
    }
    Ok(holders)
}

/// The key that is named; else the first, the primary one, that is not what is secret: a key is printed in reports and kept in the
/// book.
pub(super) fn key_columns(fact: &Fact, values: &[String], named: Option<&[String]>) -> Result<FactKey> {
    let is_secret = |key: &&FactKey| key.columns.iter().any(|column| values.contains(&column.name));
    let Some(names) = named else {
        let first = fact.keys.iter().find(|key| !is_secret(key));
        return Ok(first.cloned().unwrap_or_default());
    };
    let doing = |by: &str| format!("name the rows of {} by {by}", fact.name());
    if let Some(value) = names.iter().find(|name| values.contains(name)) {
        return Err(Error::new(Kind::Policy, doing(&format!("{value}, which is the value")))
            .hint("reports would print it: name another key, or none"));
    }
    for name in names {
        if fact.columns.iter().all(|column| column.name != *name) {
            return Err(Error::new(Kind::NotFound, format!("find the column {name:?} of {}", fact.name()))
                .hint("leave the key out to use the primary key"));
        }
    }
    let same = |key: &&FactKey| {
        key.columns.len() == names.len() && key.columns.iter().all(|column| names.contains(&column.name))
    };
    let key = fact.keys.iter().find(same).ok_or_else(|| {
        Error::new(Kind::Policy, doing(&names.join(", ")))
            .hint("a key needs a unique index without a condition, over columns that are NOT NULL; leave the key out to use the primary key")
    })?;
    Ok(key.clone())
}
