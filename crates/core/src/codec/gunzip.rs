//! Reads gzip members; a member that is cut short is an error, never an end.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;

use crate::error::{Kind, Result, ResultExt};

/// Decompresses gzip bytes as they come.
pub(super) struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    /// Whether a byte came: the decoder takes no bytes at all for a cut member, and none is no member.
    begun: bool,
}

impl Gunzip {
    /// A reader at the start of a member.
    pub(super) fn new() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), begun: false }
    }

    /// What the next gzip bytes decompress to. Deflate expands up to a thousandfold.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the bytes are no gzip members.
    pub(super) fn push(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        self.begun |= !input.is_empty();
        self.decoder.write_all(input).kind_of(Kind::Integrity, || "decompress".into())?;
        self.decoder.flush().kind_of(Kind::Integrity, || "decompress".into())?;
        Ok(std::mem::take(self.decoder.get_mut()))
    }

    /// What is left to decompress at the end.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the last member is not complete.
    pub(super) fn finish(&mut self) -> Result<Vec<u8>> {
        if !self.begun {
            return Ok(Vec::new());
        }
        self.decoder.try_finish().kind_of(Kind::Integrity, || "decompress the last gzip member".into())?;
        Ok(std::mem::take(self.decoder.get_mut()))
    }
}
