//! How long pieces of a value are.

use super::codec::Codec;
use super::{Field, Item};
use crate::columns::cipher::TAG_BYTES;

/// How many bytes a piece takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Fixed(usize),
    AtLeast(usize),
}

impl Extent {
    /// The fewest bytes.
    pub(super) fn least(self) -> usize {
        match self {
            Self::Fixed(bytes) | Self::AtLeast(bytes) => bytes,
        }
    }

    pub(super) fn is_fixed(self) -> bool {
        matches!(self, Self::Fixed(_))
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Fixed(a), Self::Fixed(b)) => Self::Fixed(a + b),
            _ => Self::AtLeast(self.least() + other.least()),
        }
    }
}

impl Item {
    pub(super) fn extent(&self) -> Extent {
        match self {
            Self::Text(text) => Extent::Fixed(text.len()),
            Self::Bytes(bytes) => Extent::Fixed(bytes.len()),
            Self::Field(field) => field.extent(),
            Self::Coded(codec, items) => codec.extent(extent(items)),
            Self::Json(_) => Extent::AtLeast(2),
        }
    }

    pub(super) fn is_literal(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Bytes(_))
    }

    /// The bytes of a literal.
    pub(super) fn literal(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

impl Field {
    fn extent(self) -> Extent {
        match self {
            Self::Iv(bytes) | Self::Salt(Some(bytes)) => Extent::Fixed(bytes),
            Self::Tag => Extent::Fixed(TAG_BYTES),
            Self::Ct | Self::Salt(None) | Self::Kid => Extent::AtLeast(0),
        }
    }
}

impl Codec {
    /// Of the text, when the bytes have this one. Base64 whose padding may or may not be there has no fixed length.
    fn extent(self, bytes: Extent) -> Extent {
        match (self, bytes) {
            (Self::Hex, Extent::Fixed(bytes)) => Extent::Fixed(bytes * 2),
            (Self::Hex, Extent::AtLeast(bytes)) => Extent::AtLeast(bytes * 2),
            (_, Extent::Fixed(bytes)) if bytes.is_multiple_of(3) => Extent::Fixed(bytes / 3 * 4),
            (_, bytes) => Extent::AtLeast((bytes.least() * 4).div_ceil(3)),
        }
    }
}

/// Of pieces that follow each other.
pub(super) fn extent(items: &[Item]) -> Extent {
    items.iter().fold(Extent::Fixed(0), |sum, item| sum.and(item.extent()))
}
