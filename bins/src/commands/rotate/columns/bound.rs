//! Columns that are declared, asked for now or not, whose values are bound to what a row holds.

use lifeboat_core::Name;
use lifeboat_rotate::sweep::Declared;

use crate::config::{ColumnConfig, Config};

/// Those that may be in a database: a rotation must not rewrite what they are bound to.
pub(super) fn declared(config: &Config, database: &Name) -> Vec<Declared> {
    let here = config.rotate.declared.iter().filter(|column| may_be_in(column, database, config));
    here.filter_map(|column| {
        let aad = column.aad.as_ref()?.value.clone();
        Some(Declared { table: column.table.value.clone(), columns: column.columns(), aad })
    })
    .collect()
}

/// A database that is given by its address, under a name that the file does not know, may be any of those that it does.
fn may_be_in(column: &ColumnConfig, database: &Name, config: &Config) -> bool {
    let is_here = |column: &ColumnConfig| column.database.as_ref().is_some_and(|name| name.value == *database);
    let is_known = config.names.contains(database) || config.rotate.declared.iter().any(is_here);
    is_here(column) || column.database.is_none() || !is_known
}
