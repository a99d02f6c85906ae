//! Opens a message from its beginning.

use std::fmt;

use zeroize::Zeroizing;

use super::chunks::Chunks;
use super::cipher::{ChunkCipher, KEY_BYTES};
use super::header::{HEADER_BYTES, Header};
use crate::error::{Error, Kind, Result};

/// Opens a sealed message as its stored bytes come, from the first. What it gives has been authenticated; only
/// [`Opener::finish`] says that it is the whole message.
///
/// After an error it refuses everything.
pub struct Opener {
    stage: Stage,
    /// The header as far as it has come.
    begun: Vec<u8>,
}

enum Stage {
    /// The stored bytes must begin with this header, which is proven.
    Expecting(Header, Chunks),
    /// The stored bytes tell the header.
    Reading {
        key: Zeroizing<[u8; KEY_BYTES]>,
        context: Vec<u8>,
    },
    Opening(Chunks),
    Failed,
}

impl Opener {
    /// An opener of the message that begins with `header`, known from elsewhere.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the header's commitment is to another key or context: before anything is fetched.
    pub fn new(key: &[u8; 32], context: &[u8], header: &Header) -> Result<Self> {
        let chunks = Chunks::new(ChunkCipher::proven(key, context, header)?, 0);
        Ok(Self { stage: Stage::Expecting(header.clone(), chunks), begun: Vec::new() })
    }

    /// An opener of a message that tells its header itself.
    #[must_use]
    pub fn reading_header(key: &[u8; 32], context: &[u8]) -> Self {
        let stage = Stage::Reading { key: Zeroizing::new(*key), context: context.to_vec() };
        Self { stage, begun: Vec::new() }
    }

    /// Takes the next stored bytes and appends what they open to.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when they are not the message's; `out` then ends with the last chunk before.
    pub fn push(&mut self, stored: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let rest = self.take_header(stored)?;
        match &mut self.stage {
            Stage::Opening(chunks) => chunks.push(rest, out),
            _ => Ok(()),
        }
    }

    /// Appends the end of the message.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the stored bytes were cut, wherever, or continued.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<()> {
        match self.stage {
            Stage::Opening(mut chunks) => chunks.finish_message(out),
            Stage::Failed => refused(),
            _ => Err(Error::new(Kind::Integrity, "open a sealed object: it is cut within its first 56 bytes")),
        }
    }

    /// Goes on to the chunks when the header is complete, and gives what follows it.
    fn take_header<'a>(&mut self, stored: &'a [u8]) -> Result<&'a [u8]> {
        match self.stage {
            Stage::Opening(_) => return Ok(stored),
            Stage::Failed => return refused(),
            _ => {}
        }
        let (head, rest) = stored.split_at(stored.len().min(HEADER_BYTES - self.begun.len()));
        self.begun.extend_from_slice(head);
        if let Ok(bytes) = self.begun.as_slice().try_into() {
            let found = Header::from_bytes(bytes);
            // An error leaves `Failed` behind.
            let stage = std::mem::replace(&mut self.stage, Stage::Failed);
            self.stage = Stage::Opening(stage.chunks(&found)?);
        }
        Ok(rest)
    }
}

impl Stage {
    fn chunks(self, found: &Header) -> Result<Chunks> {
        match self {
            Self::Expecting(expected, chunks) if expected == *found => Ok(chunks),
            Self::Expecting(..) => Err(Error::new(
                Kind::Integrity,
                "open a sealed object: its first bytes are not those that were recorded",
            )),
            Self::Reading { key, context } => Ok(Chunks::new(ChunkCipher::proven(&key, &context, found)?, 0)),
            Self::Opening(_) | Self::Failed => refused(),
        }
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").finish_non_exhaustive()
    }
}

fn refused<T>() -> Result<T> {
    Err(Error::new(Kind::Integrity, "open a sealed object of which an earlier part was refused"))
}

/// Opens a whole message that tells its header itself.
///
/// # Errors
/// [`Kind::Integrity`] when it is not one sealed under this key and context, or not all of it.
pub fn open(key: &[u8; 32], context: &[u8], stored: &[u8]) -> Result<Vec<u8>> {
    let mut message = Vec::with_capacity(stored.len());
    let mut opener = Opener::reading_header(key, context);
    opener.push(stored, &mut message)?;
    opener.finish(&mut message)?;
    Ok(message)
}
