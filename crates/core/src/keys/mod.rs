//! Keys of encrypted backups: data keys, the wraps that hold them, the keys that wrap and unwrap, and signatures.
//!
//! ```text
//! keyring.toml ─> Keyring ─┬─> SealKeys (one KeyWrap or more, a Signer)   what a backup is sealed and signed with
//!                          └─> OpenKeys (KeyWraps, trusted SignerKeys)    what readers open and judge with
//! DataKey ── KeyWrap::wrap ──> Wrap = keys/<id>.json ── KeyWrap::unwrap ──> DataKey
//! ```
//!
//! Invariants: key material lives in types of its own that are neither copied nor cloned nor printed, and is cleared when
//! they are dropped; a data key is used for one backup or run; only [`KeyWrap`] knows how a key-encryption key is held.
//! `docs/format.md`, section 6, is the normative text.

mod bodies;
mod data_key;
mod key_id;
mod key_wrap;
mod keyring;
mod lp;
mod open_keys;
mod recipient;
mod recipient_key;
mod seal_keys;
mod secret;
mod signature;
mod signer;
mod symmetric;
#[cfg(test)]
mod tests;
mod wrap;

pub use data_key::DataKey;
pub use key_id::KeyId;
pub use key_wrap::KeyWrap;
pub use keyring::{KeyEntry, KeyKind, KeyState, Keyring};
pub use open_keys::OpenKeys;
pub use recipient::Recipient;
pub use recipient_key::RecipientKey;
pub use seal_keys::SealKeys;
pub use secret::Secret;
pub use signature::Signature;
pub use signer::{Signer, SignerKey};
pub use symmetric::SymmetricKey;
pub use wrap::{Wrap, WrapCipher};
