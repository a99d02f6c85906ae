//! Rotation of keys: today those of backups.
//!
//! The operations are free functions. What destroys something is a plan first, made by one function and applied by another.
//! None prints, reads the process environment, or knows Postgres or a command line.

pub mod backups;

pub use lifeboat_core as core;
