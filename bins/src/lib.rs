//! The binaries' common half: arguments, configuration, output and exit codes around calls into the libraries.
//!
//! Invariant: nothing here decides what a backup is. A command parses, resolves secrets, calls one library function
//! and renders what it returns. Only this crate takes settings from the environment
//! ([what libraries read of it](lifeboat_core#environment)), prints, handles signals and starts a runtime.

mod allocator;
mod cli;
mod commands;
mod config;
mod exit;
mod logs;
mod output;
mod run;
mod signals;

pub use run::{Program, run};
