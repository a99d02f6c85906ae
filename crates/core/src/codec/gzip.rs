//! Writes gzip members (RFC 1952).
//!
//! Two writers, chosen when the crate is built: ISA-L (feature `isa-l`, the default) and flate2 with zlib-rs, in pure
//! Rust. `docs/gzip-writer.md` has the measurements behind the choice. Members of both are read by every gunzip.

use std::io::Write as _;

use crate::error::{Kind, Result, ResultExt};

/// Compresses bytes into one gzip member after another.
pub struct Gzip(Encoder);

#[cfg(feature = "isa-l")]
type Encoder = isal::write::GzipEncoder<Vec<u8>>;
#[cfg(not(feature = "isa-l"))]
type Encoder = flate2::write::GzEncoder<Vec<u8>>;

impl Gzip {
    /// A writer at the start of a member.
    #[must_use]
    pub fn new() -> Self {
        Self(encoder(Vec::new()))
    }

    /// Compresses `input` into the current member.
    ///
    /// # Errors
    /// [`Kind::Failure`] when the compressor reports a fault of its own.
    pub fn write(&mut self, input: &[u8]) -> Result<()> {
        self.0.write_all(input).kind_of(Kind::Failure, || "compress".into())
    }

    /// Ends the current member; the next byte written begins another.
    ///
    /// # Errors
    /// As [`Gzip::write`].
    pub fn end_member(&mut self) -> Result<()> {
        end_member(&mut self.0).kind_of(Kind::Failure, || "end a gzip member".into())
    }

    /// The gzip bytes produced since they were last cleared.
    pub fn output(&mut self) -> &mut Vec<u8> {
        output(&mut self.0)
    }
}

impl Default for Gzip {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "isa-l")]
fn encoder(out: Vec<u8>) -> Encoder {
    isal::write::GzipEncoder::new(out, isal::CompressionLevel::One)
}

#[cfg(feature = "isa-l")]
fn end_member(encoder: &mut Encoder) -> std::io::Result<()> {
    encoder.flush()
}

#[cfg(feature = "isa-l")]
fn output(encoder: &mut Encoder) -> &mut Vec<u8> {
    encoder.get_ref_mut()
}

/// Level 3 of zlib-rs is the fastest whose size stays within 1.03 of `gzip -6`.
#[cfg(not(feature = "isa-l"))]
fn encoder(out: Vec<u8>) -> Encoder {
    flate2::write::GzEncoder::new(out, flate2::Compression::new(3))
}

#[cfg(not(feature = "isa-l"))]
fn end_member(gzip: &mut Encoder) -> std::io::Result<()> {
    gzip.try_finish()?;
    let out = std::mem::take(gzip.get_mut());
    *gzip = encoder(out);
    Ok(())
}

#[cfg(not(feature = "isa-l"))]
fn output(encoder: &mut Encoder) -> &mut Vec<u8> {
    encoder.get_mut()
}

#[cfg(test)]
mod tests {
    use super::Gzip;
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
}
