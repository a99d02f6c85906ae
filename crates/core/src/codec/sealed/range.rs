//! Opens a range of a message without the rest.

use std::fmt;
use std::ops::Range;

use super::chunks::Chunks;
use super::cipher::ChunkCipher;
use super::header::Header;
use super::{CHUNK_BYTES, stored_range};
use crate::error::Result;

/// Opens one range of a sealed message from the stored bytes of [`RangeOpener::stored`]. What it gives has been
/// authenticated and is of the range alone; only [`RangeOpener::finish`] says that it is all of the range.
///
/// Where the message ends is the caller's word: give the stored length of a document that is proven itself.
pub struct RangeOpener {
    chunks: Chunks,
    stored: Range<u64>,
    /// Stored bytes still to come.
    awaited: u64,
    /// Bytes before the range in its first chunk.
    skip: usize,
    /// Bytes of the range still to give.
    left: u64,
    /// Whether the last chunk is among its chunks.
    ends_message: bool,
}

impl RangeOpener {
    /// An opener of `message`, a range of the message that begins with `header` and has `stored_length` bytes stored.
    ///
    /// # Errors
    /// [`Kind::Integrity`](crate::Kind::Integrity) when the header's commitment is to another key or context, or when
    /// there is no such range: before anything is fetched.
    pub fn new(
        key: &[u8; 32],
        context: &[u8],
        header: &Header,
        stored_length: u64,
        message: Range<u64>,
    ) -> Result<Self> {
        let cipher = ChunkCipher::proven(key, context, header)?;
        let stored = stored_range(message.clone(), stored_length)?;
        Ok(Self {
            chunks: Chunks::new(cipher, message.start / CHUNK_BYTES as u64),
            awaited: stored.end - stored.start,
            skip: (message.start % CHUNK_BYTES as u64) as usize,
            left: message.end - message.start,
            ends_message: stored.end == stored_length && !message.is_empty(),
            stored,
        })
    }

    /// The stored bytes to fetch, counted from the header's first: whole chunks.
    #[must_use]
    pub fn stored(&self) -> Range<u64> {
        self.stored.clone()
    }

    /// Takes the next of the stored bytes and appends what of the range they open to.
    ///
    /// # Errors
    /// [`Kind::Integrity`](crate::Kind::Integrity) when they are not the message's or too many; `out` then ends with
    /// the last chunk before.
    pub fn push(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.chunks.check()?;
        let Some(awaited) = self.awaited.checked_sub(stored.len() as u64) else {
            return self.chunks.fail("open part of a sealed object: more bytes came than were asked for");
        };
        self.awaited = awaited;
        let start = out.len();
        let pushed = self.chunks.push(stored, out);
        self.cut(out, start);
        pushed
    }

    /// Appends the end of the range.
    ///
    /// # Errors
    /// [`Kind::Integrity`](crate::Kind::Integrity) when bytes are missing.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<()> {
        self.chunks.check()?;
        if self.awaited > 0 {
            return self.chunks.fail("open part of a sealed object: fewer bytes came than were asked for");
        }
        if self.ends_message {
            let start = out.len();
            self.chunks.finish_message(out)?;
            self.cut(out, start);
        }
        Ok(())
    }

    /// Leaves of the opened bytes from `start` on those of the range.
    fn cut(&mut self, out: &mut Vec<u8>, start: usize) {
        let skipped = self.skip.min(out.len() - start);
        out.drain(start..start + skipped);
        self.skip -= skipped;
        let given = (out.len() - start).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        out.truncate(start + given);
        self.left -= given as u64;
    }
}

impl fmt::Debug for RangeOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeOpener").field("stored", &self.stored).finish_non_exhaustive()
    }
}
