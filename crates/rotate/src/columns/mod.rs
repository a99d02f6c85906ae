//! Values that applications encrypted with AES-256-GCM and keep in columns: how they lie there, and how they get another key.
//!
//! ```text
//! stored value ── Layout ──> iv, tag, ct, salt, key id ── ColumnKey, AAD ──> plaintext ── fresh IV ──> stored value, same form
//! ```
//!
//! Everything here is sync and pure, and knows no database: a [`Layout`] says what a stored value looks like, a [`KeyFormat`]
//! how its key is made from a secret, an [`AadTemplate`] what else was authenticated, and a [`Keyring`] encrypts, opens and
//! re-encrypts.
//!
//! Invariants: a value that did not open is never written, what is given out to be written was opened again and compared,
//! and re-encryption leaves every byte outside IV, tag, ciphertext and key id as it was. No text of an error holds a key or a
//! part of a value.

pub mod aad;
mod cipher;
pub mod derivation;
mod key;
pub mod keyring;
pub mod layout;
mod misread;
mod outcome;
mod scan;
mod stored;
#[cfg(test)]
mod tests;

pub use aad::{Aad, AadTemplate};
pub use derivation::KeyFormat;
pub use key::ColumnKey;
pub(crate) use key::HeldCipher;
pub use keyring::{Keyring, Opened};
pub use layout::{Fields, Layout};
pub use misread::Misread;
pub use outcome::{Outcome, Unopened};
pub use stored::Stored;
