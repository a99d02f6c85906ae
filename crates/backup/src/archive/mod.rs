//! Backups as they lie in a store: listing, naming, opening, proving and reading them. Nothing here talks to Postgres.

mod age;
pub(crate) mod body;
mod cat;
mod choice;
mod download;
mod folder;
mod instead;
mod list;
mod listed;
mod opened;
pub(crate) mod proof;
mod reference;
mod runs;
mod show;
pub(crate) mod span;
mod unfinished;
mod verify;

pub use cat::cat;
pub use download::{DownloadOptions, DownloadSummary, download};
pub(crate) use instead::or_instead;
pub use list::{ListOptions, databases, list};
pub use listed::{BackupState, ListedBackup};
pub use opened::{Archive, Chosen, choose, find, find_before};
pub use reference::{BackupRef, Which};
pub use runs::{ListedRun, RunState, RunsOptions, run_details, runs};
pub use show::{Shown, show};
pub use verify::{VerifySummary, verify};
