//! One key of a keyring.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::error::Result;
use crate::keys::{KeyId, KeyWrap, Recipient, RecipientKey, Secret, Signer, SignerKey, SymmetricKey};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// Seals and opens: AES-256-GCM.
    Aes256,
    /// Opens what was sealed to its public half, a recipient: HPKE.
    X25519,
    /// Signs manifests.
    Ed25519,
}

/// What may be done with a key, in the order in which keys are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// The one of its kind that seals or signs; it opens too.
    Primary,
    /// It opens.
    #[default]
    Enabled,
    /// It opens on request only.
    Retired,
}

/// A key with its id, kind and state.
#[derive(Debug)]
pub struct KeyEntry {
    id: KeyId,
    state: KeyState,
    held: Held,
    guessable: bool,
    primary_since: Option<Timestamp>,
    primary_until: Option<Timestamp>,
}

/// The key itself, in the form in which it is used.
#[derive(Debug)]
enum Held {
    Symmetric(Arc<SymmetricKey>),
    Recipient(Arc<RecipientKey>),
    Signer(Arc<Signer>),
}

/// What an entry says beside its key.
pub(super) struct Facts {
    pub(super) id: KeyId,
    pub(super) kind: KeyKind,
    pub(super) state: KeyState,
    /// The secret is the digest of a text that a person may have chosen.
    pub(super) guessable: bool,
    pub(super) primary_since: Option<Timestamp>,
    pub(super) primary_until: Option<Timestamp>,
}

impl KeyEntry {
    pub(super) fn new(facts: Facts, secret: Secret) -> Result<Self> {
        let held = match facts.kind {
            KeyKind::Aes256 => Held::Symmetric(Arc::new(SymmetricKey::new(facts.id.clone(), secret))),
            KeyKind::X25519 => Held::Recipient(Arc::new(RecipientKey::new(secret)?)),
            KeyKind::Ed25519 => Held::Signer(Arc::new(Signer::new(&secret))),
        };
        let Facts { id, state, guessable, primary_since, primary_until, .. } = facts;
        Ok(Self { id, state, held, guessable, primary_since, primary_until })
    }

    /// The id of the entry.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The id that stands in wraps and signatures: the entry's own for `aes256`, that of the public half otherwise.
    #[must_use]
    pub fn public_id(&self) -> &KeyId {
        match &self.held {
            Held::Symmetric(key) => key.id(),
            Held::Recipient(key) => key.id(),
            Held::Signer(key) => key.public().id(),
        }
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        match self.held {
            Held::Symmetric(_) => KeyKind::Aes256,
            Held::Recipient(_) => KeyKind::X25519,
            Held::Signer(_) => KeyKind::Ed25519,
        }
    }

    /// What may be done with it.
    #[must_use]
    pub fn state(&self) -> KeyState {
        self.state
    }

    /// When it became primary, if anybody wrote that down.
    #[must_use]
    pub fn primary_since(&self) -> Option<Timestamp> {
        self.primary_since
    }

    /// When it ceased to be primary: backups that began earlier may still be in flight.
    #[must_use]
    pub fn primary_until(&self) -> Option<Timestamp> {
        self.primary_until
    }

    /// 16 hexadecimal digits by which people compare keys. That of a [`guessable`](Self::guessable) key lets whoever has
    /// it test guesses.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match &self.held {
            Held::Symmetric(key) => key.fingerprint(),
            Held::Recipient(_) | Held::Signer(_) => self.public_id().to_string(),
        }
    }

    /// Whether the key is the digest of a text that a person may have chosen: encoding `sha256(utf8)`.
    #[must_use]
    pub fn guessable(&self) -> bool {
        self.guessable
    }

    /// The key as one that wraps and unwraps; `None` for a signer.
    #[must_use]
    pub fn as_wrap(&self) -> Option<Arc<dyn KeyWrap>> {
        match &self.held {
            Held::Symmetric(key) => Some(key.clone()),
            Held::Recipient(key) => Some(key.clone()),
            Held::Signer(_) => None,
        }
    }

    /// The key as one that signs; `None` for the other kinds.
    #[must_use]
    pub fn as_signer(&self) -> Option<Arc<Signer>> {
        match &self.held {
            Held::Signer(key) => Some(key.clone()),
            _ => None,
        }
    }

    /// The public half of an `x25519` key.
    #[must_use]
    pub fn recipient(&self) -> Option<&Recipient> {
        match &self.held {
            Held::Recipient(key) => Some(key.recipient()),
            _ => None,
        }
    }

    /// The public half of an `ed25519` key.
    #[must_use]
    pub fn signer_key(&self) -> Option<&SignerKey> {
        match &self.held {
            Held::Signer(key) => Some(key.public()),
            _ => None,
        }
    }
}

macro_rules! words {
    ($type:ty, $what:literal, $($word:literal => $value:path),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($value => $word),+ })
            }
        }

        impl FromStr for $type {
            type Err = crate::Error;

            fn from_str(text: &str) -> Result<Self> {
                match text {
                    $($word => Ok($value),)+
                    _ => Err(crate::Error::new(
                        crate::Kind::Config,
                        format!("read {}: it is none of {}", $what, [$($word),+].join(", ")),
                    )),
                }
            }
        }
    };
}

words!(KeyKind, "a kind of key", "aes256" => KeyKind::Aes256, "x25519" => KeyKind::X25519, "ed25519" => KeyKind::Ed25519);
words!(
    KeyState, "a key's state",
    "primary" => KeyState::Primary, "enabled" => KeyState::Enabled, "retired" => KeyState::Retired
);
