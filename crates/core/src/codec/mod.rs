//! From SQL bytes to stored bytes and back, without IO: every type here is fed slices and gives slices.
//!
//! ```text
//! SQL bytes ─> ObjectWriter (Gzip members, range digests) ─> StoredWriter (Sealer, object digest, parts) ─> a PartSink
//! stored bytes ─> Opener or RangeOpener ─> Digester ─> Gunzip ─> SQL bytes
//! ```
//!
//! Invariant: whatever leaves through a [`PartSink`] has been digested, and a range begins and ends with a gzip member.

mod digest;
mod fingerprint;
mod gunzip;
mod gzip;
pub mod sealed;
mod stored;
mod writer;

pub use digest::{Digester, Sha256};
pub use fingerprint::{Fingerprint, RowLines};
pub use gunzip::{Gunzip, STEP_BYTES, gunzip};
pub use gzip::{Gzip, MEMBER_BYTES};
pub use stored::{PartSink, StoredWriter, WrittenBytes};
pub use writer::{ByteRange, ObjectWriter, WrittenObject};

/// The size of every part of an object but the last: 16 MiB.
pub const PART_BYTES: usize = 16 << 20;
