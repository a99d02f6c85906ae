//! A backup takes the place of a database that is in use: at each moment exactly one has the name, and it is whole.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, or says what it did not try"
)]

mod again;
mod confirmed;
mod disk;
mod elsewhere;
mod imported;
mod killed;
mod meanwhile;
mod refusals;
mod roles;
mod secrets;
mod steps;
mod swapped;
mod world;
