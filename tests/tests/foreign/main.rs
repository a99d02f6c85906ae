//! Files that Lifeboat did not make: restored, refused, imported, drilled.

#![expect(clippy::unwrap_used, reason = "whatever fails here is a failed test")]

mod cluster;
mod damaged;
mod forms;
mod imported;
mod killed;
mod odd;
mod scripts;
mod secrets;
mod signed;
mod target;
mod world;
