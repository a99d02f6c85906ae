//! Proves one range as its bytes pass: digest, length, and the rows' fingerprint.

use lifeboat_core::codec::{Compression, Decompressor, Digester, RowLines};
use lifeboat_core::index::{Content, Range};
use lifeboat_core::{Error, Kind, Result};

/// Takes a range's compressed bytes in order and gives its SQL bytes, unproven until [`RangeProof::finish`] says otherwise.
///
/// It holds nothing of the archive, so that it can be handed to another thread.
pub(crate) struct RangeProof {
    /// The object's name in the store.
    name: String,
    range: Range,
    digester: Digester,
    decompressor: Decompressor,
    lines: RowLines,
    missing: u64,
    sql_bytes: u64,
}

impl RangeProof {
    /// Of a range in the object of this name.
    pub(super) fn new(name: String, range: Range, compression: Compression) -> Self {
        Self {
            name,
            missing: range.bytes.length,
            range,
            digester: Digester::default(),
            decompressor: Decompressor::new(compression),
            lines: RowLines::default(),
            sql_bytes: 0,
        }
    }

    /// Compressed bytes that are still to come.
    pub(crate) fn missing(&self) -> usize {
        usize::try_from(self.missing).unwrap_or(usize::MAX)
    }

    /// Takes bytes from the front of `compressed`, which are of this range alone, and gives what they decompress to: a bounded
    /// amount. To be called until there are none.
    ///
    /// # Errors
    /// [`Integrity`](lifeboat_core::Kind::Integrity) when they are no members or hold a row that ends all rows.
    pub(crate) fn push(&mut self, compressed: &mut &[u8]) -> Result<Vec<u8>> {
        let before = *compressed;
        let sql = self.decompressor.push(compressed);
        let sql = sql.map_err(|error| unproven(&self.name, &self.range).caused_by(error))?;
        let taken = &before[..before.len() - compressed.len()];
        self.digester.update(taken);
        self.missing -= taken.len() as u64;
        self.note(&sql)?;
        Ok(sql)
    }

    /// What is left to decompress, when everything is proven.
    ///
    /// # Errors
    /// [`Integrity`](lifeboat_core::Kind::Integrity) naming the bytes that are not what was stored.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        let sql = self.decompressor.finish().map_err(|error| unproven(&self.name, &self.range).caused_by(error))?;
        self.note(&sql)?;
        let fingerprint = self.lines.take()?;
        let rows_agree = match &self.range.content {
            Content::Sql { .. } => true,
            Content::Rows(rows) => rows.fingerprint == fingerprint,
        };
        let bytes_agree =
            self.digester.take() == self.range.bytes.sha256 && self.sql_bytes == self.range.bytes.sql_bytes;
        if rows_agree && bytes_agree { Ok(sql) } else { Err(unproven(&self.name, &self.range)) }
    }

    fn note(&mut self, sql: &[u8]) -> Result<()> {
        self.sql_bytes += sql.len() as u64;
        match &self.range.content {
            Content::Sql { .. } => Ok(()),
            Content::Rows(_) => self.lines.push(sql),
        }
    }
}

/// The error of a range that is not what was stored, in the object of this name.
pub(super) fn unproven(name: &str, range: &Range) -> Error {
    let bytes = compressed_bytes(range);
    let doing = format!("prove {name}, bytes {} to {}: they are not what was stored", bytes.start, bytes.end);
    Error::new(Kind::Integrity, doing).hint("the backup is damaged: see `lifeboat list` for another one")
}

/// Where a range lies in its object.
pub(super) fn compressed_bytes(range: &Range) -> std::ops::Range<u64> {
    range.bytes.offset..range.bytes.offset.saturating_add(range.bytes.length)
}
