//! From SQL bytes to stored bytes and back, without IO: every type here is fed slices and gives slices.
//!
//! ```text
//! SQL bytes ─> Gzip (members) ─> ObjectWriter (range and object digests, parts) ─> a PartSink
//! stored bytes ─> Digester ─> Gunzip ─> SQL bytes
//! ```
//!
//! Invariant: whatever leaves through a [`PartSink`] has been digested, and a range begins and ends with a gzip member.

mod digest;
mod fingerprint;
mod gunzip;
mod gzip;
pub mod sealed;
mod writer;

pub use digest::{Digester, Sha256};
pub use fingerprint::{Fingerprint, RowLines};
pub use gunzip::{Gunzip, STEP_BYTES, gunzip};
pub use gzip::{Gzip, MEMBER_BYTES};
pub use writer::{ByteRange, ObjectWriter, PartSink, WrittenObject};

/// The size of every part of an object but the last: 16 MiB.
pub const PART_BYTES: usize = 16 << 20;
