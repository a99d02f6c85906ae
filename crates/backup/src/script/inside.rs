//! Finds the end of what spans many bytes and has rules of its own: `E'…'`, `$tag$…$tag$`, `/*…*/`.

use memchr::{memchr, memchr2};

use super::class::{Class, class};
use super::words::is_word_byte;

/// How many bytes of a slice lie inside, and whether the inside ended with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    pub used: usize,
    pub ended: bool,
}

/// A block comment, which may hold others; scanning begins after its `/*`.
#[derive(Debug, Default)]
pub(super) struct BlockComment {
    depth: u32,
    /// A `*` or `/` that may be the first half of an end or a beginning.
    half: Option<u8>,
}

impl BlockComment {
    pub(super) fn begin(&mut self) {
        *self = Self { depth: 1, half: None };
    }

    pub(super) fn scan(&mut self, input: &[u8]) -> Inside {
        let mut at = 0;
        while at < input.len() {
            if self.half.is_none() {
                at += memchr2(b'*', b'/', &input[at..]).unwrap_or(input.len() - at);
            }
            let Some(&byte) = input.get(at) else { break };
            at += 1;
            if self.take(byte) {
                return Inside { used: at, ended: true };
            }
        }
        Inside { used: input.len(), ended: false }
    }

    /// Whether this byte ends the outermost comment.
    fn take(&mut self, byte: u8) -> bool {
        match (self.half.take(), byte) {
            (Some(b'*'), b'/') => self.depth -= 1,
            (Some(b'/'), b'*') => self.depth += 1,
            (_, b'*' | b'/') => self.half = Some(byte),
            _ => {}
        }
        self.depth == 0
    }
}

/// A text with backslash escapes; scanning begins after its `E'`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum EscapedText {
    #[default]
    Text,
    Backslash,
    /// After a quote: the end, unless another follows.
    Quote,
    /// In white space after the end: behind a newline, a quote takes the text up again.
    Gap {
        newline: bool,
    },
}

impl EscapedText {
    pub(super) fn scan(&mut self, input: &[u8]) -> Inside {
        let mut at = 0;
        while at < input.len() {
            if matches!(self, Self::Text) {
                at += memchr2(b'\'', b'\\', &input[at..]).unwrap_or(input.len() - at);
            }
            let Some(&byte) = input.get(at) else { break };
            let Some(next) = self.after(byte) else {
                return Inside { used: at, ended: true };
            };
            *self = next;
            at += 1;
        }
        Inside { used: input.len(), ended: false }
    }

    /// The state after this byte; `None` when the byte is no longer inside.
    fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Text, b'\'') => Self::Quote,
            (Self::Text, b'\\') => Self::Backslash,
            (Self::Text | Self::Backslash, _) | (Self::Quote | Self::Gap { newline: true }, b'\'') => Self::Text,
            (Self::Quote | Self::Gap { newline: false }, b'\n' | b'\r') => Self::Gap { newline: true },
            (Self::Quote, _) if class(byte) == Class::Space => Self::Gap { newline: false },
            (Self::Gap { .. }, _) if class(byte) == Class::Space => self,
            _ => return None,
        })
    }
}

/// A dollar-quoted text; scanning begins after its first dollar, which may turn out to begin a parameter.
#[derive(Debug, Default)]
pub(super) struct DollarText {
    /// From dollar to dollar.
    tag: Vec<u8>,
    tag_is_whole: bool,
    /// So many bytes of the tag were just seen again.
    seen: usize,
}

impl DollarText {
    pub(super) fn begin(&mut self) {
        self.tag.clear();
        self.tag.push(b'$');
        self.tag_is_whole = false;
        self.seen = 0;
    }

    pub(super) fn scan(&mut self, input: &[u8]) -> Inside {
        let mut at = 0;
        while at < input.len() {
            if self.tag_is_whole && self.seen == 0 {
                at += memchr(b'$', &input[at..]).unwrap_or(input.len() - at);
            }
            let Some(&byte) = input.get(at) else { break };
            if !self.tag_is_whole && !self.may_go_on_with(byte) {
                return Inside { used: at, ended: true };
            }
            at += 1;
            if self.take(byte) {
                return Inside { used: at, ended: true };
            }
        }
        Inside { used: input.len(), ended: false }
    }

    /// `$1` is a parameter, `$tag$` and `$$` begin a text.
    fn may_go_on_with(&self, byte: u8) -> bool {
        is_word_byte(byte) && !(self.tag.len() == 1 && byte.is_ascii_digit())
    }

    /// Whether this byte ends the text.
    fn take(&mut self, byte: u8) -> bool {
        if !self.tag_is_whole {
            self.tag.push(byte);
            self.tag_is_whole = byte == b'$';
        } else if byte == self.tag[self.seen] {
            self.seen += 1;
        } else {
            // Only its ends are dollars: whatever does not go on with a tag may begin it anew with this very byte.
            self.seen = usize::from(byte == b'$');
        }
        self.seen == self.tag.len()
    }
}
