//! The first bytes of something that may come in pieces.

/// Keeps the first `N` bytes of a text and counts the rest.
#[derive(Clone, Debug)]
pub(super) struct Head<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Head<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Head<N> {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds the next piece.
    pub(super) fn extend(&mut self, piece: &[u8]) {
        let kept = self.len.min(N);
        let wanted = piece.len().min(N - kept);
        self.bytes[kept..kept + wanted].copy_from_slice(&piece[..wanted]);
        self.len = self.len.saturating_add(piece.len());
    }

    /// The whole text; empty when it was longer than `N`.
    pub(super) fn text(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The same with ASCII letters in lower case.
    pub(super) fn lower_case(&self) -> Self {
        Self { bytes: self.bytes.map(|byte| byte.to_ascii_lowercase()), len: self.len }
    }
}
