//! From SQL bytes to stored bytes and back, without IO: every type here is fed slices and gives slices.
//!
//! ```text
//! SQL bytes ─> ObjectWriter (Members, range digests) ─> StoredWriter (Sealer, object digest, parts) ─> a PartSink
//! stored bytes ─> Opener or RangeOpener ─> Digester ─> Decompressor ─> SQL bytes
//! ```
//!
//! Invariant: whatever leaves through a [`PartSink`] has been digested, and a range begins and ends with a member: one
//! of gzip, or a zstd frame.

mod compression;
mod decompressor;
mod digest;
mod fingerprint;
mod gunzip;
mod gzip;
mod members;
pub mod sealed;
mod stored;
mod writer;
mod zstd;

pub use compression::Compression;
pub use decompressor::{Decompressor, decompress, gunzip};
pub use digest::{Digester, Sha256};
pub use fingerprint::{Fingerprint, RowLines};
use gunzip::Gunzip;
pub use members::{MEMBER_BYTES, Members};
pub use stored::{PartSink, StoredWriter, WrittenBytes};
pub use writer::{ByteRange, ObjectWriter, WrittenObject};

/// The size of every part of an object but the last: 16 MiB.
pub const PART_BYTES: usize = 16 << 20;
