//! What readers open backups with, and what they demand of them.

use std::future::Future;
use std::sync::Arc;

use super::data_key::DataKey;
use super::key_id::{KeyId, listed};
use super::key_wrap::KeyWrap;
use super::signature::Signature;
use super::signer::SignerKey;
use super::wrap::Wrap;
use crate::error::{Error, Kind, Result};

/// The keys that open backups, and the readers' demands. By default there are no keys and no demands: unencrypted
/// backups open, encrypted ones do not.
#[derive(Clone, Debug, Default)]
pub struct OpenKeys {
    /// Keys in the order in which they are tried.
    pub keys: Vec<Arc<dyn KeyWrap>>,
    /// Ids of keys that would open backups but are retired, and stay closed.
    pub retired: Vec<KeyId>,
    /// The only authors whose backups are read; anybody's when empty.
    pub trusted_signers: Vec<SignerKey>,
    /// A keyring, recipients or trusted signers are configured: an unencrypted backup is refused.
    pub required: bool,
    /// Read unencrypted backups nevertheless.
    pub allow_unencrypted: bool,
    /// Read what nobody signed although `trusted_signers` are named; what others signed stays refused.
    pub allow_unsigned: bool,
}

impl OpenKeys {
    /// The data key of `owner` (a backup's id or a run's), and the key that opened it. `wraps` are the ids in its folder;
    /// `fetch` gives the bytes of one of them. Only wraps of our own keys are fetched, one after the other until one opens.
    ///
    /// # Errors
    /// [`Kind::WrongKey`] when none of our keys wraps it, when only a retired one does, or when ours is another key under
    /// the same id; [`Kind::Integrity`] when it has no wrap at all, or ours is damaged; what `fetch` returns.
    pub async fn open<B, F>(&self, owner: &str, wraps: &[KeyId], fetch: impl Fn(KeyId) -> F) -> Result<(DataKey, KeyId)>
    where
        B: AsRef<[u8]>,
        F: Future<Output = Result<B>>,
    {
        let mut first_failure = None;
        for key in self.keys.iter().filter(|key| wraps.contains(key.id())) {
            match opened(key.as_ref(), owner, &fetch).await {
                Ok(data_key) => return Ok((data_key, key.id().clone())),
                Err(error) => _ = first_failure.get_or_insert(error),
            }
        }
        Err(first_failure.unwrap_or_else(|| self.closed(owner, wraps)))
    }

    /// Refuses an unencrypted backup where keys or signers are configured.
    ///
    /// # Errors
    /// [`Kind::Policy`].
    pub fn judge_unencrypted(&self, backup: &str) -> Result<()> {
        if !self.required || self.allow_unencrypted {
            return Ok(());
        }
        Err(Error::new(Kind::Policy, format!("read {backup}: it is not encrypted, and encryption is configured")).hint(
            "anybody who can write to the store may have put it there; --allow-unencrypted reads it nevertheless",
        ))
    }

    /// Refuses a manifest whose author is not one of `trusted_signers`, where there are any; one that nobody signed is read
    /// where that is allowed. `signed` are the bytes that the signature covers.
    ///
    /// # Errors
    /// [`Kind::Policy`] when it is unsigned or of another author; [`Kind::Integrity`] when it names a trusted signer who did
    /// not sign these bytes.
    pub fn judge_author(&self, backup: &str, signed: &[u8], signature: Option<&Signature>) -> Result<()> {
        if self.trusted_signers.is_empty() {
            return Ok(());
        }
        let refused = |why: String| {
            Error::new(Kind::Policy, format!("read {backup}: {why}"))
                .hint("trusted_signers in [encryption] says whose backups are read")
        };
        let Some(signature) = signature else {
            let unsigned = refused("it is not signed, and only signed backups are trusted".into()).hint(UNSIGNED);
            return if self.allow_unsigned { Ok(()) } else { Err(unsigned) };
        };
        let known = self.trusted_signers.iter().find(|signer| *signer.id() == signature.signer);
        let signer = known.ok_or_else(|| refused(format!("its signer {} is not a trusted one", signature.signer)))?;
        if signer.verifies(signed, signature) {
            return Ok(());
        }
        Err(Error::new(Kind::Integrity, format!("read {backup}: {} did not sign this manifest", signer.id())))
    }

    fn closed(&self, owner: &str, wraps: &[KeyId]) -> Error {
        if wraps.is_empty() {
            return Error::new(
                Kind::Integrity,
                format!("open {owner}: it is encrypted, and no wrap of its key is left"),
            );
        }
        let openers = format!("it opens with {}", listed(wraps));
        if let Some(retired) = self.retired.iter().find(|id| wraps.contains(id)) {
            return Error::new(Kind::WrongKey, format!("open {owner}: the key {retired} is retired"))
                .hint(format!("{openers}; --allow-retired uses retired keys too"));
        }
        let doing = match self.keys.as_slice() {
            [] => format!("open {owner}: it is encrypted, and there is no key to open it with"),
            keys => {
                format!("open {owner}: no key at hand does; at hand are {}", listed(keys.iter().map(|key| key.id())))
            }
        };
        Error::new(Kind::WrongKey, doing).hint(format!("{openers}; --keyring says where keys are"))
    }
}

const UNSIGNED: &str = "trusted_signers in [encryption] says whose backups are read; --allow-unsigned reads this one too, though \
    anybody who can write to the store may have put it there";

async fn opened<B: AsRef<[u8]>, F: Future<Output = Result<B>>>(
    key: &dyn KeyWrap,
    owner: &str,
    fetch: &impl Fn(KeyId) -> F,
) -> Result<DataKey> {
    let bytes = fetch(key.id().clone()).await?;
    key.unwrap(&Wrap::parse(bytes.as_ref(), owner, key.id())?).await
}
