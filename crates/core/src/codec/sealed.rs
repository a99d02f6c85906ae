//! Sealed messages: [C2SP chunked-encryption](https://c2sp.org/chunked-encryption), instantiation Cobblestone-256, to
//! the byte.
//!
//! A message of any length is sealed under a 32-byte key and a context, as it comes and without knowing its length
//! beforehand, and opened again from its beginning or anywhere inside. Everything here is fed slices and fills
//! buffers; it knows neither stores nor backups, and any implementation of the standard opens what it seals.
//!
//! ```text
//! sealed message = salt (24 bytes) ‖ commitment (32) ‖ chunk 0 ‖ chunk 1 ‖ … ‖ last chunk
//! chunk          = AES-256-GCM of 16384 bytes of the message ‖ tag (16); the last, and it alone, has fewer, maybe none
//! ```
//!
//! Invariant: a byte leaves an opener only after the chunk that holds it was authenticated under the right key, the
//! right context and its own place in the message. A message that was cut, also between two chunks, or continued never
//! passes `finish`.
//!
//! ```
//! use lifeboat_core::codec::sealed::{Opener, Sealer};
//!
//! let (key, salt) = ([7; 32], [9; 24]); // both random, the salt anew for each message
//! let mut sealer = Sealer::new(&key, b"orders, 2026", salt);
//! let mut sealed = Vec::new();
//! sealer.push(b"one row\n", &mut sealed);
//! let header = sealer.finish(&mut sealed);
//!
//! let mut opener = Opener::new(&key, b"orders, 2026", &header)?;
//! let mut message = Vec::new();
//! opener.push(&sealed, &mut message)?;
//! opener.finish(&mut message)?;
//! assert_eq!(message, b"one row\n");
//! # Ok::<(), lifeboat_core::Error>(())
//! ```

mod chunks;
mod cipher;
mod header;
mod kdf;
mod length;
mod opener;
mod range;
mod sealer;
#[cfg(test)]
mod tests;

pub(crate) use kdf::expand;

pub use header::{COMMITMENT_BYTES, HEADER_BYTES, Header, SALT_BYTES};
pub use length::{message_length, stored_length, stored_range};
pub use opener::{Opener, open};
pub use range::RangeOpener;
pub use sealer::{Sealer, seal};

/// What one chunk holds of the message; the last holds less.
pub const CHUNK_BYTES: usize = 16 << 10;

/// What a chunk is longer for being sealed.
pub const TAG_BYTES: usize = 16;

/// A whole chunk as it is stored.
const STORED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

/// A message has at most this many chunks, 4 PiB: the standard's limit.
const MAX_CHUNKS: u64 = 1 << 38;
