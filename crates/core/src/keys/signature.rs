//! A signature, as a manifest carries it.

use std::fmt;
use std::str::FromStr;

use super::key_id::KeyId;
use crate::error::{Error, Kind, Result};

/// An Ed25519 signature (RFC 8032) and who made it, written `<16 digits> <128 digits>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature {
    /// The signer.
    pub signer: KeyId,
    /// The signature.
    pub bytes: [u8; 64],
}

impl FromStr for Signature {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let damaged = || Error::new(Kind::Integrity, "read a signature");
        let (signer, digits) = text.split_once(' ').ok_or_else(damaged)?;
        let signer = signer.parse::<KeyId>().ok().filter(KeyId::is_of_public_key).ok_or_else(damaged)?;
        let mut bytes = [0; 64];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| damaged())?;
        let signature = Self { signer, bytes };
        if signature.to_string() == text { Ok(signature) } else { Err(damaged()) }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.signer, hex::encode(self.bytes))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}
