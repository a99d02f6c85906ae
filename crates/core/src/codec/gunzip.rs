//! Reads gzip members; a member that is cut short is an error, never an end.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;

use crate::error::{Kind, Result, ResultExt};

/// Decompresses gzip bytes as they come.
pub struct Gunzip(MultiGzDecoder<Vec<u8>>);

impl Gunzip {
    /// A reader at the start of a member.
    #[must_use]
    pub fn new() -> Self {
        Self(MultiGzDecoder::new(Vec::new()))
    }

    /// What the next gzip bytes decompress to. Deflate expands up to a thousandfold: give it slices of
    /// [`STEP_BYTES`] to bound the memory.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the bytes are no gzip members.
    pub fn push(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        self.0.write_all(input).kind_of(Kind::Integrity, || "decompress".into())?;
        self.0.flush().kind_of(Kind::Integrity, || "decompress".into())?;
        Ok(std::mem::take(self.0.get_mut()))
    }

    /// What is left to decompress at the end.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the last member is not complete.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.0.try_finish().kind_of(Kind::Integrity, || "decompress the last gzip member".into())?;
        Ok(std::mem::take(self.0.get_mut()))
    }
}

impl Default for Gunzip {
    fn default() -> Self {
        Self::new()
    }
}

/// Decompresses a whole buffer of gzip members.
///
/// # Errors
/// [`Kind::Integrity`] when it is anything else.
pub fn gunzip(input: &[u8]) -> Result<Vec<u8>> {
    let mut gunzip = Gunzip::new();
    let mut out = gunzip.push(input)?;
    out.extend(gunzip.finish()?);
    Ok(out)
}

/// A slice of gzip bytes that decompresses to a bounded amount, 64 MiB at the very worst.
pub const STEP_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::gunzip;
    use crate::codec::Gzip;

    fn member(text: &[u8]) -> Vec<u8> {
        let mut gzip = Gzip::new();
        gzip.write(text).unwrap();
        gzip.end_member().unwrap();
        std::mem::take(gzip.output())
    }

    #[test]
    fn a_member_cut_anywhere_is_refused() {
        let bytes = member(b"a row that must not be lost\n");
        for cut in 1..bytes.len() {
            assert!(gunzip(&bytes[..cut]).is_err(), "cut to {cut} bytes");
        }
    }

    #[test]
    fn bytes_after_the_last_member_are_refused() {
        let mut bytes = member(b"row\n");
        bytes.extend_from_slice(b"\0garbage that is no member");
        assert!(gunzip(&bytes).is_err());
    }
}
