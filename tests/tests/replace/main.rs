//! A backup takes the place of a database that is in use: at each moment exactly one has the name, and it is whole.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod again;
mod confirmed;
mod disk;
mod elsewhere;
mod killed;
mod meanwhile;
mod refusals;
mod roles;
mod secrets;
mod swapped;
mod world;
