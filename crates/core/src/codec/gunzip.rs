//! Reads gzip members; a member that is cut short is an error, never an end.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;

use crate::error::{Kind, Result, ResultExt};

/// Decompresses gzip bytes as they come.
pub(super) struct Gunzip(MultiGzDecoder<Vec<u8>>);

impl Gunzip {
    /// A reader at the start of a member.
    pub(super) fn new() -> Self {
        Self(MultiGzDecoder::new(Vec::new()))
    }

    /// What the next gzip bytes decompress to. Deflate expands up to a thousandfold.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the bytes are no gzip members.
    pub(super) fn push(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        self.0.write_all(input).kind_of(Kind::Integrity, || "decompress".into())?;
        self.0.flush().kind_of(Kind::Integrity, || "decompress".into())?;
        Ok(std::mem::take(self.0.get_mut()))
    }

    /// What is left to decompress at the end.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the last member is not complete.
    pub(super) fn finish(&mut self) -> Result<Vec<u8>> {
        self.0.try_finish().kind_of(Kind::Integrity, || "decompress the last gzip member".into())?;
        Ok(std::mem::take(self.0.get_mut()))
    }
}
