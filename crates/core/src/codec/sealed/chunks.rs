//! Stored chunks in slices of any length, opened in their order.

use super::cipher::ChunkCipher;
use super::{STORED_CHUNK_BYTES, TAG_BYTES};
use crate::error::{Error, Kind, Result};

/// Opens chunks from one on, as their bytes come.
pub(super) struct Chunks {
    cipher: Box<ChunkCipher>,
    next: u64,
    /// The beginning of a chunk whose end has not come yet.
    pending: Vec<u8>,
    failed: bool,
}

impl Chunks {
    pub(super) fn new(cipher: ChunkCipher, first: u64) -> Self {
        Self { cipher: Box::new(cipher), next: first, pending: Vec::new(), failed: false }
    }

    /// Opens every whole chunk. One of full length is never the last, so nothing has to be held back.
    pub(super) fn push(&mut self, mut stored: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.check()?;
        while self.pending.len() + stored.len() >= STORED_CHUNK_BYTES {
            let (chunk, rest) = stored.split_at(STORED_CHUNK_BYTES - self.pending.len());
            stored = rest;
            self.open(chunk, out)?;
        }
        self.pending.extend_from_slice(stored);
        Ok(())
    }

    /// Opens what is left as the message's last chunk, which is always there.
    pub(super) fn finish_message(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.check()?;
        if self.pending.len() < TAG_BYTES {
            return self.fail("open a sealed object: it is cut, for it does not end with a last chunk");
        }
        self.open(&[], out)
    }

    /// Records that what was given cannot be right.
    pub(super) fn fail<T>(&mut self, text: &str) -> Result<T> {
        self.failed = true;
        Err(Error::new(Kind::Integrity, text))
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.failed {
            return Err(Error::new(Kind::Integrity, "open a sealed object of which an earlier part was refused"));
        }
        Ok(())
    }

    /// Opens the chunk that `rest` completes.
    fn open(&mut self, rest: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        out.extend_from_slice(&self.pending);
        out.extend_from_slice(rest);
        self.pending.clear();
        let opened = self.cipher.open(self.next, out, start);
        self.failed = opened.is_err();
        self.next += 1;
        opened
    }
}
