//! What Lifeboat stores, and how it gets there: the codec, the object store, manifest, index, catalog and run
//! records, beside the small things every crate needs (ids, errors, monitor, clock).
//!
//! This crate knows nothing of Postgres, of processes or of command lines. `docs/format.md` is the normative text
//! of everything it writes.
//!
//! # Environment
//!
//! No crate of Lifeboat's takes a setting from the process environment; a program that embeds one passes values. What is beneath
//! them reads these:
//!
//! * the HTTP client of stores: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, unless
//!   [`Network::proxy`](store::Network::proxy) is given;
//! * TLS, to find the system's certificates: `SSL_CERT_FILE` and `SSL_CERT_DIR`;
//! * options that name no folder for private files: `TMPDIR`;
//! * programs that are started: `PATH`, by which the system looks for them. Each gets an environment of its own, not this one.

pub mod catalog;
pub mod clock;
pub mod codec;
pub mod drill;
pub mod error;
pub mod id;
pub mod index;
pub mod job;
pub mod keys;
pub mod manifest;
pub mod monitor;
pub mod run;
pub mod sealing;
pub mod store;
pub mod units;

pub use error::{Error, Kind, Result, ResultExt};
pub use id::{BackupId, DrillId, Name, RunId};
pub use job::Job;
pub use units::counted;

/// The version of the archive format that this release writes.
pub const FORMAT: u32 = 1;

/// What wrote a document: the tool and its version.
pub const TOOL: &str = concat!("lifeboat ", env!("CARGO_PKG_VERSION"));
