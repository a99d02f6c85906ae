//! Writes gzip members (RFC 1952) of 1 MiB of SQL bytes each.
//!
//! With the feature `isa-l`, the default, two compressors share the work: ISA-L, the fastest there is, at the level that suits the
//! member, and libdeflate for the members that it makes much smaller, such as prose; a sample of every fourth member decides. Without the
//! feature flate2 writes all of them, in pure Rust. `docs/gzip-writer.md` has the measurements. Every gunzip reads the members of all three.

use crate::error::Result;

#[cfg(feature = "isa-l")]
use adaptive::Compressor;
#[cfg(not(feature = "isa-l"))]
use pure::Compressor;

/// SQL bytes of a member; only the last before an [`Gzip::end_member`] is shorter.
pub const MEMBER_BYTES: usize = 1 << 20;

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
    /// As [`Gzip::write`].
    pub fn end_member(&mut self) -> Result<()> {
        self.compress_member()?;
        self.compressor.expect_other();
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

#[cfg(feature = "isa-l")]
mod adaptive {
    use std::io::Write as _;

    use isal::CompressionLevel;
    use isal::write::GzipEncoder;
    use libdeflater::{CompressionLvl, Compressor as Deflate};

    use crate::error::{Kind, Result, ResultExt};

    /// The compressors; none can change its thread.
    pub(super) struct Compressor {
        /// Boxed: its tables are 80 KiB, and writers are moved.
        fast: Box<GzipEncoder<Vec<u8>>>,
        thorough: Box<GzipEncoder<Vec<u8>>>,
        dense: Deflate,
        /// What the last sample chose, and how many members may still go by it.
        chosen: (Writer, usize),
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Writer {
        /// ISA-L 1.
        Fast,
        /// ISA-L 3.
        Thorough,
        /// libdeflate 3.
        Dense,
    }

    impl Default for Compressor {
        fn default() -> Self {
            let isal = |level| Box::new(GzipEncoder::new(Vec::new(), level));
            let dense = CompressionLvl::new(DENSE_LEVEL).expect("libdeflate has levels 0 to 12");
            Self {
                fast: isal(CompressionLevel::One),
                thorough: isal(CompressionLevel::Three),
                dense: Deflate::new(dense),
                chosen: (Writer::Fast, 0),
            }
        }
    }

    impl Compressor {
        /// Appends `input` as one member to `output`.
        pub(super) fn member(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
            if self.chosen.1 == 0 {
                self.chosen = (self.choose(input, output)?, MEMBERS_PER_SAMPLE);
            }
            self.chosen.1 -= 1;
            self.write(self.chosen.0, input, output)
        }

        /// What comes next may be of another kind.
        pub(super) fn expect_other(&mut self) {
            self.chosen.1 = 0;
        }

        fn choose(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<Writer> {
            if input.len() < SMALL_BYTES {
                return Ok(Writer::Dense);
            }
            let middle = input.len() / 2;
            let sample = &input[middle..middle + SAMPLE_BYTES];
            let fast = self.size(Writer::Fast, sample, output)?;
            if self.size(Writer::Dense, sample, output)? * 100 < fast * DENSE_PERCENT {
                return Ok(Writer::Dense);
            }
            let thorough = self.size(Writer::Thorough, sample, output)?;
            Ok(if thorough * 100 < fast * THOROUGH_PERCENT { Writer::Thorough } else { Writer::Fast })
        }

        fn size(&mut self, writer: Writer, sample: &[u8], output: &mut Vec<u8>) -> Result<usize> {
            let start = output.len();
            self.write(writer, sample, output)?;
            let size = output.len() - start;
            output.truncate(start);
            Ok(size)
        }

        fn write(&mut self, writer: Writer, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
            match writer {
                Writer::Fast => isal(&mut self.fast, input, output),
                Writer::Thorough => isal(&mut self.thorough, input, output),
                Writer::Dense => libdeflate(&mut self.dense, input, output),
            }
        }
    }

    fn isal(encoder: &mut GzipEncoder<Vec<u8>>, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
        std::mem::swap(encoder.get_ref_mut(), output);
        let written = encoder.write_all(input).and_then(|()| encoder.flush());
        std::mem::swap(encoder.get_ref_mut(), output);
        written.kind_of(Kind::Failure, || "compress with ISA-L".into())
    }

    fn libdeflate(compressor: &mut Deflate, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
        let start = output.len();
        output.resize(start + compressor.gzip_compress_bound(input.len()), 0);
        let length = compressor
            .gzip_compress(input, &mut output[start..])
            .map_err(|error| error.to_string())
            .kind_of(Kind::Failure, || "compress with libdeflate".into())?;
        output.truncate(start + length);
        Ok(())
    }

    const DENSE_LEVEL: i32 = 3;
    /// A member goes to libdeflate when that makes it smaller than this share of what ISA-L 1 makes of it.
    const DENSE_PERCENT: usize = 88;
    /// And to ISA-L 3 when that makes it smaller than this: it costs a fifth more.
    const THOROUGH_PERCENT: usize = 99;
    const SAMPLE_BYTES: usize = 64 << 10;
    /// Samples cost; rows of one table are much alike.
    const MEMBERS_PER_SAMPLE: usize = 4;
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
        #[expect(clippy::unused_self, reason = "the other compressor has a state")]
        pub(super) fn expect_other(&mut self) {}

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
