//! The definitions of a database's objects, for whoever compares two databases: a backup stores those of its source, and a
//! drill reads those of what it restored.

pub use crate::leader::{read_catalog, unread_classes};
