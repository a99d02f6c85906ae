//! Writes one object: compresses, and digests ranges; a [`StoredWriter`] does the rest.
//!
//! Invariant: [`ObjectWriter::end_range`] ends a member, so a range can be fetched, proven and decompressed by
//! itself. Ranges are counted in compressed bytes, sealed or not.

use serde::{Deserialize, Serialize};

use super::sealed::{Header, Sealer};
use super::{Compression, Digester, Members, PartSink, Sha256, StoredWriter, WrittenBytes};
use crate::error::Result;

/// Where a range lies in its object, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteRange {
    /// First compressed byte.
    pub offset: u64,
    /// Number of compressed bytes.
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
    /// The first stored bytes of a sealed object.
    pub seal: Option<Header>,
}

/// Writes SQL bytes into one object.
pub struct ObjectWriter<S> {
    members: Members,
    range: Digester,
    range_start: u64,
    range_sql_bytes: u64,
    compressed_bytes: u64,
    sql_bytes: u64,
    stored: StoredWriter<S>,
}

impl<S: PartSink> ObjectWriter<S> {
    /// An empty object whose parts, of `part_bytes` each, go to `sink`, sealed where there is a `sealer`.
    pub fn new(sink: S, part_bytes: usize, compression: Compression, sealer: Option<Sealer>) -> Self {
        Self {
            members: Members::new(compression),
            range: Digester::default(),
            range_start: 0,
            range_sql_bytes: 0,
            compressed_bytes: 0,
            sql_bytes: 0,
            stored: StoredWriter::new(sink, part_bytes, sealer),
        }
    }

    /// Spends as little time on compressing as can be, at the price of size.
    #[must_use]
    pub fn in_a_hurry(mut self) -> Self {
        self.members.hurry();
        self
    }

    /// Compresses SQL bytes into the current range.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn write(&mut self, sql: &[u8]) -> Result<()> {
        self.members.write(sql)?;
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
        self.members.end_member()?;
        self.drain()?;
        let range = ByteRange {
            offset: self.range_start,
            length: self.compressed_bytes - self.range_start,
            sha256: self.range.take(),
            sql_bytes: self.range_sql_bytes,
        };
        self.sql_bytes += self.range_sql_bytes;
        self.range_start = self.compressed_bytes;
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
        let WrittenBytes { length, sha256, seal } = self.stored.finish()?;
        Ok(WrittenObject { length, sha256, sql_bytes: self.sql_bytes, seal })
    }

    fn drain(&mut self) -> Result<()> {
        let compressed_bytes = self.members.output();
        self.range.update(compressed_bytes);
        self.compressed_bytes += compressed_bytes.len() as u64;
        self.stored.push(compressed_bytes)?;
        compressed_bytes.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
