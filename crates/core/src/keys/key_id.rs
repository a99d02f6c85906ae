//! The id of a key: what a wrap is named after.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Kind, Result};
use crate::id::Name;

/// Names a key-encryption key or a signer, and the wrap `keys/<id>.json`. It is public.
///
/// A symmetric key is named by the operator, as in `2026-11`; a public key by the first 16 hexadecimal digits of the
/// SHA-256 of its 32 bytes. The two never clash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Name);

impl KeyId {
    /// The id of a symmetric key, or the name of an entry of a keyring.
    ///
    /// # Errors
    /// [`Kind::Config`] when it is no name, or has the form of a public key's id.
    pub fn symmetric(text: &str) -> Result<Self> {
        let id: Self = text.parse()?;
        if id.is_of_public_key() {
            return Err(Error::new(Kind::Config, format!("use {text:?} as a key's id: 16 hexadecimal digits"))
                .hint("such ids are those of public keys; choose another, such as the month: 2026-11"));
        }
        Ok(id)
    }

    /// The id of a public key.
    #[must_use]
    pub fn of_public_key(key: &[u8; 32]) -> Self {
        let id = hex::encode(&Sha256::digest(key)[..PUBLIC_DIGITS / 2]);
        Self(id.parse().expect("hexadecimal digits are a name"))
    }

    /// Whether it has the form of a public key's id: 16 hexadecimal digits.
    #[must_use]
    pub fn is_of_public_key(&self) -> bool {
        let text = self.as_str();
        text.len() == PUBLIC_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let name = text.parse::<Name>().map_err(|error| {
            let hint = error.help().unwrap_or_default().to_owned();
            Error::new(Kind::Config, format!("use {text:?} as a key's id")).hint(hint)
        })?;
        Ok(Self(name))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Ids for a message, sorted.
pub(crate) fn listed<'a>(ids: impl IntoIterator<Item = &'a KeyId>) -> String {
    let mut ids: Vec<_> = ids.into_iter().map(KeyId::as_str).collect();
    ids.sort_unstable();
    ids.join(", ")
}

const PUBLIC_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::KeyId;

    #[test]
    fn a_symmetric_key_cannot_take_the_id_of_a_public_one() {
        for text in ["0123456789abcdef", "", "2026/11", "..", "2026-11.", "KEY"] {
            assert_eq!(KeyId::symmetric(text).is_ok(), text == "2026-11.", "{text}");
        }
        assert!("0123456789abcdef".parse::<KeyId>().unwrap().is_of_public_key());
        assert!(KeyId::symmetric("0123456789abcdeg").is_ok() && KeyId::symmetric("0123456789abcde").is_ok());
    }

    #[test]
    fn a_public_keys_id_is_the_beginning_of_its_digest() {
        let id = KeyId::of_public_key(&[0; 32]);
        assert_eq!(id.as_str(), "66687aadf862bd77");
        assert!(id.is_of_public_key());
    }
}
