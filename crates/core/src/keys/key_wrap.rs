//! The one joint between backups and whatever holds key-encryption keys.

use std::fmt;

use async_trait::async_trait;

use super::data_key::DataKey;
use super::key_id::KeyId;
use super::wrap::Wrap;
use crate::error::Result;

/// A key-encryption key, wherever it is held: in a keyring, as a public key, in a KMS or a transit engine.
///
/// # Contract
///
/// * [`id`](Self::id) never changes, and no two keys of one store share it: the wrap is stored as `keys/<id>.json`.
///   An implementation whose service rotates the key under one name puts the version into its own fields of the wrap.
/// * [`wrap`](Self::wrap) gives a wrap whose `backup` and `key` are `owner` and this id, and binds both into the
///   ciphertext (as additional data, `info`, or an encryption context), so that a wrap that is moved fails to open. It
///   may be called any number of times for one data key and gives another wrap each time. It is not written anywhere.
/// * [`unwrap`](Self::unwrap) gives back, for every wrap it made, the same data key, or an error: never another key. The
///   wrap was read by [`Wrap::parse`]: `backup` and `key` are already those of the place it lay at.
/// * Neither changes anything; both may wait for a service, retry, and be dropped while they wait.
///
/// # Errors
///
/// | kind | when |
/// |---|---|
/// | [`WrongKey`](crate::Kind::WrongKey) | the key cannot open this wrap: it is a public key only, or another key under the same id |
/// | [`Integrity`](crate::Kind::Integrity) | the wrap is not one of this key's, whatever key that is: another algorithm, a field missing |
/// | [`Config`](crate::Kind::Config) | the service refuses us or does not know the key |
/// | [`TryAgain`](crate::Kind::TryAgain) | the service does not answer |
///
/// No error text and no `Debug` output holds key material.
#[async_trait]
pub trait KeyWrap: Send + Sync + fmt::Debug {
    /// The id under which its wraps are stored.
    fn id(&self) -> &KeyId;

    /// The data key of `owner` (a backup's id or a run's) under this key.
    async fn wrap(&self, key: &DataKey, owner: &str) -> Result<Wrap>;

    /// The data key in `wrap`.
    async fn unwrap(&self, wrap: &Wrap) -> Result<DataKey>;
}
