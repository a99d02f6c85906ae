//! Writes members: of 1 MiB of SQL bytes each, and each a gzip member (RFC 1952) or a zstd frame (RFC 8878), so that it can be
//! decompressed by itself.

use super::{Compression, gzip, zstd};
use crate::error::Result;

/// SQL bytes of a member; only the last before an [`Members::end_member`] is shorter.
pub const MEMBER_BYTES: usize = 1 << 20;

/// Compresses bytes into one member after another.
pub struct Members {
    compressor: Compressor,
    member: Vec<u8>,
    output: Vec<u8>,
}

enum Compressor {
    Gzip(gzip::Compressor),
    Zstd(zstd::Compressor),
}

impl Members {
    /// A writer at the start of a member.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        let compressor = match compression {
            Compression::Gzip => Compressor::Gzip(gzip::Compressor::default()),
            Compression::Zstd => Compressor::Zstd(zstd::Compressor::default()),
        };
        Self { compressor, member: Vec::new(), output: Vec::new() }
    }

    /// Spends as little time as can be, at the price of size.
    pub fn hurry(&mut self) {
        if let Compressor::Gzip(gzip) = &mut self.compressor {
            gzip.hurry();
        }
    }

    /// Takes SQL bytes; members that they fill are ended.
    ///
    /// # Errors
    /// [`Kind::Failure`](crate::Kind::Failure) when the compressor reports a fault of its own.
    pub fn write(&mut self, mut input: &[u8]) -> Result<()> {
        while self.member.len() + input.len() >= MEMBER_BYTES {
            let (now, later) = input.split_at(MEMBER_BYTES - self.member.len());
            if self.member.is_empty() {
                self.compressor.member(now, &mut self.output)?;
            } else {
                self.member.extend_from_slice(now);
                self.compress_member()?;
            }
            input = later;
        }
        self.member.extend_from_slice(input);
        Ok(())
    }

    /// Ends the current member, if it has begun; the next byte written begins another.
    ///
    /// # Errors
    /// As [`Members::write`].
    pub fn end_member(&mut self) -> Result<()> {
        self.compress_member()?;
        if let Compressor::Gzip(gzip) = &mut self.compressor {
            gzip.expect_other();
        }
        Ok(())
    }

    fn compress_member(&mut self) -> Result<()> {
        if !self.member.is_empty() {
            self.compressor.member(&self.member, &mut self.output)?;
            self.member.clear();
        }
        Ok(())
    }

    /// The members ended since it was last cleared.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }
}

impl Compressor {
    /// Appends `input` as one member to `output`.
    fn member(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Gzip(gzip) => gzip.member(input, output),
            Self::Zstd(zstd) => zstd.member(input, output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MEMBER_BYTES, Members};
    use crate::codec::{Compression, decompress};

    fn every_compression(test: impl Fn(Compression)) {
        [Compression::Gzip, Compression::Zstd].into_iter().for_each(test);
    }

    #[test]
    fn members_can_be_read_alone_and_together() {
        every_compression(|compression| {
            let mut members = Members::new(compression);
            members.write(b"first ").unwrap();
            members.write(b"member").unwrap();
            members.end_member().unwrap();
            let first = members.output().len();
            members.write(b", second member").unwrap();
            members.end_member().unwrap();
            let bytes = members.output().clone();
            assert_eq!(decompress(compression, &bytes[..first]).unwrap(), b"first member");
            assert_eq!(decompress(compression, &bytes[first..]).unwrap(), b", second member");
            assert_eq!(decompress(compression, &bytes).unwrap(), b"first member, second member");
        });
    }

    #[test]
    fn long_input_of_any_kind_comes_back_whole() {
        let mut sql = Vec::new();
        let mut state = 1_u64;
        while sql.len() < 3 * MEMBER_BYTES {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let prose = format!("{}\tthe order of customer {} is pending\n", state >> 60, state >> 50);
            let noise = format!("\\\\x{state:016x}{:016x}\n", state.rotate_left(17));
            sql.extend_from_slice(if sql.len() / MEMBER_BYTES == 1 { noise.as_bytes() } else { prose.as_bytes() });
        }
        every_compression(|compression| {
            let mut members = Members::new(compression);
            sql.chunks(70_001).for_each(|slice| members.write(slice).unwrap());
            members.end_member().unwrap();
            assert!(decompress(compression, members.output()).unwrap() == sql);
        });
    }

    #[test]
    fn in_a_hurry_members_are_whole() {
        let line = |n| format!("{n}\tthe order of customer {n} is pending\n").into_bytes();
        let sql: Vec<u8> = (0..60_000).flat_map(line).collect();
        let mut members = Members::new(Compression::Gzip);
        members.hurry();
        members.write(&sql).unwrap();
        members.end_member().unwrap();
        assert!(decompress(Compression::Gzip, members.output()).unwrap() == sql);
    }

    #[test]
    fn ending_a_member_that_has_not_begun_writes_nothing() {
        every_compression(|compression| {
            let mut members = Members::new(compression);
            members.end_member().unwrap();
            assert!(members.output().is_empty());
        });
    }
}
