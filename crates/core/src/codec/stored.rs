//! From compressed bytes to the parts of one stored object: seals them, digests what comes out, cuts it.
//!
//! Invariant: the digest is of the bytes that the sink was given, in order, all of them.

use bytes::Bytes;

use super::sealed::{Header, Sealer};
use super::{Digester, PART_BYTES, Sha256};
use crate::error::Result;

/// Takes the parts of an object, in order; may block to bound memory.
pub trait PartSink {
    /// One part; `last` is set on the object's last one, which alone may be shorter.
    ///
    /// # Errors
    /// When the object cannot be stored any more; the writer stops.
    fn part(&mut self, bytes: Bytes, last: bool) -> Result<()>;
}

/// What a stored object turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenBytes {
    /// Stored bytes.
    pub length: u64,
    /// Digest of the stored bytes.
    pub sha256: Sha256,
    /// The first stored bytes of a sealed object.
    pub seal: Option<Header>,
}

/// Writes compressed bytes into one stored object.
pub struct StoredWriter<S> {
    sealing: Option<Sealing>,
    parts: Parts<S>,
}

/// Compressed bytes on their way to stored bytes.
struct Sealing {
    sealer: Sealer,
    stored: Vec<u8>,
}

/// Stored bytes, cut.
struct Parts<S> {
    sink: S,
    part: Vec<u8>,
    part_bytes: usize,
    whole: Digester,
    length: u64,
}

impl<S: PartSink> StoredWriter<S> {
    /// An empty object whose parts, of `part_bytes` each, go to `sink`, sealed where there is a `sealer`.
    pub fn new(sink: S, part_bytes: usize, sealer: Option<Sealer>) -> Self {
        let sealing = sealer.map(|sealer| Sealing { sealer, stored: Vec::new() });
        Self { sealing, parts: Parts { sink, part: Vec::new(), part_bytes, whole: Digester::default(), length: 0 } }
    }

    /// Takes the next compressed bytes.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn push(&mut self, compressed_bytes: &[u8]) -> Result<()> {
        let Some(Sealing { sealer, stored }) = &mut self.sealing else { return self.parts.push(compressed_bytes) };
        sealer.push(compressed_bytes, stored);
        self.parts.push(stored)?;
        stored.clear();
        Ok(())
    }

    /// Ends the object with its last part. One that is dropped unfinished never gets it, so the store never completes it.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn finish(mut self) -> Result<WrittenBytes> {
        let mut seal = None;
        if let Some(Sealing { sealer, mut stored }) = self.sealing {
            seal = Some(sealer.finish(&mut stored));
            self.parts.push(&stored)?;
        }
        let (length, sha256) = self.parts.finish()?;
        Ok(WrittenBytes { length, sha256, seal })
    }
}

impl<S: PartSink> Parts<S> {
    fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.whole.update(bytes);
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            // A full part waits for the byte after it: only then is it known not to be the last.
            if self.part.len() == self.part_bytes {
                let full = std::mem::take(&mut self.part);
                self.sink.part(Bytes::from(full), false)?;
            }
            if self.part.capacity() == 0 {
                self.part.reserve_exact(self.part_bytes.min(PART_BYTES));
            }
            let room = self.part_bytes - self.part.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.part.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(u64, Sha256)> {
        self.sink.part(Bytes::from(self.part), true)?;
        Ok((self.length, self.whole.take()))
    }
}
