//! Restore drills: where they restore, what they find, and what they leave behind.

#![expect(clippy::unwrap_used, reason = "whatever fails here is a failed test")]

mod assertions;
mod checks;
mod encrypted;
mod evidence;
mod extension;
mod inert;
mod killed;
mod page;
mod recorded;
mod reports;
mod restored;
mod run;
mod scratch;
mod sealed;
mod shape;
mod smoke;
mod world;
