//! The fingerprint of a table: what its rows are, whatever their order.
//!
//! A sum, not an exclusive-or: two equal rows must not cancel each other. It proves equality of content against
//! accidents; proof against forgery is the business of digests and signatures.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Error, Kind, Result};

/// Row count, byte count and the sum modulo 2^128 of XXH3-128 (seed 0) of each COPY text line without its newline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Number of rows.
    pub rows: u64,
    /// Bytes of all lines, newlines not counted.
    pub bytes: u64,
    /// The sum of the hashes; 32 lower-case hexadecimal digits as text.
    #[serde(with = "hex_u128")]
    pub sum: u128,
}

impl Fingerprint {
    /// Adds one COPY text line, given without its newline.
    #[inline]
    pub fn add_line(&mut self, line: &[u8]) {
        self.rows += 1;
        self.bytes += line.len() as u64;
        self.sum = self.sum.wrapping_add(xxh3_128(line));
    }
}

/// Fingerprints COPY text that comes in slices of any size; a row is copied only where slices meet.
#[derive(Clone, Debug, Default)]
pub struct RowLines {
    fingerprint: Fingerprint,
    unfinished: Vec<u8>,
}

impl RowLines {
    /// Adds rows, each ended by a newline; the last may be continued by the next slice.
    ///
    /// # Errors
    /// [`Kind::Integrity`] for a row `\.`: the server would take it for the end of all rows.
    pub fn push(&mut self, rows: &[u8]) -> Result<()> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', rows) {
            self.line(&rows[start..end])?;
            start = end + 1;
        }
        self.unfinished.extend_from_slice(&rows[start..]);
        Ok(())
    }

    /// Whether the rows so far end with a newline.
    #[must_use]
    pub(crate) fn at_row_end(&self) -> bool {
        self.unfinished.is_empty()
    }

    /// The whole rows so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.fingerprint.rows
    }

    /// The fingerprint of the rows so far, which begin anew.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the last row has no newline.
    pub fn take(&mut self) -> Result<Fingerprint> {
        if self.at_row_end() {
            return Ok(std::mem::take(&mut self.fingerprint));
        }
        Err(Error::new(Kind::Integrity, "read the last row: it has no end"))
    }

    fn line(&mut self, end: &[u8]) -> Result<()> {
        if self.unfinished.is_empty() {
            return self.whole_line(end);
        }
        self.unfinished.extend_from_slice(end);
        let mut line = std::mem::take(&mut self.unfinished);
        self.whole_line(&line)?;
        line.clear();
        self.unfinished = line;
        Ok(())
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<()> {
        if line == b"\\." {
            return Err(Error::new(Kind::Integrity, r"read a row that is `\.`, the mark of the last row"));
        }
        self.fingerprint.add_line(line);
        Ok(())
    }
}

impl AddAssign for Fingerprint {
    fn add_assign(&mut self, other: Self) {
        // No database has so many rows, but an index may claim it.
        self.rows = self.rows.saturating_add(other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

mod hex_u128 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(sum: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{sum:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() != 32 {
            return Err(de::Error::custom("a fingerprint's sum has 32 hexadecimal digits"));
        }
        u128::from_str_radix(&text, 16).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fingerprint, RowLines};

    fn of(lines: &[&str]) -> Fingerprint {
        let mut fingerprint = Fingerprint::default();
        for line in lines {
            fingerprint.add_line(line.as_bytes());
        }
        fingerprint
    }

    #[test]
    fn the_order_of_rows_does_not_matter_and_their_number_does() {
        assert_eq!(of(&["1\ta", "2\tb", "2\tb"]), of(&["2\tb", "1\ta", "2\tb"]));
        assert_ne!(of(&["1\ta", "2\tb", "2\tb"]).sum, of(&["1\ta"]).sum);
        assert_ne!(of(&["ab", "c"]).sum, of(&["a", "bc"]).sum);
    }

    #[test]
    fn parts_of_a_table_add_up_to_the_table() {
        let mut sum = of(&["1", "2"]);
        sum += of(&["3"]);
        assert_eq!(sum, of(&["3", "1", "2"]));
    }

    #[test]
    fn rows_in_slices_are_the_same_rows() {
        let rows = b"1\ta\n\n22\tbb\n";
        for size in 1..=rows.len() {
            let mut lines = RowLines::default();
            rows.chunks(size).for_each(|slice| lines.push(slice).unwrap());
            assert_eq!(lines.take().unwrap(), of(&["1\ta", "", "22\tbb"]), "slices of {size}");
        }
    }

    #[test]
    fn a_row_without_end_and_a_row_that_ends_all_rows_are_refused() {
        let mut lines = RowLines::default();
        lines.push(b"1\n2").unwrap();
        assert!(lines.take().is_err());
        assert!(RowLines::default().push(b"1\n\\.\n").is_err());
    }

    #[test]
    fn the_stored_form_is_the_one_docs_format_md_gives() {
        let json = serde_json::to_string(&of(&[""])).unwrap();
        assert_eq!(json, r#"{"rows":1,"bytes":0,"sum":"99aa06d3014798d86001c324468d497f"}"#);
        assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), of(&[""]));
    }
}
