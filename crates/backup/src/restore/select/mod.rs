//! Restores a part of a backup: schemas, tables, or rows alone.
//!
//! The definitions come from the schema archive, whose table of contents says what each needs; rows come by the index. So
//! nothing is fetched but the archive of definitions and the ranges of the selected tables.

mod apply;
mod choose;
mod copy;
mod definition;
mod fill;
mod fit;
mod kind;
mod name;
mod near;
mod needs;
mod order;
mod part;
mod schema;
mod text;
mod toc;

pub(super) use apply::apply;
pub use choose::LeftOut;
pub(super) use fit::refusals;

pub use name::{SchemaName, Selection, TableName};
pub(super) use part::Part;

#[cfg(test)]
mod tests;
