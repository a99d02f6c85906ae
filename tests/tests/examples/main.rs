//! The files that operators copy: `examples/`, one folder for each product. Their configurations are read as they are, their
//! assertions are asked of restored backups, and their scripts run against stand-ins.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails is meant to panic, its helpers too")]

mod configurations;
mod drills;
mod foreign;
mod packaging;
mod pages;
mod products;
mod rotations;
mod scratch_container;
mod scripts;
mod sealed;
mod smoke_tests;
mod stage;
