//! What is asked of a whole table.

use super::{compared, some_value, table};
use crate::columns::layout::Content;
use crate::sweep::catalog::{Swept, ValueColumn};

/// Gives something when a row holds more than NULL and the empty text.
pub(in crate::sweep) fn any_value(swept: &Swept) -> String {
    let some = |value: &ValueColumn| match value.content {
        Content::Bytes => format!("pg_catalog.length({}) > 0", compared(value)),
        Content::Text => format!("{} <> ''", compared(value)),
    };
    let some: Vec<_> = swept.values.iter().map(some).collect();
    format!("SELECT 1 FROM ONLY {} AS t WHERE {} LIMIT 1", table(&swept.name), some.join(" OR "))
}

/// How many rows of a table a condition is true of.
pub(in crate::sweep) fn count_where(swept: &Swept, condition: &str) -> String {
    let condition = if swept.has_triggers { "false" } else { condition };
    format!("SELECT pg_catalog.count(*) FROM ONLY {} AS t WHERE {condition}", table(&swept.name))
}

/// How many rows have nothing in any column of the value.
pub(in crate::sweep) fn count_empty(swept: &Swept) -> String {
    format!("SELECT pg_catalog.count(*) FROM ONLY {} AS t WHERE NOT {}", table(&swept.name), some_value(swept))
}
