//! What an operator selects, by name.

use std::fmt;
use std::str::FromStr;

use lifeboat_core::{Error, Kind, Result};

use crate::postgres::quote_ident;
use crate::script::{SqlName, qualified_name};

/// Which part of a backup is restored; by default all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Whole schemas.
    pub schemas: Vec<SchemaName>,
    /// Tables, views, materialized views, foreign tables and sequences.
    pub tables: Vec<TableName>,
    /// Rows only, into tables that are there and empty.
    pub data_only: bool,
}

impl Selection {
    /// Whether schemas or tables are named.
    #[must_use]
    pub fn names_any(&self) -> bool {
        !self.schemas.is_empty() || !self.tables.is_empty()
    }
}

/// The name of a schema, as SQL reads it: without quotes in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaName(pub String);

/// The name of a table or the like, as SQL reads it; without a schema it means the only one of that name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// The schema, if it is named.
    pub schema: Option<String>,
    /// The table.
    pub name: String,
}

impl FromStr for SchemaName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match parts(text) {
            Some((None, name)) => Ok(Self(name)),
            _ => Err(unreadable("schema", text, "'\"Odd Schema\"'")),
        }
    }
}

impl FromStr for TableName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (schema, name) = parts(text).ok_or_else(|| unreadable("table", text, "'sales.\"Odd Table\"'"))?;
        Ok(Self { schema, name })
    }
}

impl fmt::Display for SchemaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted_if_needed(&self.0))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.schema.as_deref(), &self.name))
    }
}

/// A name as an operator would write it.
pub(super) fn shown(schema: Option<&str>, name: &str) -> String {
    let schema = schema.map(|schema| format!("{}.", quoted_if_needed(schema))).unwrap_or_default();
    format!("{schema}{}", quoted_if_needed(name))
}

fn quoted_if_needed(name: &str) -> String {
    let plain =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || !c.is_ascii() && c.is_alphabetic();
    if !name.is_empty() && name.chars().all(plain) { name.to_owned() } else { quote_ident(name) }
}

fn parts(text: &str) -> Option<(Option<String>, String)> {
    let own = |name: SqlName| name.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let (schema, name) = qualified_name(text.as_bytes())?;
    Some((schema.map(own).map_or(Some(None), |schema| schema.map(Some))?, own(name)?))
}

fn unreadable(what: &str, text: &str, example: &str) -> Error {
    Error::new(Kind::Usage, format!("read {text} as the name of a {what}"))
        .hint(format!("names with other signs than letters, digits and _ stand in quotes, as in {example}"))
}

#[cfg(test)]
mod tests {
    use super::{SchemaName, TableName};

    fn table(text: &str) -> Option<(Option<String>, String)> {
        text.parse().ok().map(|TableName { schema, name }| (schema, name))
    }

    #[test]
    fn names_are_read_as_sql_reads_them() {
        let some = |schema: &str, name: &str| Some((Some(schema.to_owned()), name.to_owned()));
        assert_eq!(table("Sales.Orders"), some("sales", "orders"));
        assert_eq!(table("sales.\"Orders\""), some("sales", "Orders"));
        assert_eq!(table("\"a \"\"b\"\".c\".\"d.e\""), some("a \"b\".c", "d.e"));
        assert_eq!(table("größe"), Some((None, "größe".to_owned())));
        assert_eq!("Tenant_7".parse::<SchemaName>().unwrap().0, "tenant_7");
    }

    #[test]
    fn what_is_no_name_is_refused_with_an_example() {
        for text in ["", "a.b.c", "my-table", "a b", "a.", ".a", "\"\"", "a;", "'a'"] {
            assert_eq!(table(text), None, "{text}");
        }
        assert!("a.b".parse::<SchemaName>().unwrap_err().help().unwrap().contains('"'));
    }

    #[test]
    fn a_name_is_shown_as_it_can_be_written() {
        for text in ["sales.orders", "\"Sales\".\"a \"\"b\"\"\"", "größe"] {
            assert_eq!(text.parse::<TableName>().unwrap().to_string(), text);
        }
    }
}
