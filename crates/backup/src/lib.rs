//! Backs Postgres up to object storage, proves what is stored, and restores it.
//!
//! The operations are free functions: `backup(source, &store, &options, monitor)` and its like. They never print,
//! install handlers, start a runtime or take settings from the process environment
//! ([what is read of it](lifeboat_core#environment)); they speak through a
//! [`Monitor`](lifeboat_core::monitor::Monitor) and end early by a cancellation token in their options.

pub mod archive;
pub mod backup;
pub mod catalog;
pub mod foreign;
mod indexed;
mod leader;
mod objects;
mod parallel;
pub mod postgres;
mod private_folder;
mod program_path;
pub mod restore;
pub mod rows;
pub mod script;
pub mod source;
mod stream;
mod tools;

pub use archive::{BackupRef, cat, download, list, show, verify};
pub use backup::{BackupOptions, BackupSummary, ImportOptions, backup, backup_all, import};
pub use foreign::{ForeignFile, ForeignOptions};
pub use lifeboat_core as core;
pub use restore::{MissingRoles, RestoreOptions, RestoreSummary, restore, restore_file};
pub use source::{MethodChoice, Reach, Source};
