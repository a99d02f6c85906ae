//! What goes in comes out: every row, every definition and every property, by every way there is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod depot;
mod encodings;
mod hard;
mod pieces;
mod prefix;
mod roles;
mod stock;
mod writer;
