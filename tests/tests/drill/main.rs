//! Restore drills: where they restore, what they find, and what they leave behind.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "whatever fails here is a failed test, and measured times are printed"
)]

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
