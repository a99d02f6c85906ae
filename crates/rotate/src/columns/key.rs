//! A key of encrypted columns.

use std::fmt;
use std::ops::Deref;

use lifeboat_core::keys::{KeyId, Secret, SymmetricKey};
use lifeboat_core::{Error, Kind, Result};
use secrecy::SecretString;

use super::cipher::Cipher;
use super::derivation::{Kdf, KeyFormat};

/// A key, ready for use: with its id where values name their key. Redacted in `Debug`, cleared when dropped.
pub struct ColumnKey {
    id: Option<String>,
    fingerprint: String,
    material: Material,
}

enum Material {
    Ready(Box<Cipher>),
    /// Every value has a salt, and so a key of its own.
    ByValue {
        password: SecretString,
        kdf: Kdf,
    },
}

impl ColumnKey {
    /// The key that an application makes of `secret`.
    ///
    /// # Errors
    /// [`Kind::Config`] when the secret does not have that format: the error tells the length found, never the secret.
    pub fn derive(secret: &SecretString, format: &KeyFormat) -> Result<Self> {
        let Some(kdf) = format.salted_by_value() else {
            let key = format.derive(secret)?;
            let material = Material::Ready(Cipher::new(&key));
            return Ok(Self { id: None, fingerprint: fingerprint(key)?, material });
        };
        let fingerprint = fingerprint(kdf.derive(secret, FINGERPRINT_SALT)?)?;
        let material = Material::ByValue { password: secret.clone(), kdf: kdf.clone() };
        Ok(Self { id: None, fingerprint, material })
    }

    /// The same key with the id by which values name it.
    #[must_use]
    pub fn with_id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// The id by which values name it.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// 16 hexadecimal digits by which people compare keys, the same as a keyring shows for that key. Whoever has them can
    /// test guesses of a key that was made from a short text.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether it needs a salt from every value.
    pub(crate) fn is_salted_by_value(&self) -> bool {
        matches!(self.material, Material::ByValue { .. })
    }

    /// The cipher for a value with that salt. Deriving one from a password takes long on purpose: use it more than once.
    pub(crate) fn cipher(&self, salt: &[u8]) -> Result<HeldCipher<'_>> {
        match &self.material {
            Material::Ready(cipher) => Ok(HeldCipher::Shared(cipher)),
            Material::ByValue { password, kdf } => Ok(HeldCipher::Own(Cipher::new(&kdf.derive(password, salt)?))),
        }
    }
}

impl fmt::Debug for ColumnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ColumnKey({})", self.id.as_deref().unwrap_or(&self.fingerprint))
    }
}

/// A cipher of a key, or of a key and a salt.
pub(crate) enum HeldCipher<'k> {
    Shared(&'k Cipher),
    Own(Box<Cipher>),
}

impl Deref for HeldCipher<'_> {
    type Target = Cipher;

    fn deref(&self) -> &Cipher {
        match self {
            Self::Shared(cipher) => cipher,
            Self::Own(cipher) => cipher,
        }
    }
}

fn fingerprint(key: Secret) -> Result<String> {
    let id = KeyId::symmetric("column").map_err(|error| Error::new(Kind::Failure, "name a key").caused_by(error))?;
    Ok(SymmetricKey::new(id, key).fingerprint())
}

/// Where a password has no salt of its own, its fingerprint costs as much to guess at as a value.
const FINGERPRINT_SALT: &[u8] = b"lifeboat/v1 key-fingerprint";
