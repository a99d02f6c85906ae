//! Rotation of the keys of backups: nothing but wraps changes, every backup opens at every moment, and what would lose one
//! is refused.
//!
//! Kills are bounded; `LIFEBOAT_TEST_LONG=1` makes a hundred of them.

#![expect(clippy::unwrap_used, reason = "whatever fails here is a failed test")]

mod crossing;
mod killed;
mod reencrypt;
mod retire;
mod rewrap;
mod secrets;
mod world;
