//! Rotation of keys: those of backups, and those of values that applications keep encrypted in columns.
//!
//! The operations are free functions. What destroys something is a plan first, made by one function and applied by another.
//! None prints, takes settings from the process environment ([what is read of it](lifeboat_core#environment)), or knows a
//! command line.
//!
//! A service that encrypts columns embeds [`Keyring`].

pub mod backups;
pub mod columns;
pub mod detect;
#[cfg(feature = "database")]
pub mod sweep;

pub use columns::Keyring;
#[cfg(feature = "database")]
pub use lifeboat_backup::postgres;
pub use lifeboat_core as core;
