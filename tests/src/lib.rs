//! What the tests stand on: real servers, a network that fails on demand, and oracles that share no code with Lifeboat.
//!
//! Servers start once and serve every test of a run, whichever runner is used; when the last test process is gone, however
//! it ended, so are they ([`guard`]). A test takes a database and a prefix of its own and needs no other isolation. What
//! must be broken (a server, a certificate, a network) is started by the test that breaks it.
//!
//! A server that is missing fails the test, and is never a reason to skip it. Tests of servers that only a long run fetches are
//! ignored in any other, and counted so. A few need root, which CI has (small file systems, other accounts): without it they do
//! nothing, pass, and say `NOT TESTED` on stderr.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "this library serves tests only: whatever fails here is a failed test"
)]

pub mod browser;
pub mod canary;
pub mod ciphertexts;
pub mod compare;
pub mod depot;
pub mod docker;
pub mod files;
pub mod fixtures;
pub mod foreign;
pub mod guard;
pub mod inventory;
pub mod keyring;
pub mod kills;
pub mod lifeboat;
pub mod made;
pub mod places;
pub mod proxy;
pub mod recover;
pub mod relay;
pub mod runtime;
pub mod scratch;
pub mod servers;
pub mod session;
pub mod stock;
pub mod sweep;
pub mod terminal;
pub mod watched;
pub mod way;

pub use depot::{Backup, Depot};
pub use files::{Files, files};
pub use inventory::Bucket;
pub use lifeboat::{Lifeboat, NAME, Outcome, Running};
pub use proxy::{Fault, Proxy, When};
pub use runtime::run;
pub use scratch::unused_name;
pub use servers::postgres::{Database, Major, Postgres};
pub use servers::seaweed::{Identity, Seaweed};
pub use session::PATIENCE;
pub use way::Way;
