//! Keys of encrypted columns, in databases: every value ends under the new key, and none is lost on the way.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is meant to panic, its helpers too")]

mod world;

mod detect;
mod sweep;
