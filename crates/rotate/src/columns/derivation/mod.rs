//! How an application makes its key from the secret it is given.
//!
//! The way is named by the operator and never guessed: a wrong guess for the new key would encrypt every row under a key that
//! the application does not derive.

mod doubt;
mod kdf;
mod parse;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use lifeboat_core::keys::Secret;
use lifeboat_core::{Error, Kind, Result};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

pub use self::doubt::Doubt;
pub use self::kdf::{Hash, Kdf, Salt, Work};
use super::misread::Misread;

/// How a key is made from a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    /// The secret is 64 hexadecimal digits.
    Hex,
    /// The secret is 32 bytes in base64 or base64url.
    Base64,
    /// The secret's 32 bytes are the key.
    Raw,
    /// The key is the SHA-256 of the secret.
    Sha256,
    /// 64 hexadecimal digits are the key; of anything else its SHA-256.
    HexOrSha256,
    /// The secret is a password.
    Password(Kdf),
}

impl KeyFormat {
    /// Reads `hex`, `base64`, `raw`, `sha256`, `hex-or-sha256`, `scrypt(N=16384, r=8, p=1)` or
    /// `pbkdf2(hash=sha256, iterations=100000)`; the last two with `salt="…"`, `salt=hex("…")` or `salt=base64("…")` when no
    /// salt is stored beside each value.
    ///
    /// # Errors
    /// What is wrong, and where. It does not repeat the text: people put keys there.
    pub fn parse(text: &str) -> Result<Self, Misread> {
        parse::key_format(text)
    }

    /// The format where the operator named none: `hex`, if every secret is 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`Kind::Usage`] when one is anything else.
    pub fn unnamed(secrets: &[&SecretString]) -> Result<Self> {
        if secrets.iter().all(|secret| is_hex(secret.expose_secret())) {
            return Ok(Self::Hex);
        }
        let doing = "choose how the keys are made: not all of them are 64 hexadecimal digits";
        let how = "give --key-format: hex, base64, raw, sha256, hex-or-sha256, scrypt(…) or pbkdf2(…), as the application does it";
        let spoilt = secrets.iter().find_map(|secret| doubt::spoilt(secret.expose_secret()));
        Err(Error::new(Kind::Usage, doing).hint(match spoilt {
            Some(what) => format!("one of them {what}: take that away, or {how}"),
            None => how.to_owned(),
        }))
    }

    /// What is doubtful about a secret of which this format makes a key all the same: carriage returns, quotes, digits that are
    /// missing. A new key like that is better not begun with.
    #[must_use]
    pub fn doubt(&self, secret: &SecretString) -> Option<Doubt> {
        doubt::doubt(self, secret.expose_secret())
    }

    /// The password's derivation, when each value brings its own salt.
    pub(super) fn salted_by_value(&self) -> Option<&Kdf> {
        match self {
            Self::Password(kdf) if kdf.salt.is_none() => Some(kdf),
            _ => None,
        }
    }

    /// The key, which is the same for all values.
    pub(super) fn derive(&self, secret: &SecretString) -> Result<Secret> {
        let text = secret.expose_secret();
        match self {
            Self::Hex => unhexed(text),
            Self::HexOrSha256 if is_hex(text) => unhexed(text),
            Self::Base64 => decoded(text),
            Self::Raw => copied(text.as_bytes(), &format!("expected 32 bytes, found {}", text.len())),
            Self::Sha256 | Self::HexOrSha256 => digest(text),
            Self::Password(kdf) => kdf.derive(secret, kdf.salt.as_ref().map_or(&[], Salt::bytes)),
        }
    }
}

impl FromStr for KeyFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self::parse(text)?)
    }
}

impl fmt::Display for KeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hex => f.write_str("hex"),
            Self::Base64 => f.write_str("base64"),
            Self::Raw => f.write_str("raw"),
            Self::Sha256 => f.write_str("sha256"),
            Self::HexOrSha256 => f.write_str("hex-or-sha256"),
            Self::Password(kdf) => kdf.fmt(f),
        }
    }
}

fn is_hex(text: &str) -> bool {
    text.len() == 2 * Secret::BYTES && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn unhexed(text: &str) -> Result<Secret> {
    let expected = "expected 64 hexadecimal digits, found";
    if text.len() != 2 * Secret::BYTES {
        return Err(unfit(&format!("{expected} {} characters", text.chars().count()), text));
    }
    Secret::filled(|bytes| hex::decode_to_slice(text, bytes))
        .map_err(|_| unfit(&format!("{expected} 64 characters of which some are no such digits"), text))
}

fn decoded(text: &str) -> Result<Secret> {
    let unpadded = text.trim_end_matches('=');
    let url = text.contains(['-', '_']);
    let bytes = if url { URL_SAFE_NO_PAD.decode(unpadded) } else { STANDARD_NO_PAD.decode(unpadded) };
    let bytes = bytes.map(Zeroizing::new).map_err(|_| unfit("expected base64, found something else", text))?;
    let found = bytes.len();
    copied(&bytes, &format!("expected 32 bytes in base64, found {found}"))
}

fn digest(text: &str) -> Result<Secret> {
    if text.is_empty() {
        return Err(unfit("expected a secret, found an empty one", text));
    }
    Secret::filled(|bytes| {
        let mut digest = Sha256::digest(text.as_bytes());
        bytes.copy_from_slice(&digest);
        digest.as_mut_slice().zeroize();
        Ok(())
    })
}

fn copied(bytes: &[u8], wrong: &str) -> Result<Secret> {
    let bytes: &[u8; Secret::BYTES] = bytes.try_into().map_err(|_| unfit(wrong, ""))?;
    Ok(Secret::copied(bytes))
}

/// The error of a secret in another form: what was found is told by its length only.
fn unfit(found: &str, text: &str) -> Error {
    let error = Error::new(Kind::Config, format!("read the key: {found}"));
    match doubt::at_ends(text) {
        Some(what) => error.hint(format!("it has {what} at its ends")),
        None => error,
    }
}
