//! From a stored value to its plaintext.

use std::fmt;

use zeroize::Zeroizing;

use super::Keyring;
use crate::columns::cipher::Cipher;
use crate::columns::key::{ColumnKey, HeldCipher};
use crate::columns::layout::Fields;
use crate::columns::outcome::Unopened;

/// A plaintext, cleared when dropped, and whose key opened it.
pub struct Opened {
    plaintext: Zeroizing<Vec<u8>>,
    by_primary: bool,
}

impl Opened {
    /// The plaintext. Whoever copies it clears the copy.
    #[must_use]
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext
    }

    /// Whether the primary key opened it; else it waits for rotation.
    #[must_use]
    pub fn by_primary(&self) -> bool {
        self.by_primary
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened(by_primary: {})", self.by_primary)
    }
}

impl Keyring {
    /// Opens a stored value, one part for each column of the layout, by any of the keys: the one it names, else the primary
    /// one first.
    ///
    /// # Errors
    /// Why it did not open. A text that is encrypted and empty opens; a column that is empty does not.
    pub fn open(&self, stored: &[Option<&[u8]>], aad: &[u8]) -> Result<Opened, Unopened> {
        let fields = self.layout.decode(stored)?;
        let primary = self.primary.cipher(&fields.salt).map_err(|_| NO_KEY)?;
        self.open_fields(&fields, &primary, aad)
    }

    /// Asks whether the primary key alone opens a value.
    ///
    /// # Errors
    /// Why it does not.
    pub fn verify(&self, stored: &[Option<&[u8]>], aad: &[u8]) -> Result<(), Unopened> {
        let fields = self.layout.decode(stored)?;
        if self.layout.has_key_id() && self.primary.id() != Some(&fields.kid) {
            return Err(Unopened::UnknownKey);
        }
        let cipher = self.primary.cipher(&fields.salt).map_err(|_| NO_KEY)?;
        open_with(&cipher, &fields, aad).map(|_| ()).ok_or(Unopened::FailedAuthentication)
    }

    /// As [`Keyring::open`], for fields, with the primary key's cipher for their salt.
    pub(super) fn open_fields(
        &self,
        fields: &Fields,
        primary: &HeldCipher<'_>,
        aad: &[u8],
    ) -> Result<Opened, Unopened> {
        if self.names(&self.primary, fields)
            && let Some(plaintext) = open_with(primary, fields, aad)
        {
            return Ok(Opened { plaintext, by_primary: true });
        }
        for key in self.enabled.iter().filter(|key| self.names(key, fields)) {
            let cipher = key.cipher(&fields.salt).map_err(|_| NO_KEY)?;
            if let Some(plaintext) = open_with(&cipher, fields, aad) {
                return Ok(Opened { plaintext, by_primary: false });
            }
        }
        let named = self.keys().any(|key| self.names(key, fields));
        Err(if named { Unopened::FailedAuthentication } else { Unopened::UnknownKey })
    }

    /// Whether a value may be under a key: all may be where values name none.
    fn names(&self, key: &ColumnKey, fields: &Fields) -> bool {
        !self.layout.has_key_id() || key.id() == Some(&fields.kid)
    }
}

/// The plaintext, if that cipher opens it.
pub(crate) fn open_with(cipher: &Cipher, fields: &Fields, aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    cipher.open(&fields.iv, aad, &fields.ct, &fields.tag)
}

const NO_KEY: Unopened = Unopened::Malformed("no key can be derived with its salt");
