//! Decompresses members as their bytes come, with bounded memory, however long what they hold.

use super::zstd::Unzstd;
use super::{Compression, Gunzip};
use crate::error::Result;

/// Reads the members of one compression.
pub struct Decompressor(Reader);

enum Reader {
    Gzip(Box<Gunzip>),
    Zstd(Unzstd),
}

impl Decompressor {
    /// A reader at the start of a member.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        Self(match compression {
            Compression::Gzip => Reader::Gzip(Box::new(Gunzip::new())),
            Compression::Zstd => Reader::Zstd(Unzstd::default()),
        })
    }

    /// Takes bytes from the front of `input` and gives what they decompress to, as many that this stays below 16 MiB at the very
    /// worst; to be called until `input` is empty.
    ///
    /// # Errors
    /// [`Kind::Integrity`](crate::Kind::Integrity) when the bytes are no members.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Vec<u8>> {
        match &mut self.0 {
            Reader::Gzip(gunzip) => {
                let (now, later) = input.split_at(input.len().min(STEP_GZIP_BYTES));
                *input = later;
                gunzip.push(now)
            }
            Reader::Zstd(zstd) => zstd.push(input),
        }
    }

    /// What is left to decompress at the end.
    ///
    /// # Errors
    /// [`Kind::Integrity`](crate::Kind::Integrity) when the last member is not complete.
    pub fn finish(&mut self) -> Result<Vec<u8>> {
        match &mut self.0 {
            Reader::Gzip(gunzip) => gunzip.finish(),
            Reader::Zstd(zstd) => zstd.finish().map(|()| Vec::new()),
        }
    }
}

/// Decompresses a whole buffer of members.
///
/// # Errors
/// [`Kind::Integrity`](crate::Kind::Integrity) when it is anything else.
pub fn decompress(compression: Compression, mut input: &[u8]) -> Result<Vec<u8>> {
    let mut decompressor = Decompressor::new(compression);
    let mut out = Vec::new();
    while !input.is_empty() {
        out.extend(decompressor.push(&mut input)?);
    }
    out.extend(decompressor.finish()?);
    Ok(out)
}

/// Decompresses a whole buffer of gzip members.
///
/// # Errors
/// [`Kind::Integrity`](crate::Kind::Integrity) when it is anything else.
pub fn gunzip(input: &[u8]) -> Result<Vec<u8>> {
    decompress(Compression::Gzip, input)
}

/// Deflate expands up to a thousandfold.
const STEP_GZIP_BYTES: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, prop_assert, proptest};

    use super::{Compression, Decompressor, decompress};
    use crate::codec::Members;
    use crate::error::Kind;

    const BOTH: [Compression; 2] = [Compression::Gzip, Compression::Zstd];

    fn member(compression: Compression, text: &[u8]) -> Vec<u8> {
        let mut members = Members::new(compression);
        members.write(text).unwrap();
        members.end_member().unwrap();
        std::mem::take(members.output())
    }

    #[test]
    fn a_member_cut_anywhere_is_refused() {
        for compression in BOTH {
            let bytes = member(compression, b"a row that must not be lost\n");
            for cut in 1..bytes.len() {
                let error = decompress(compression, &bytes[..cut]).expect_err("it is cut");
                assert_eq!(error.kind(), Kind::Integrity, "{compression:?} cut to {cut} bytes");
            }
        }
    }

    #[test]
    fn bytes_after_the_last_member_are_refused() {
        for compression in BOTH {
            for rest in [&b"\0"[..], b"\0garbage that is no member", b"\n"] {
                let bytes = [&member(compression, b"row\n")[..], rest].concat();
                assert!(decompress(compression, &bytes).is_err(), "{compression:?} and {rest:?}");
            }
        }
    }

    #[test]
    fn no_member_is_no_rows() {
        for compression in BOTH {
            assert_eq!(decompress(compression, b"").unwrap(), b"");
        }
    }

    #[test]
    fn members_of_the_other_compression_are_refused() {
        assert!(decompress(Compression::Gzip, &member(Compression::Zstd, b"row\n")).is_err());
        assert!(decompress(Compression::Zstd, &member(Compression::Gzip, b"row\n")).is_err());
    }

    /// 64 MiB of equal rows are a few KiB: what is given at once must not grow with them.
    #[test]
    fn equal_rows_decompress_in_bounded_steps() {
        let rows = b"f\tf\t0\t\\N\n".repeat((64 << 20) / 9);
        for compression in BOTH {
            let bytes = member(compression, &rows);
            let (mut input, mut decompressor, mut total) = (&bytes[..], Decompressor::new(compression), 0);
            while !input.is_empty() {
                let sql = decompressor.push(&mut input).unwrap();
                assert!(sql.capacity() <= 33 << 20, "{compression:?} gives {} bytes at once", sql.len());
                assert!(rows[total..].starts_with(&sql));
                total += sql.len();
            }
            total += decompressor.finish().unwrap().len();
            assert_eq!(total, rows.len());
        }
    }

    proptest! {
        #[test]
        fn slices_make_no_difference(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..600), 1..5),
            repeats in 1_usize..400,
            slice in 1_usize..90,
        ) {
            for compression in BOTH {
                let texts: Vec<_> = texts.iter().map(|text| text.repeat(repeats)).collect();
                let bytes: Vec<_> = texts.iter().flat_map(|text| member(compression, text)).collect();
                let mut decompressor = Decompressor::new(compression);
                let mut read = Vec::new();
                for mut slice in bytes.chunks(slice) {
                    while !slice.is_empty() {
                        read.extend(decompressor.push(&mut slice).unwrap());
                    }
                }
                read.extend(decompressor.finish().unwrap());
                prop_assert!(read == texts.concat());
            }
        }

        #[test]
        fn damage_is_refused_or_changes_nothing(
            text in prop::collection::vec(0_u8..4, 1..3000),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            for compression in BOTH {
                let mut bytes = member(compression, &text);
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
                if let Ok(read) = decompress(compression, &bytes) {
                    prop_assert!(read == text, "{compression:?}, bit {bit} of byte {at}");
                }
            }
        }

        #[test]
        fn anything_at_all_is_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let framed = [&[0x28, 0xb5, 0x2f, 0xfd][..], &bytes].concat();
            for (compression, bytes) in [(Compression::Gzip, &bytes), (Compression::Zstd, &bytes), (Compression::Zstd, &framed)] {
                if let Err(error) = decompress(compression, bytes) {
                    prop_assert!(error.kind() == Kind::Integrity);
                }
            }
        }
    }
}
