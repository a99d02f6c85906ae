//! 32 bytes of key material.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};

/// 32 secret bytes: neither cloned nor copied, redacted in `Debug`, cleared when dropped.
///
/// They lie on the heap, so that moving the value leaves no copy behind.
pub struct Secret(Box<Zeroizing<[u8; Secret::BYTES]>>);

impl Secret {
    /// How many bytes every key has.
    pub const BYTES: usize = 32;

    /// A secret that `fill` writes in place.
    ///
    /// # Errors
    /// What `fill` returns.
    pub fn filled<E>(fill: impl FnOnce(&mut [u8; Self::BYTES]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self::copied(&[0; Self::BYTES]);
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// A secret with these bytes. The caller clears the ones it has.
    #[must_use]
    pub fn copied(bytes: &[u8; Self::BYTES]) -> Self {
        let mut secret = Self(Box::new(Zeroizing::new([0; Self::BYTES])));
        secret.0.copy_from_slice(bytes);
        secret
    }

    /// A secret from the operating system's random numbers.
    ///
    /// # Errors
    /// [`Kind::Failure`] when it gives none.
    pub fn generate() -> Result<Self> {
        Self::filled(|bytes| getrandom::fill(bytes))
            .map_err(|error| Error::new(Kind::Failure, "draw a random key").caused_by(error))
    }

    /// The bytes. Whoever copies them clears the copy.
    #[must_use]
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Whether both are the same, in constant time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
