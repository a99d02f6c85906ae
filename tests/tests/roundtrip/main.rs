//! What goes in comes out: every row, every definition and every property, by every way there is.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod address;
mod busy;
mod embed;
mod encodings;
mod hard;
mod odd;
mod pieces;
mod prefix;
mod properties;
mod roles;
mod schedule;
mod selected;
mod several;
mod stock;
mod writer;
