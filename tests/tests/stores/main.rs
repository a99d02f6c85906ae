//! Stores: one suite over every one that can be had here, and the page that it makes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod addresses;
mod clouds;
mod contract;
mod page;
mod probe;
mod stand;
mod tokens;
