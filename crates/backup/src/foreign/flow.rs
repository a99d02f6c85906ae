//! Bytes that come one after another, with our errors.

use lifeboat_core::{Error, Result};

/// Bytes of one layer of a file.
///
/// Its end, a read of no bytes, is given only when the layer was whole and everything beneath it was read to its end, too; what
/// comes before may still turn out to be damaged. After an error or the end there is nothing more.
pub(crate) trait Flow: Send {
    /// Reads some bytes; none at the end.
    fn read(&mut self, into: &mut [u8]) -> Result<usize>;
}

impl Flow for Box<dyn Flow> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        (**self).read(into)
    }
}

/// A flow whose first bytes were looked at.
pub(super) struct Peeked {
    head: Vec<u8>,
    taken: usize,
    /// What ended the look; it comes when the reader has come so far.
    failed: Option<Error>,
    rest: Box<dyn Flow>,
}

impl Peeked {
    /// Looks at up to `bytes` bytes.
    pub(super) fn look(mut rest: Box<dyn Flow>, bytes: usize) -> Self {
        let mut head = vec![0; bytes];
        let (mut filled, mut failed) = (0, None);
        while filled < bytes {
            match rest.read(&mut head[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        head.truncate(filled);
        Self { head, taken: 0, failed, rest }
    }

    /// The first bytes.
    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }

    /// Passes these bytes over, which were looked at.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.taken = (self.taken + bytes).min(self.head.len());
    }

    /// What kept the look from coming to a single byte.
    pub(super) fn failed_at_once(&mut self) -> Option<Error> {
        if self.head.is_empty() { self.failed.take() } else { None }
    }
}

impl Flow for Peeked {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let left = &self.head[self.taken..];
        if !left.is_empty() {
            let now = left.len().min(into.len());
            into[..now].copy_from_slice(&left[..now]);
            self.taken += now;
            return Ok(now);
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.rest.read(into),
        }
    }
}

/// Bytes that were made and not given yet.
#[derive(Default)]
pub(super) struct Made {
    bytes: Vec<u8>,
    given: usize,
}

impl Made {
    pub(super) fn is_empty(&self) -> bool {
        self.given == self.bytes.len()
    }

    /// Takes the place of what was given.
    pub(super) fn set(&mut self, bytes: Vec<u8>) {
        (self.bytes, self.given) = (bytes, 0);
    }

    pub(super) fn give(&mut self, into: &mut [u8]) -> usize {
        let left = &self.bytes[self.given..];
        let now = left.len().min(into.len());
        into[..now].copy_from_slice(&left[..now]);
        self.given += now;
        now
    }
}

/// Bytes that are asked of the layer beneath at once.
pub(super) const STEP_BYTES: usize = 64 << 10;

#[cfg(test)]
pub(super) mod tests {
    use lifeboat_core::Result;

    use super::Flow;

    /// Bytes in memory, given in small pieces.
    pub(crate) struct Held(pub(crate) Vec<u8>, pub(crate) usize);

    impl Flow for Held {
        fn read(&mut self, into: &mut [u8]) -> Result<usize> {
            let now = (self.0.len() - self.1).min(into.len()).min(7);
            into[..now].copy_from_slice(&self.0[self.1..self.1 + now]);
            self.1 += now;
            Ok(now)
        }
    }

    /// A flow of these bytes.
    pub(crate) fn held(bytes: &[u8]) -> Box<dyn Flow> {
        Box::new(Held(bytes.to_vec(), 0))
    }

    /// All bytes, or the error after them.
    pub(crate) fn all(mut flow: impl Flow) -> Result<Vec<u8>> {
        let (mut all, mut slice) = (Vec::new(), [0; 11]);
        loop {
            match flow.read(&mut slice)? {
                0 => return Ok(all),
                read => all.extend_from_slice(&slice[..read]),
            }
        }
    }
}
