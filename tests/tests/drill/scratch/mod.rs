//! Scratch databases: made, guarded, and gone whatever happens.

mod cluster;
mod command;
mod disarmed;
mod holder;
mod server;
