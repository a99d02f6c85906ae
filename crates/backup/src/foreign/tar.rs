//! Follows a tar archive from member to member: `pg_restore` waits for ever behind one that is cut, and does not look at its end.

use lifeboat_core::{Error, Kind, Result};

use super::flow::Flow;

/// The bytes of an archive, unchanged, which end well only behind the mark that ends it.
pub(super) struct WholeTar {
    archive: Box<dyn Flow>,
    header: Vec<u8>,
    /// Bytes of a member that are still to come, filled up to whole blocks.
    left: u64,
    /// Blocks of zeros in a row; two of them are the end.
    zeros: u32,
}

impl WholeTar {
    pub(super) fn new(archive: Box<dyn Flow>) -> Self {
        Self { archive, header: Vec::with_capacity(BLOCK_BYTES), left: 0, zeros: 0 }
    }

    fn follow(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() && self.zeros < END_BLOCKS {
            if self.left > 0 {
                let now = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                (bytes, self.left) = (&bytes[now..], self.left - now as u64);
                continue;
            }
            let now = (BLOCK_BYTES - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..now]);
            bytes = &bytes[now..];
            if self.header.len() == BLOCK_BYTES {
                self.member()?;
                self.header.clear();
            }
        }
        Ok(())
    }

    fn member(&mut self) -> Result<()> {
        if self.header.iter().all(|byte| *byte == 0) {
            self.zeros += 1;
            return Ok(());
        }
        self.zeros = 0;
        let bytes = size(&self.header[SIZE]).filter(|_| &self.header[257..262] == b"ustar").ok_or_else(damaged)?;
        self.left = bytes.checked_next_multiple_of(BLOCK_BYTES as u64).ok_or_else(damaged)?;
        Ok(())
    }
}

impl Flow for WholeTar {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = self.archive.read(into)?;
        self.follow(&into[..read])?;
        if read == 0 && self.zeros < END_BLOCKS { Err(damaged()) } else { Ok(read) }
    }
}

/// Digits to the base of eight; where they do not suffice, a set bit and then the bytes of the number.
fn size(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let bytes = field[1..].iter().skip_while(|byte| **byte == 0);
        return bytes.into_iter().try_fold(0_u64, |size, byte| size.checked_mul(256)?.checked_add(u64::from(*byte)));
    }
    let digits = field.iter().copied().skip_while(|byte| *byte == b' ').take_while(|byte| !matches!(byte, 0 | b' '));
    digits.into_iter().try_fold(0_u64, |size, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 8)?;
        size.checked_mul(8)?.checked_add(u64::from(digit))
    })
}

fn damaged() -> Error {
    Error::new(Kind::Integrity, "follow the tar archive to its end").hint("the file is cut or damaged: use another one")
}

const BLOCK_BYTES: usize = 512;
const END_BLOCKS: u32 = 2;
const SIZE: std::ops::Range<usize> = 124..136;

#[cfg(test)]
mod tests {
    use super::super::flow::tests::{all, held};
    use super::{WholeTar, size};

    fn archive() -> Vec<u8> {
        let mut tar = vec![0; 512];
        tar[..7].copy_from_slice(b"toc.dat");
        tar[124..136].copy_from_slice(b"00000000005\0");
        tar[257..262].copy_from_slice(b"ustar");
        tar.extend(*b"PGDMP");
        tar.resize(1024 + 1024, 0);
        tar
    }

    #[test]
    fn an_archive_ends_behind_its_two_empty_blocks_and_nowhere_before() {
        let tar = archive();
        assert_eq!(all(WholeTar::new(held(&tar))).unwrap(), tar);
        for cut in [1, 511, 512, 517, 1024, 1536, tar.len() - 1] {
            assert!(all(WholeTar::new(held(&tar[..cut]))).is_err(), "{cut}");
        }
    }

    #[test]
    fn sizes_are_read_in_both_their_forms() {
        assert_eq!(size(b"00000001750\0"), Some(1000));
        assert_eq!(size(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(2 << 32));
        assert_eq!(size(b"0000000175x\0"), None);
    }
}
