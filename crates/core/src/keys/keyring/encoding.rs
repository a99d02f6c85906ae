//! How a secret is written in a keyring.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::keys::Secret;

/// How 32 bytes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 64 hexadecimal digits.
    #[default]
    Hex,
    /// RFC 4648, with or without padding.
    Base64,
    /// Any text, whose SHA-256 is the key.
    Sha256Utf8,
}

impl Encoding {
    /// The encoding called so.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "hex" => Some(Self::Hex),
            "base64" => Some(Self::Base64),
            "sha256(utf8)" => Some(Self::Sha256Utf8),
            _ => None,
        }
    }

    /// The secret that `text` stands for, or why it is none; the reason never repeats any of it.
    pub(super) fn decode(self, text: &str) -> Result<Secret, String> {
        match self {
            Self::Hex => hex(text),
            Self::Base64 => base64(text),
            Self::Sha256Utf8 if text.is_empty() => Err("the secret is empty".to_owned()),
            Self::Sha256Utf8 => Secret::filled(|bytes| {
                let mut digest = Sha256::digest(text);
                bytes.copy_from_slice(&digest);
                digest.zeroize();
                Ok(())
            }),
        }
    }
}

fn hex(text: &str) -> Result<Secret, String> {
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("the secret is not all hexadecimal digits".to_owned());
    }
    Secret::filled(|bytes| {
        hex::decode_to_slice(text, bytes)
            .map_err(|_| format!("the secret has {} hexadecimal digits; a key has 64 (32 bytes)", text.len()))
    })
}

fn base64(text: &str) -> Result<Secret, String> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    BASE64.decode_vec(text, &mut decoded).map_err(|_| "the secret is not base64".to_owned())?;
    Secret::filled(|bytes| {
        *bytes = decoded
            .as_slice()
            .try_into()
            .map_err(|_| format!("the secret has {} bytes; a key has 32", decoded.len()))?;
        Ok(())
    })
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
