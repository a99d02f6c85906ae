//! Bytes as text, and the ways in which that is written.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Base64,
    Base64Url,
    Hex,
}

/// What one codec may write in two ways; a value keeps its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    padded: bool,
    upper: bool,
}

impl Codec {
    pub(super) const ALL: [Self; 3] = [Self::Base64, Self::Base64Url, Self::Hex];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Base64Url => "base64url",
            Self::Hex => "hex",
        }
    }

    /// How a value is written that was not there before. Padding is what every reader takes, or all but those who ask for none.
    pub(super) fn usual() -> Style {
        Style { padded: true, upper: false }
    }

    /// The bytes, and how they were written. What could not be written again just so is refused.
    pub(super) fn decode(self, text: &[u8]) -> Result<(Vec<u8>, Style), &'static str> {
        if self == Self::Hex {
            return unhex(text);
        }
        let padded = text.len().is_multiple_of(4);
        let style = Style { padded, upper: false };
        self.engine(padded).decode(text).map(|bytes| (bytes, style)).map_err(|_| match self {
            Self::Base64 => "it is not base64",
            _ => "it is not base64url",
        })
    }

    pub(super) fn encode(self, bytes: &[u8], style: Style, out: &mut Vec<u8>) {
        let text = match self {
            Self::Hex if style.upper => hex::encode_upper(bytes),
            Self::Hex => hex::encode(bytes),
            _ => self.engine(style.padded).encode(bytes),
        };
        out.extend_from_slice(text.as_bytes());
    }

    /// Whether a text of this codec may hold that character.
    pub(super) fn writes(self, byte: u8) -> bool {
        match self {
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Base64 => byte.is_ascii_alphanumeric() || b"+/=".contains(&byte),
            Self::Base64Url => byte.is_ascii_alphanumeric() || b"-_=".contains(&byte),
        }
    }

    fn engine(self, padded: bool) -> &'static GeneralPurpose {
        match (self, padded) {
            (Self::Base64Url, true) => &URL_SAFE,
            (Self::Base64Url, false) => &URL_SAFE_NO_PAD,
            (_, true) => &STANDARD,
            (_, false) => &STANDARD_NO_PAD,
        }
    }
}

fn unhex(text: &[u8]) -> Result<(Vec<u8>, Style), &'static str> {
    let bytes = hex::decode(text).map_err(|_| "it is not hexadecimal")?;
    let upper = text.iter().any(u8::is_ascii_uppercase);
    if upper && text.iter().any(u8::is_ascii_lowercase) {
        return Err("its hexadecimal digits are of both cases");
    }
    Ok((bytes, Style { padded: false, upper }))
}
