//! What the catalog says of a target: the tables that hold its rows, their keys and columns, and what stands in the way.

mod facts;
mod keys;
mod refusals;
mod width;

use lifeboat_backup::postgres::{DirectSession, quote_ident};
use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

use self::facts::FactKey;
pub(super) use self::facts::{Fact, FactColumn, FactTrigger};
use self::keys::key_columns;
pub use self::keys::{Holder, holders};
pub(super) use self::refusals::{Use, refusals, remarks};
pub(super) use self::width::too_narrow;
use super::options::{Order, SweepOptions};
use super::target::{TableName, Target};
use crate::columns::layout::Content;

/// A target as it is found in the database.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The table and everything below it.
    pub(super) facts: Vec<Fact>,
    /// Those that hold rows, ready to be swept.
    pub(super) relations: Vec<Swept>,
}

impl Found {
    /// Columns of which a write of these changes something: they themselves, and those that the database makes of them.
    pub(super) fn moving<'f>(&'f self, columns: &'f [String]) -> impl Iterator<Item = &'f str> {
        let is_made_of_them = |column: &&FactColumn| column.made_of.iter().any(|name| columns.contains(name));
        let all = self.facts.iter().flat_map(|fact| &fact.columns);
        let made = all.filter(is_made_of_them).map(|column| column.name.as_str());
        columns.iter().map(String::as_str).chain(made)
    }

    /// The table's.
    pub(super) fn oid(&self) -> u32 {
        self.facts.first().map_or(0, |fact| fact.oid)
    }
}

/// A table that holds rows, and how they are read and written.
#[derive(Clone, Debug)]
pub(super) struct Swept {
    pub(super) oid: u32,
    pub(super) filenode: u32,
    pub(super) name: TableName,
    pub(super) key: Vec<KeyColumn>,
    /// Columns that an AAD needs, as text.
    pub(super) aad: Vec<String>,
    pub(super) values: Vec<ValueColumn>,
    pub(super) order: Order,
    /// Whether the server reads a range of places without going through the whole table.
    pub(super) reads_ranges: bool,
    pub(super) blocks: u32,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Whether any trigger fires when a row of the target is written.
    pub(super) has_triggers: bool,
}

impl Swept {
    /// In which order rows are read by key: columns and types.
    pub(super) fn key_order(&self) -> Vec<String> {
        self.key.iter().map(|key| format!("{} {}", quote_ident(&key.name), key.kind)).collect()
    }
}

/// A column of a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    /// Its type, as SQL names it.
    pub(super) kind: String,
    /// The schema of its comparison operators, which no search path leads to.
    pub(super) operators: String,
}

/// A column of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ValueColumn {
    pub(super) name: String,
    pub(super) content: Content,
    /// What a text is cast to, where an assignment would not do it.
    pub(super) cast: Option<String>,
}

/// Looks a target up.
pub(super) async fn find(session: &mut DirectSession, target: &Target, options: &SweepOptions) -> Result<Found> {
    let facts = facts::read(session, &target.table).await?;
    let Some(root) = facts.first() else { return Err(missing(target, &facts::alike(session, &target.table).await?)) };
    if !matches!(root.kind.as_str(), "r" | "p") {
        return Err(Error::new(Kind::Policy, format!("rotate {target}: {} is no table", target.table))
            .hint("name the table that the view or foreign table reads"));
    }
    let old_server = session.server().version_num < TID_RANGES_SINCE;
    // One table's trigger may write another's.
    let has_triggers = any_triggers(&facts);
    let mut relations = Vec::new();
    for fact in facts.iter().filter(|fact| fact.kind == "r") {
        relations.push(swept(fact, target, options, old_server, has_triggers)?);
    }
    Ok(Found { facts, relations })
}

/// Whether a table, or one below it, has triggers.
pub(super) async fn has_triggers(session: &mut DirectSession, table: &TableName) -> Result<bool> {
    Ok(any_triggers(&facts::read(session, table).await?))
}

fn any_triggers(facts: &[Fact]) -> bool {
    facts.iter().any(|fact| !fact.triggers.is_empty())
}

/// Servers before read a range of places by going through the whole table.
pub(super) const TID_RANGES_SINCE: u32 = 140_000;

fn swept(fact: &Fact, target: &Target, options: &SweepOptions, old_server: bool, has_triggers: bool) -> Result<Swept> {
    let FactKey { columns: key, orders } = key_columns(fact, &target.value_columns(), target.key_columns.as_deref())?;
    let mut values = Vec::new();
    for (name, (_, content)) in target.value_columns().iter().zip(target.layout.columns()) {
        values.push(value_column(fact, target, name, content)?);
    }
    for name in target.aad.key_columns() {
        column(fact, target, name)?;
    }
    let order = match options.order {
        Some(Order::Key) if !orders => return Err(keyless(fact, "the order of a key was asked for")),
        Some(order) => order,
        None if !orders => Order::Place,
        None => Order::Key,
    };
    if order == Order::Place && old_server {
        return Err(keyless(fact, "servers before 14 read rows in the order of a key only"));
    }
    Ok(Swept {
        oid: fact.oid,
        filenode: fact.filenode,
        name: fact.name(),
        key,
        aad: target.aad.key_columns().into_iter().map(str::to_owned).collect(),
        values,
        order,
        reads_ranges: !old_server,
        blocks: fact.blocks,
        rows: fact.rows,
        bytes: fact.bytes,
        has_triggers,
    })
}

fn value_column(fact: &Fact, target: &Target, name: &str, content: Content) -> Result<ValueColumn> {
    let column = column(fact, target, name)?;
    let doing = || format!("rotate {target}: {name} is of the type {}", column.kind);
    let cast = match (column.base.as_str(), content) {
        ("bytea", Content::Bytes) => None,
        ("json" | "jsonb", Content::Text) => Some(column.typed.clone()),
        (_, Content::Text) if column.category == "S" => None,
        ("bytea", Content::Text) => {
            return Err(Error::new(Kind::Policy, doing()).hint("write the layout as bytes(…)"));
        }
        (_, Content::Bytes) if column.category == "S" => {
            return Err(Error::new(Kind::Policy, doing())
                .hint("bytes(…) is a layout of bytea columns: write hex(…) or base64(…)"));
        }
        _ => {
            return Err(
                Error::new(Kind::Policy, doing()).hint("values lie in text, varchar, char, json, jsonb or bytea")
            );
        }
    };
    Ok(ValueColumn { name: name.to_owned(), content, cast })
}

fn column<'f>(fact: &'f Fact, target: &Target, name: &str) -> Result<&'f FactColumn> {
    fact.columns.iter().find(|column| column.name == name).ok_or_else(|| {
        let mut known: Vec<_> = fact.columns.iter().map(|column| column.name.as_str()).collect();
        known.truncate(30);
        Error::new(Kind::NotFound, format!("find the column {name:?} of {}", target.table))
            .hint(format!("it has {}", known.join(", ")))
    })
}

fn missing(target: &Target, alike: &[String]) -> Error {
    let hint = match alike {
        [] => "look at its spelling, and at the database; without a schema it is public; `detect` finds the tables that a key opens"
            .to_owned(),
        names => format!("there is {}: write it so, with its quotes", names.join(" and ")),
    };
    Error::new(Kind::NotFound, format!("find the table {}", target.table)).hint(hint)
}

fn keyless(fact: &Fact, why: &str) -> Error {
    Error::new(Kind::Policy, format!("sweep {}, which has no key that leads through its rows: {why}", fact.name()))
        .hint("add a primary key, or a unique index over columns that are NOT NULL, in their own collation")
}
