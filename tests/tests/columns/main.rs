//! Keys of encrypted columns, in databases: every value ends under the new key, and none is lost on the way.
//!
//! Kills and interleavings are bounded; `LIFEBOAT_TEST_LONG=1` makes a hundred of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is meant to panic, its helpers too")]

mod world;
mod writers;

mod broken;
mod commands;
mod concurrent;
mod considerate;
mod crashed;
mod detect;
mod example;
mod held;
mod killed;
mod modes;
mod network;
mod ousted;
mod outcomes;
mod refusals;
mod refused;
mod secrets;
mod several;
mod shapes;
mod sweep;
mod under_way;
