//! Trial decryption: a key, an AAD and a layout are right when a tag says so. GCM opens by chance once in 2^128.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use lifeboat_core::Result;
use secrecy::{ExposeSecret as _, SecretString};

use crate::columns::keyring::open_with;
use crate::columns::layout::Fields;
use crate::columns::{ColumnKey, HeldCipher, KeyFormat, Layout};

/// A key, with the way in which it was made.
#[derive(Debug)]
pub struct TrialKey {
    /// How it was made of the secret.
    pub format: KeyFormat,
    /// The key.
    pub key: ColumnKey,
}

impl TrialKey {
    /// The key that `format` makes of the secret.
    ///
    /// # Errors
    /// As [`ColumnKey::derive`].
    pub fn new(secret: &SecretString, format: KeyFormat) -> Result<Self> {
        Ok(Self { key: ColumnKey::derive(secret, &format)?, format })
    }

    /// Every key that applications are known to make of a secret that looks like this one: which of them it is, the values
    /// say. That is for keys that open; a key that is to encrypt has a format that somebody named.
    ///
    /// # Errors
    /// [`Kind::Config`](lifeboat_core::Kind::Config) when it is empty.
    pub fn all(secret: &SecretString) -> Result<Vec<Self>> {
        let mut keys = Vec::new();
        for format in FORMATS {
            let format: KeyFormat = format.parse()?;
            match Self::new(secret, format.clone()) {
                Ok(key) => keys.push(key),
                Err(error) if secret.expose_secret().is_empty() => return Err(error),
                // It has another form: 64 digits are no base64 of 32 bytes.
                Err(_) => {}
            }
        }
        Ok(keys)
    }

    /// Whether it needs a salt from every value.
    pub(super) fn is_salted(&self) -> bool {
        self.key.is_salted_by_value()
    }
}

/// One row's part in a trial.
#[derive(Debug)]
pub(super) struct Sealed<'r> {
    /// One for each column of the layout.
    pub(super) parts: Vec<Option<&'r [u8]>>,
    /// What may have been authenticated, an entry for each template.
    pub(super) aads: &'r [Vec<u8>],
}

/// What opened a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Opener {
    /// Which of the keys.
    pub(super) key: usize,
    /// Which of the templates.
    pub(super) aad: usize,
}

/// The keys that are tried, and ciphers that were derived for salts so far.
pub(super) struct Trials<'k> {
    keys: &'k [TrialKey],
    derived: RefCell<BTreeMap<(usize, Vec<u8>), Derived<'k>>>,
}

/// A key's cipher for a salt; nothing when none can be derived.
type Derived<'k> = Option<Rc<HeldCipher<'k>>>;

impl<'k> Trials<'k> {
    pub(super) fn new(keys: &'k [TrialKey]) -> Self {
        Self { keys, derived: RefCell::default() }
    }

    /// One of the keys.
    pub(super) fn key(&self, at: usize) -> &'k TrialKey {
        &self.keys[at]
    }

    /// What opens the value in that layout.
    pub(super) fn opener(&self, layout: &Layout, value: &Sealed<'_>) -> Option<Opener> {
        self.opener_of(&layout.decode(&value.parts).ok()?, layout.has_salt(), value.aads)
    }

    /// What opens a value that was taken apart.
    pub(super) fn opener_of(&self, fields: &Fields, is_salted: bool, aads: &[Vec<u8>]) -> Option<Opener> {
        for key in (0..self.keys.len()).filter(|key| self.keys[*key].is_salted() == is_salted) {
            let Some(cipher) = self.cipher(key, &fields.salt) else { continue };
            if let Some(aad) = aads.iter().position(|aad| open_with(&cipher, fields, aad).is_some()) {
                return Some(Opener { key, aad });
            }
        }
        None
    }

    /// Whether that opener opens the value, whichever key the value names.
    pub(super) fn opens(&self, layout: &Layout, opener: Opener, value: &Sealed<'_>) -> bool {
        let Ok(fields) = layout.decode(&value.parts) else { return false };
        let cipher = self.cipher(opener.key, &fields.salt);
        cipher.is_some_and(|cipher| open_with(&cipher, &fields, &value.aads[opener.aad]).is_some())
    }

    /// Whether any key takes its salt from the values, and whether any does not.
    pub(super) fn any(&self, salted: bool) -> bool {
        self.keys.iter().any(|key| key.is_salted() == salted)
    }

    /// Many layouts read the same salt from a value, and to derive a key from a password takes long.
    fn cipher(&self, key: usize, salt: &[u8]) -> Derived<'k> {
        let derive = || self.keys[key].key.cipher(salt).ok().map(Rc::new);
        self.derived.borrow_mut().entry((key, salt.to_vec())).or_insert_with(derive).clone()
    }
}

/// Formats that need no more than the secret. The last two take a salt from each value, as Node's `scryptSync` and WebCrypto
/// do by default.
const FORMATS: [&str; 6] =
    ["hex", "base64", "raw", "sha256", "scrypt(N=16384, r=8, p=1)", "pbkdf2(hash=sha256, iterations=100000)"];
