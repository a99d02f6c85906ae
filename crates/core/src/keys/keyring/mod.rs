//! `keyring.toml`: the operator's own keys.
//!
//! ```toml
//! [[key]]
//! id = "2026-11"                             # names wraps of an aes256 key; a label for the other kinds
//! kind = "aes256"                            # aes256 seals and opens, x25519 opens, ed25519 signs
//! encoding = "hex"                           # of the secret: hex (default), base64, or sha256(utf8) for aes256
//! secret = "…"                               # 32 bytes
//! state = "primary"                          # primary, enabled (default) or retired
//! primary_since = "2026-11-01T00:00:00Z"     # kept by `lifeboat key`; rotation reads them
//! primary_until = "2026-12-01T00:00:00Z"
//! ```
//!
//! * The primary `aes256` key seals; there is at most one. Without one the keyring only opens, unless recipients seal.
//! * An `x25519` key opens what was wrapped to its public half. It never seals by itself, so it cannot be primary: name
//!   its public half among the recipients.
//! * The primary `ed25519` key signs; there is at most one. Others wait, or are history.
//! * A retired key opens only on request.
//!
//! Invariant: a keyring is edited by changing lines of its text, never by writing it anew: the operator's comments and
//! order stay, and what the edited text says is checked before it replaces the file.

mod edit;
mod encoding;
mod entry;
mod file;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::key_id::KeyId;
use super::key_wrap::KeyWrap;
use super::open_keys::OpenKeys;
use super::recipient::Recipient;
use super::seal_keys::SealKeys;
use crate::error::{Error, Kind, Result};

pub use entry::{KeyEntry, KeyKind, KeyState};

/// The keys of a `keyring.toml`, and its text.
pub struct Keyring {
    text: Zeroizing<String>,
    keys: Vec<KeyEntry>,
}

impl Keyring {
    /// A keyring without keys.
    #[must_use]
    pub fn empty() -> Self {
        Self { text: Zeroizing::new(HEAD.to_owned()), keys: Vec::new() }
    }

    /// Reads a keyring; `origin` says in errors where the text is from.
    ///
    /// # Errors
    /// [`Kind::Config`], with line and column: it is not TOML, has a key it should not have or lacks one, a secret has
    /// another length than 32 bytes, two keys have one id, or two of a kind are primary. No error repeats a secret.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        Self::of_text(Zeroizing::new(text.to_owned()), origin)
    }

    fn of_text(text: Zeroizing<String>, origin: &str) -> Result<Self> {
        let keys = read::read(&text, origin)?;
        Ok(Self { text, keys })
    }

    /// Reads the keyring in this file.
    ///
    /// # Errors
    /// As [`Keyring::parse`]; also when the file cannot be read, or group or others can read it.
    pub fn load(path: &Path) -> Result<Self> {
        file::load(path)
    }

    /// Applies `edit` to the keyring in this file and writes it back: whole or not at all, readable by its owner only, with
    /// the owner it had. A file that is not there is made. Editing waits for others who do the same.
    ///
    /// # Errors
    /// As [`Keyring::load`], and what `edit` returns: then nothing was written. [`Kind::TryAgain`] when somebody else changed
    /// the file meanwhile.
    pub fn edit<T>(path: &Path, edit: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        file::edit(path, edit)
    }

    /// The text, secrets included, for a file that only its owner can read.
    #[must_use]
    pub fn to_toml(&self) -> &str {
        &self.text
    }

    /// Its keys, in the file's order.
    #[must_use]
    pub fn keys(&self) -> &[KeyEntry] {
        &self.keys
    }

    /// The key with this id: that of its entry, or the one under which a public half is known.
    ///
    /// # Errors
    /// [`Kind::WrongKey`] when there is none.
    pub fn key(&self, id: &str) -> Result<&KeyEntry> {
        let found = self.keys.iter().find(|key| key.id().as_str() == id || key.public_id().as_str() == id);
        found.ok_or_else(|| {
            let known = match self.keys.as_slice() {
                [] => "no keys".to_owned(),
                keys => super::key_id::listed(keys.iter().map(KeyEntry::id)),
            };
            Error::new(Kind::WrongKey, format!("find the key {id:?} in the keyring")).hint(format!("it holds {known}"))
        })
    }

    /// The primary key of a kind.
    #[must_use]
    pub fn primary(&self, kind: KeyKind) -> Option<&KeyEntry> {
        self.keys.iter().find(|key| key.kind() == kind && key.state() == KeyState::Primary)
    }

    /// What new backups are sealed with: the primary key and the recipients; and who signs them: the primary signer.
    ///
    /// # Errors
    /// [`Kind::Config`] when there is neither a primary key nor a recipient.
    pub fn seal_keys(&self, recipients: &[Recipient]) -> Result<SealKeys> {
        let primary = self.primary(KeyKind::Aes256).and_then(KeyEntry::as_wrap);
        let recipients = recipients.iter().map(|recipient| Arc::new(recipient.clone()) as Arc<dyn KeyWrap>);
        let signer = self.primary(KeyKind::Ed25519).and_then(KeyEntry::as_signer);
        SealKeys::new(primary.into_iter().chain(recipients).collect(), signer)
    }

    /// What reports about backups are sealed with: as new backups are or, on a host that only opens them, under every key that
    /// it opens them with; and who signs them.
    ///
    /// # Errors
    /// [`Kind::Config`] when there is no key that opens anything, and no recipient.
    pub fn report_keys(&self, recipients: &[Recipient]) -> Result<SealKeys> {
        if recipients.is_empty() && self.primary(KeyKind::Aes256).is_none() {
            let signer = self.primary(KeyKind::Ed25519).and_then(KeyEntry::as_signer);
            return SealKeys::new(self.open_keys(false).keys, signer);
        }
        self.seal_keys(recipients)
    }

    /// What backups are opened with: every key but retired ones, which come last where they are allowed. Nobody is
    /// trusted yet as a signer: that is the readers' own list.
    #[must_use]
    pub fn open_keys(&self, allow_retired: bool) -> OpenKeys {
        let mut openers: Vec<_> = self.keys.iter().filter_map(|key| Some((key.state(), key.as_wrap()?))).collect();
        openers.sort_by_key(|(state, _)| *state);
        let retired = |state: KeyState| state == KeyState::Retired;
        let closed = openers.iter().filter(|(state, _)| retired(*state) && !allow_retired);
        OpenKeys {
            retired: closed.map(|(_, key)| key.id().clone()).collect(),
            keys: openers
                .iter()
                .filter(|(state, _)| !retired(*state) || allow_retired)
                .map(|(_, key)| key.clone())
                .collect(),
            required: true,
            ..OpenKeys::default()
        }
    }

    /// The entry of this id, and of no public half.
    fn named(&self, id: &KeyId) -> Option<&KeyEntry> {
        self.keys.iter().find(|key| key.id() == id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.keys).finish()
    }
}

const HEAD: &str = "\
# Keyring of Lifeboat. Whoever reads this file can read the backups, and without it nobody can:
# keep a copy of it in another place.
";
