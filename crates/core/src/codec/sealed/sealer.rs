//! Seals a message.

use std::fmt;

use super::cipher::ChunkCipher;
use super::header::Header;
use super::{CHUNK_BYTES, HEADER_BYTES, STORED_CHUNK_BYTES, stored_length};

/// Seals a message as it comes.
///
/// Without [`Sealer::finish`] no opener takes what it gave for a whole message.
pub struct Sealer {
    cipher: Box<ChunkCipher>,
    header: Header,
    started: bool,
    next: u64,
    /// The beginning of a chunk that is not full yet.
    pending: Vec<u8>,
}

impl Sealer {
    /// A sealer of one message. The salt must be random, and another one for each message under this key: two messages
    /// with one salt and context would share their key and nonces.
    #[must_use]
    pub fn new(key: &[u8; 32], context: &[u8], salt: [u8; 24]) -> Self {
        let (cipher, header) = ChunkCipher::derive(key, context, salt);
        Self { cipher: Box::new(cipher), header, started: false, next: 0, pending: Vec::new() }
    }

    /// What the stored bytes begin with.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Takes the next bytes of the message and appends what is to be stored: the header first, then every chunk that is
    /// full. A full one is never the last, so it need not wait.
    ///
    /// # Panics
    /// After 4 PiB.
    pub fn push(&mut self, mut message: &[u8], out: &mut Vec<u8>) {
        self.start(out);
        let chunks = (self.pending.len() + message.len()) / CHUNK_BYTES;
        out.reserve(chunks * STORED_CHUNK_BYTES);
        for _ in 0..chunks {
            let (chunk, rest) = message.split_at(CHUNK_BYTES - self.pending.len());
            message = rest;
            self.seal(chunk, out);
        }
        self.pending.extend_from_slice(message);
    }

    /// Appends the last chunk, which is there also when it is empty, and gives the header. What is not finished does
    /// not open.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Header {
        self.start(out);
        self.seal(&[], out);
        self.header
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !self.started {
            out.reserve(HEADER_BYTES);
            out.extend_from_slice(&self.header.to_bytes());
            self.started = true;
        }
    }

    /// Seals the chunk that `rest` completes.
    fn seal(&mut self, rest: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.pending);
        out.extend_from_slice(rest);
        self.pending.clear();
        let tag = self.cipher.seal(self.next, &mut out[start..]);
        out.extend_from_slice(&tag);
        self.next += 1;
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("header", &self.header).finish_non_exhaustive()
    }
}

/// Seals a whole message; see [`Sealer::new`] for the salt.
#[must_use]
pub fn seal(key: &[u8; 32], context: &[u8], salt: [u8; 24], message: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::new(key, context, salt);
    let mut stored = Vec::with_capacity(usize::try_from(stored_length(message.len() as u64)).unwrap_or_default());
    sealer.push(message, &mut stored);
    sealer.finish(&mut stored);
    stored
}
