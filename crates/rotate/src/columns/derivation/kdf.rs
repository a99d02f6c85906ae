//! Keys from passwords: scrypt (RFC 7914) and PBKDF2 (RFC 8018).

use std::fmt;

use lifeboat_core::keys::Secret;
use lifeboat_core::{Error, Kind, Result};
use pbkdf2::pbkdf2_hmac;
use scrypt::scrypt;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Sha256, Sha512};

use crate::columns::scan::in_quotes;

/// A derivation with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kdf {
    /// What the derivation costs.
    pub work: Work,
    /// The salt of every value. Without one, each value has its own.
    pub salt: Option<Salt>,
}

/// A function and what it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// RFC 7914.
    Scrypt {
        /// The binary logarithm of `N`.
        log_n: u8,
        /// Block size.
        r: u32,
        /// Parallelism.
        p: u32,
    },
    /// RFC 8018, with HMAC.
    Pbkdf2 {
        /// The hash under HMAC.
        hash: Hash,
        /// How often.
        iterations: u32,
    },
}

/// A hash under PBKDF2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// A salt for all values: text, or bytes given in hexadecimal or base64 digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Salt {
    /// The UTF-8 of a text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Salt {
    /// What the derivation is given.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl Kdf {
    /// The key that belongs to a salt.
    pub(in crate::columns) fn derive(&self, secret: &SecretString, salt: &[u8]) -> Result<Secret> {
        let password = secret.expose_secret().as_bytes();
        if password.is_empty() {
            return Err(Error::new(Kind::Config, "read the key: expected a password, found an empty one"));
        }
        Secret::filled(|key| self.fill(password, salt, key))
    }

    fn fill(&self, password: &[u8], salt: &[u8], key: &mut [u8; Secret::BYTES]) -> Result<()> {
        let doing = || format!("derive a key by {}", self.work);
        match self.work {
            Work::Scrypt { log_n, r, p } => {
                let params = scrypt::Params::new(log_n, r, p)
                    .map_err(|error| Error::new(Kind::Config, doing()).caused_by(error.to_string()))?;
                scrypt(password, salt, &params, key)
                    .map_err(|error| Error::new(Kind::Failure, doing()).caused_by(error.to_string()))?;
            }
            Work::Pbkdf2 { hash: Hash::Sha256, iterations } => pbkdf2_hmac::<Sha256>(password, salt, iterations, key),
            Work::Pbkdf2 { hash: Hash::Sha512, iterations } => pbkdf2_hmac::<Sha512>(password, salt, iterations, key),
        }
        Ok(())
    }
}

impl fmt::Display for Kdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = self.work.to_string();
        match &self.salt {
            None => f.write_str(&work),
            Some(salt) => write!(f, "{}, salt={salt})", work.trim_end_matches(')')),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scrypt { log_n, r, p } => write!(f, "scrypt(N={}, r={r}, p={p})", 1_u64 << log_n),
            Self::Pbkdf2 { hash, iterations } => write!(f, "pbkdf2(hash={}, iterations={iterations})", hash.name()),
        }
    }
}

impl Hash {
    pub(super) const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&in_quotes(text)),
            Self::Bytes(bytes) => write!(f, "hex(\"{}\")", hex::encode(bytes)),
        }
    }
}
