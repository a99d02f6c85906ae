//! Writes one object: compresses, digests ranges and the whole, and cuts the stored bytes into parts.
//!
//! Invariant: [`ObjectWriter::end_range`] ends a gzip member, so a range can be fetched, proven and decompressed by
//! itself. Sealing, when it comes, stands between `Gzip` and the parts: ranges stay in gzip bytes.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Digester, Gzip, Sha256};
use crate::error::Result;

/// Takes the parts of an object, in order; may block to bound memory.
pub trait PartSink {
    /// One part; `last` is set on the object's last one, which alone may be shorter.
    ///
    /// # Errors
    /// When the object cannot be stored any more; the writer stops.
    fn part(&mut self, bytes: Bytes, last: bool) -> Result<()>;
}

/// Where a range lies in its object, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// First gzip byte.
    pub offset: u64,
    /// Number of gzip bytes.
    pub length: u64,
    /// Digest of those bytes.
    pub sha256: Sha256,
    /// How many SQL bytes they decompress to.
    pub sql_bytes: u64,
}

/// What an object turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenObject {
    /// Stored bytes.
    pub length: u64,
    /// Digest of the stored bytes.
    pub sha256: Sha256,
    /// SQL bytes before compression.
    pub sql_bytes: u64,
}

/// Writes SQL bytes into one object.
pub struct ObjectWriter<S> {
    sink: S,
    gzip: Gzip,
    part: Vec<u8>,
    part_bytes: usize,
    whole: Digester,
    range: Digester,
    range_start: u64,
    range_sql_bytes: u64,
    length: u64,
    sql_bytes: u64,
}

impl<S: PartSink> ObjectWriter<S> {
    /// An empty object whose parts, of `part_bytes` each, go to `sink`.
    pub fn new(sink: S, part_bytes: usize) -> Self {
        Self {
            sink,
            gzip: Gzip::new(),
            part: Vec::new(),
            part_bytes,
            whole: Digester::default(),
            range: Digester::default(),
            range_start: 0,
            range_sql_bytes: 0,
            length: 0,
            sql_bytes: 0,
        }
    }

    /// Compresses SQL bytes into the current range.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn write(&mut self, sql: &[u8]) -> Result<()> {
        self.gzip.write(sql)?;
        self.range_sql_bytes += sql.len() as u64;
        self.drain()
    }

    /// Ends the range, and its last member; an empty range is `None`.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn end_range(&mut self) -> Result<Option<ByteRange>> {
        if self.range_sql_bytes == 0 {
            return Ok(None);
        }
        self.gzip.end_member()?;
        self.drain()?;
        let range = ByteRange {
            offset: self.range_start,
            length: self.length - self.range_start,
            sha256: self.range.take(),
            sql_bytes: self.range_sql_bytes,
        };
        self.sql_bytes += self.range_sql_bytes;
        self.range_start = self.length;
        self.range_sql_bytes = 0;
        Ok(Some(range))
    }

    /// Ends the object with its last part. An object that is dropped unfinished never gets its last part, so the
    /// store never completes it.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn finish(mut self) -> Result<WrittenObject> {
        self.end_range()?;
        self.sink.part(Bytes::from(self.part), true)?;
        Ok(WrittenObject { length: self.length, sha256: self.whole.take(), sql_bytes: self.sql_bytes })
    }

    fn drain(&mut self) -> Result<()> {
        let gzip_bytes = std::mem::take(self.gzip.output());
        self.range.update(&gzip_bytes);
        self.whole.update(&gzip_bytes);
        self.length += gzip_bytes.len() as u64;
        self.cut_parts(&gzip_bytes)?;
        // The buffer goes back to the compressor, so that it is allocated once.
        *self.gzip.output() = gzip_bytes;
        self.gzip.output().clear();
        Ok(())
    }

    fn cut_parts(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            // A full part waits for the byte after it: only then is it known not to be the last.
            if self.part.len() == self.part_bytes {
                let full = std::mem::take(&mut self.part);
                self.sink.part(Bytes::from(full), false)?;
            }
            if self.part.capacity() == 0 {
                self.part.reserve_exact(self.part_bytes);
            }
            let room = self.part_bytes - self.part.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.part.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
