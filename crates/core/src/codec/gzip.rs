//! Writes gzip members (RFC 1952) of 4 MiB of SQL bytes each.
//!
//! With the feature `isa-l`, the default, two compressors share the work: ISA-L, the fastest there is, and libdeflate for the
//! members that it makes much smaller, such as prose; a sample of each member decides. Without the feature flate2 writes all of
//! them, in pure Rust. `docs/gzip-writer.md` has the measurements. Every gunzip reads the members of all three.

use crate::error::Result;

#[cfg(feature = "isa-l")]
use adaptive::Compressor;
#[cfg(not(feature = "isa-l"))]
use pure::Compressor;

/// SQL bytes of a member; only the last before an [`Gzip::end_member`] is shorter.
pub const MEMBER_BYTES: usize = 4 << 20;

/// Compresses bytes into one gzip member after another.
#[derive(Default)]
pub struct Gzip {
    compressor: Compressor,
    member: Vec<u8>,
    output: Vec<u8>,
}

impl Gzip {
    /// A writer at the start of a member.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes SQL bytes; members that they fill are ended.
    ///
    /// # Errors
    /// [`Kind::Failure`](crate::Kind::Failure) when the compressor reports a fault of its own.
    pub fn write(&mut self, mut input: &[u8]) -> Result<()> {
        while self.member.len() + input.len() >= MEMBER_BYTES {
            let (now, later) = input.split_at(MEMBER_BYTES - self.member.len());
            self.member.extend_from_slice(now);
            self.end_member()?;
            input = later;
        }
        self.member.extend_from_slice(input);
        Ok(())
    }

    /// Ends the current member, if it has begun; the next byte written begins another.
    ///
    /// # Errors
    /// As [`Gzip::write`].
    pub fn end_member(&mut self) -> Result<()> {
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

#[cfg(feature = "isa-l")]
mod adaptive {
    use std::io::Write as _;

    use isal::write::GzipEncoder;
    use libdeflater::{CompressionLvl, Compressor as Deflate};

    use crate::error::{Kind, Result, ResultExt};

    /// The two compressors; neither can change its thread.
    pub(super) struct Compressor {
        /// Boxed: its tables are 80 KiB, and writers are moved.
        fast: Box<GzipEncoder<Vec<u8>>>,
        dense: Deflate,
    }

    impl Default for Compressor {
        fn default() -> Self {
            let level = CompressionLvl::new(DENSE_LEVEL).expect("libdeflate has levels 0 to 12");
            let fast = Box::new(GzipEncoder::new(Vec::new(), isal::CompressionLevel::One));
            Self { fast, dense: Deflate::new(level) }
        }
    }

    impl Compressor {
        /// Appends `input` as one member to `output`.
        pub(super) fn member(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
            if self.is_worth_the_time(input, output)? { self.dense(input, output) } else { self.fast(input, output) }
        }

        fn is_worth_the_time(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<bool> {
            if input.len() < SMALL_BYTES {
                return Ok(true);
            }
            let middle = input.len() / 2;
            let sample = &input[middle..middle + SAMPLE_BYTES];
            let start = output.len();
            self.fast(sample, output)?;
            let fast = output.len() - start;
            output.truncate(start);
            self.dense(sample, output)?;
            let dense = output.len() - start;
            output.truncate(start);
            Ok(dense * 100 < fast * WORTH_PERCENT)
        }

        fn fast(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
            std::mem::swap(self.fast.get_ref_mut(), output);
            let written = self.fast.write_all(input).and_then(|()| self.fast.flush());
            std::mem::swap(self.fast.get_ref_mut(), output);
            written.kind_of(Kind::Failure, || "compress with ISA-L".into())
        }

        fn dense(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
            let start = output.len();
            output.resize(start + self.dense.gzip_compress_bound(input.len()), 0);
            let length = self
                .dense
                .gzip_compress(input, &mut output[start..])
                .map_err(|error| error.to_string())
                .kind_of(Kind::Failure, || "compress with libdeflate".into())?;
            output.truncate(start + length);
            Ok(())
        }
    }

    const DENSE_LEVEL: i32 = 3;
    /// A member goes to libdeflate when that makes it smaller than this.
    const WORTH_PERCENT: usize = 90;
    const SAMPLE_BYTES: usize = 64 << 10;
    /// Too small to take time.
    const SMALL_BYTES: usize = 256 << 10;
}

#[cfg(not(feature = "isa-l"))]
mod pure {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use crate::error::{Kind, Result, ResultExt};

    #[derive(Default)]
    pub(super) struct Compressor;

    impl Compressor {
        /// Appends `input` as one member to `output`.
        #[expect(clippy::unused_self, reason = "the other compressor has a state")]
        pub(super) fn member(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
            let mut encoder = GzEncoder::new(output, LEVEL);
            let written = encoder.write_all(input).and_then(|()| encoder.try_finish());
            written.kind_of(Kind::Failure, || "compress with flate2".into())
        }
    }

    /// Level 3 of zlib-rs is the fastest whose size stays within 1.03 of `gzip -6`.
    const LEVEL: Compression = Compression::new(3);
}

#[cfg(test)]
mod tests {
    use super::{Gzip, MEMBER_BYTES};
    use crate::codec::gunzip;

    #[test]
    fn members_can_be_read_alone_and_together() {
        let mut gzip = Gzip::new();
        gzip.write(b"first ").unwrap();
        gzip.write(b"member").unwrap();
        gzip.end_member().unwrap();
        let first = gzip.output().len();
        gzip.write(b", second member").unwrap();
        gzip.end_member().unwrap();
        let bytes = gzip.output().clone();
        assert_eq!(gunzip(&bytes[..first]).unwrap(), b"first member");
        assert_eq!(gunzip(&bytes[first..]).unwrap(), b", second member");
        assert_eq!(gunzip(&bytes).unwrap(), b"first member, second member");
    }

    #[test]
    fn long_input_of_any_kind_comes_back_whole() {
        let mut gzip = Gzip::new();
        let mut sql = Vec::new();
        let mut state = 1_u64;
        while sql.len() < 3 * MEMBER_BYTES {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let prose = format!("{}\tthe order of customer {} is pending\n", state >> 60, state >> 50);
            let noise = format!("\\\\x{state:016x}{:016x}\n", state.rotate_left(17));
            sql.extend_from_slice(if sql.len() / MEMBER_BYTES == 1 { noise.as_bytes() } else { prose.as_bytes() });
        }
        sql.chunks(70_001).for_each(|slice| gzip.write(slice).unwrap());
        gzip.end_member().unwrap();
        assert!(gunzip(gzip.output()).unwrap() == sql);
    }

    #[test]
    fn ending_a_member_that_has_not_begun_writes_nothing() {
        let mut gzip = Gzip::new();
        gzip.end_member().unwrap();
        assert!(gzip.output().is_empty());
    }
}
