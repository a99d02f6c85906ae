//! gzip and zstd.

use lifeboat_core::codec::{Compression, Decompressor};
use lifeboat_core::{Error, Result};

use super::flow::{Flow, Made, STEP_BYTES};

/// What compressed bytes decompress to.
pub(super) struct Decompressed {
    compressed: Box<dyn Flow>,
    decompressor: Option<Decompressor>,
    slice: Vec<u8>,
    /// What of the slice is still to be decompressed.
    left: std::ops::Range<usize>,
    made: Made,
    compression: Compression,
}

impl Decompressed {
    pub(super) fn new(compressed: Box<dyn Flow>, compression: Compression) -> Self {
        Self {
            compressed,
            decompressor: Some(Decompressor::new(compression)),
            slice: vec![0; STEP_BYTES],
            left: 0..0,
            made: Made::default(),
            compression,
        }
    }

    /// Makes some more; whether there may be more behind that.
    fn step(&mut self) -> Result<bool> {
        let Some(decompressor) = &mut self.decompressor else { return Ok(false) };
        if self.left.is_empty() {
            self.left = 0..self.compressed.read(&mut self.slice)?;
        }
        let made = if self.left.is_empty() {
            let rest = decompressor.finish();
            self.decompressor = None;
            rest
        } else {
            let mut input = &self.slice[self.left.clone()];
            let made = decompressor.push(&mut input);
            self.left.start = self.left.end - input.len();
            made
        };
        self.made.set(made.map_err(|error| self.explained(error))?);
        Ok(true)
    }

    fn explained(&self, error: Error) -> Error {
        let hint = match self.compression {
            Compression::Gzip => "the file is cut or damaged: use another one",
            Compression::Zstd => {
                "the file is cut or damaged; one that was made with a window of more than 8 MiB (--long, --ultra) has to be \
                 decompressed before: zstd -dc --long=31 FILE | lifeboat … -"
            }
        };
        if error.help().is_some() { error } else { error.hint(hint) }
    }
}

impl Flow for Decompressed {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        while self.made.is_empty() {
            if !self.step()? {
                return Ok(0);
            }
        }
        Ok(self.made.give(into))
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;
    use lifeboat_core::codec::{Compression, Members};

    use super::super::flow::tests::{all, held};
    use super::Decompressed;

    #[test]
    fn members_are_read_to_their_end_and_a_cut_one_is_refused() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut members = Members::new(compression);
            for text in ["one\n", "two\n"] {
                members.write(text.as_bytes()).unwrap();
                members.end_member().unwrap();
            }
            let bytes = std::mem::take(members.output());
            assert_eq!(all(Decompressed::new(held(&bytes), compression)).unwrap(), b"one\ntwo\n");
            for cut in [1, bytes.len() / 3, bytes.len() - 1] {
                let error = all(Decompressed::new(held(&bytes[..cut]), compression)).unwrap_err();
                assert_eq!(error.kind(), Kind::Integrity, "{compression:?} cut to {cut}");
                assert!(error.help().is_some());
            }
        }
    }
}
