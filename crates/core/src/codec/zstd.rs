//! zstd frames (RFC 8878), by libzstd: written each for itself, with its length and a checksum, and read with bounded memory.

use std::io::Cursor;

use zstd::bulk;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation as _, OutBuffer};
use zstd::zstd_safe::compress_bound;

use crate::error::{Error, Kind, Result, ResultExt};

/// Compresses frames.
pub(super) struct Compressor(bulk::Compressor<'static>);

impl Default for Compressor {
    fn default() -> Self {
        let mut compressor = bulk::Compressor::new(LEVEL).expect("libzstd has this level");
        compressor.include_checksum(true).expect("libzstd has checksums");
        Self(compressor)
    }
}

impl Compressor {
    /// Appends `input` as one frame to `output`.
    pub(super) fn member(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<()> {
        output.reserve(compress_bound(input.len()));
        let end = output.len() as u64;
        let mut after = Cursor::new(output);
        after.set_position(end);
        self.0.compress_to_buffer(input, &mut after).kind_of(Kind::Failure, || "compress with zstd".into())?;
        Ok(())
    }
}

/// Decompresses frames as they come; one that is cut short is an error, never an end.
pub(super) struct Unzstd {
    decoder: Decoder<'static>,
    /// Whether no frame has begun that has not ended.
    between_frames: bool,
}

impl Default for Unzstd {
    fn default() -> Self {
        let mut decoder = Decoder::new().expect("a decoder needs nothing but memory");
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).expect("libzstd bounds windows");
        Self { decoder, between_frames: true }
    }
}

impl Unzstd {
    /// Takes bytes from the front of `input`, as many as decompress to a bounded amount.
    ///
    /// A few bytes may decompress to any amount: frames of a million equal rows take a hundred bytes each.
    pub(super) fn push(&mut self, input: &mut &[u8]) -> Result<Vec<u8>> {
        let mut sql = Vec::new();
        while !input.is_empty() && sql.len() < STEP_SQL_BYTES {
            self.step(input, &mut sql)?;
        }
        // What was taken and not given yet is less than a block.
        while sql.len() == sql.capacity() && input.is_empty() && !self.between_frames {
            self.step(input, &mut sql)?;
        }
        Ok(sql)
    }

    fn step(&mut self, input: &mut &[u8], sql: &mut Vec<u8>) -> Result<()> {
        sql.reserve(BLOCK_BYTES);
        let mut from = InBuffer::around(input);
        let end = sql.len();
        let hint = self
            .decoder
            .run(&mut from, &mut OutBuffer::around_pos(sql, end))
            .kind_of(Kind::Integrity, || "decompress zstd frames".into())?;
        *input = &input[from.pos()..];
        self.between_frames = hint == 0;
        Ok(())
    }

    /// To be asked at the end.
    pub(super) fn finish(&self) -> Result<()> {
        if self.between_frames {
            return Ok(());
        }
        Err(Error::new(Kind::Integrity, "decompress the last zstd frame: it is cut"))
    }
}

/// The fastest but for the negative ones; `docs/zstd-writer.md` has the measurements.
const LEVEL: i32 = 1;
/// 8 MiB, which RFC 8878 wants of every reader; our frames need 1 MiB.
const WINDOW_LOG_MAX: u32 = 23;
/// SQL bytes that are given at once, and at most a block more.
const STEP_SQL_BYTES: usize = 256 << 10;
/// The longest block of a frame.
const BLOCK_BYTES: usize = 128 << 10;
