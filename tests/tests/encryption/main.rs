//! Encrypted backups: they come back with the key, tell nothing without it, and nobody can pass off another as one.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod damage;
mod embed;
mod forgery;
mod killed;
mod ranged;
mod recipients;
mod round_trip;
mod secrets;
mod unreadable;
mod vault;
mod wraps;
mod wrong_keys;
