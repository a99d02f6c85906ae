//! The statements of a sweep, as text.
//!
//! Every name is quoted, every type and operator named with its schema or looked up in `pg_catalog`: the search path is empty.
//! Values are compared as text in the collation "C": `json` has no comparison, and others may call two texts equal.

mod keys;
mod look;
mod read;
mod shadow;
mod write;

use lifeboat_backup::postgres::quote_ident;

pub(super) use self::look::{any_value, count_empty, count_where};
pub(super) use self::read::{Span, quantiles, read, some_value};
pub(super) use self::shadow::{count_prepared, create_shadow, not_prepared, prepare, put, shadow};
pub(super) use self::write::{FENCE, TRIGGERED, checkpoint, with_checkpoint, write};
use super::catalog::{Swept, ValueColumn};
use super::target::TableName;
use crate::columns::layout::Content;

/// `"schema"."table"`.
pub(super) fn table(name: &TableName) -> String {
    format!("{}.{}", quote_ident(&name.schema), quote_ident(&name.name))
}

/// The text or the bytes of a value, in a form that can be compared.
fn compared(value: &ValueColumn) -> String {
    let name = quote_ident(&value.name);
    match value.content {
        Content::Bytes => format!("t.{name}"),
        Content::Text => format!("t.{name}::pg_catalog.text COLLATE \"C\""),
    }
}

/// The arrays that writing statements take, as SQL and by name: places, then the old and the new texts of each column, then the
/// columns of the AAD.
fn arrays(swept: &Swept) -> (String, String) {
    let mut arrays = vec!["$1::pg_catalog.tid[]".to_owned()];
    let mut names = Vec::new();
    for (n, value) in swept.values.iter().enumerate() {
        for name in ["o", "n"] {
            arrays.push(format!("${}::pg_catalog.{}[]", arrays.len() + 1, wire(value)));
            names.push(format!("{name}{n}"));
        }
    }
    for n in 0..swept.aad.len() {
        arrays.push(format!("${}::pg_catalog.text[]", arrays.len() + 1));
        names.push(format!("a{n}"));
    }
    (arrays.join(", "), names.join(", "))
}

/// `bytea` or `text`.
fn wire(value: &ValueColumn) -> &'static str {
    match value.content {
        Content::Bytes => "bytea",
        Content::Text => "text",
    }
}
