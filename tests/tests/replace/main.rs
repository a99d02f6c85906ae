//! A backup takes the place of a database that is in use: at each moment exactly one has the name, and it is whole.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod disk;
mod killed;
mod refusals;
mod roles;
mod swapped;
mod world;
