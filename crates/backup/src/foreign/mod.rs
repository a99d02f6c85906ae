//! Files that Lifeboat did not write: what `pg_dump` made, and what scripts made of that with gzip, zstd, gpg and openssl.
//!
//! Invariants: what a file is, its content says, never its name; the SQL that comes out ends without an error only when every
//! layer was read to its end and was whole; what was encrypted is never written to a disk in the clear; no passphrase is in an
//! argument or a child's environment.

mod by_hand;
mod compressed;
mod crlf;
mod flow;
mod form;
mod given;
mod gpg;
mod header;
mod layers;
mod options;
mod packets;
mod program;
mod remarks;
mod salted;
mod tar;

pub(crate) use by_hand::opened_by_hand;
pub(crate) use flow::Flow;
pub(crate) use given::Given;
pub use given::{Digested, ForeignFile};
pub(crate) use header::{Header, Made};
pub(crate) use layers::{Unpacked, unpack};
pub use options::ForeignOptions;
