//! Keys of encrypted columns, in databases: every value ends under the new key, and none is lost on the way.
//!
//! A run is killed a hundred times; kills of what ends one are bounded, and interleavings: `LIFEBOAT_TEST_LONG=1` makes a hundred of these.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails is meant to panic, its helpers too")]

mod world;
mod writers;

mod again;
mod back;
mod bound;
mod broken;
mod bytes;
mod commands;
mod concurrent;
mod considerate;
mod crashed;
mod detect;
mod example;
mod held;
mod interrupted;
mod kept;
mod killed;
mod lengths;
mod modes;
mod network;
mod older;
mod ousted;
mod outcomes;
mod partitions;
mod proof;
mod refusals;
mod refused;
mod resumed;
mod retired;
mod rights;
mod secrets;
mod several;
mod shapes;
mod shared;
mod sweep;
mod under_way;
mod unled;
mod unwritten;
