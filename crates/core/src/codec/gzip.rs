//! Compresses gzip members (RFC 1952).
//!
//! With the feature `isa-l`, the default, two compressors share the work: ISA-L, the fastest there is, at the level that suits the
//! member, and libdeflate for the members that it makes much smaller, such as prose; a sample of every fourth member decides. In a
//! hurry ISA-L's first level writes all but the smallest. Without the feature flate2 writes all of them, in pure Rust. `docs/gzip-writer.md` has the measurements. Every gunzip reads the members of all three.

#[cfg(feature = "isa-l")]
pub(super) use adaptive::Compressor;
#[cfg(not(feature = "isa-l"))]
pub(super) use pure::Compressor;

#[cfg(feature = "isa-l")]
mod adaptive {
    use std::io::Write as _;

    use isal::CompressionLevel;
    use isal::write::GzipEncoder;
    use libdeflater::{CompressionLvl, Compressor as Deflate};

    use crate::error::{Kind, Result, ResultExt};

    /// The compressors; none can change its thread.
    pub(in crate::codec) struct Compressor {
        /// Boxed: its tables are 80 KiB, and writers are moved.
        fast: Box<GzipEncoder<Vec<u8>>>,
        thorough: Box<GzipEncoder<Vec<u8>>>,
        dense: Deflate,
        /// What the last sample chose, and how many members may still go by it.
        chosen: (Writer, usize),
        hurried: bool,
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
                hurried: false,
            }
        }
    }

    impl Compressor {
        /// From here on time counts, not size.
        pub(in crate::codec) fn hurry(&mut self) {
            self.hurried = true;
        }

        /// Appends `input` as one member to `output`.
        pub(in crate::codec) fn member(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
            if self.chosen.1 == 0 {
                self.chosen = (self.choose(input, output)?, MEMBERS_PER_SAMPLE);
            }
            self.chosen.1 -= 1;
            self.write(self.chosen.0, input, output)
        }

        /// What comes next may be of another kind.
        pub(in crate::codec) fn expect_other(&mut self) {
            self.chosen.1 = 0;
        }

        fn choose(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<Writer> {
            if input.len() < SMALL_BYTES {
                return Ok(Writer::Dense);
            }
            if self.hurried {
                return Ok(Writer::Fast);
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
    pub(in crate::codec) struct Compressor;

    impl Compressor {
        #[expect(clippy::unused_self, reason = "the other compressor has a state")]
        pub(in crate::codec) fn hurry(&mut self) {}

        #[expect(clippy::unused_self, reason = "the other compressor has a state")]
        pub(in crate::codec) fn expect_other(&mut self) {}

        /// Appends `input` as one member to `output`.
        #[expect(clippy::unused_self, reason = "the other compressor has a state")]
        pub(in crate::codec) fn member(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
            let mut encoder = GzEncoder::new(output, LEVEL);
            let written = encoder.write_all(input).and_then(|()| encoder.try_finish());
            written.kind_of(Kind::Failure, || "compress with flate2".into())
        }
    }

    /// Level 3 of zlib-rs is the fastest whose size stays within 1.03 of `gzip -6`.
    const LEVEL: Compression = Compression::new(3);
}
