//! The fingerprint of a table: what its rows are, whatever their order.
//!
//! A sum, not an exclusive-or: two equal rows must not cancel each other. It proves equality of content against
//! accidents; proof against forgery is the business of digests and signatures.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

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

impl AddAssign for Fingerprint {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
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
    use super::Fingerprint;

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
    fn the_stored_form_is_the_one_docs_format_md_gives() {
        let json = serde_json::to_string(&of(&[""])).unwrap();
        assert_eq!(json, r#"{"rows":1,"bytes":0,"sum":"99aa06d3014798d86001c324468d497f"}"#);
        assert_eq!(serde_json::from_str::<Fingerprint>(&json).unwrap(), of(&[""]));
    }
}
