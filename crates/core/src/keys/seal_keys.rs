//! What a backup is sealed and signed with.

use std::sync::Arc;

use super::data_key::DataKey;
use super::key_wrap::KeyWrap;
use super::signer::Signer;
use super::wrap::Wrap;
use crate::error::{Error, Kind, Result};

/// The keys under which each new data key is wrapped, one at least, and who signs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SealKeys {
    /// Any one of them opens the backup.
    pub wraps: Vec<Arc<dyn KeyWrap>>,
    /// Signs the manifest, when the host has a signing key.
    pub signer: Option<Arc<Signer>>,
}

impl SealKeys {
    /// Keys to seal with; one that is named twice counts once.
    ///
    /// # Errors
    /// [`Kind::Config`] when there is none: what nobody can open is no backup.
    pub fn new(wraps: Vec<Arc<dyn KeyWrap>>, signer: Option<Arc<Signer>>) -> Result<Self> {
        let mut distinct: Vec<Arc<dyn KeyWrap>> = Vec::with_capacity(wraps.len());
        for wrap in wraps {
            if distinct.iter().all(|known| known.id() != wrap.id()) {
                distinct.push(wrap);
            }
        }
        if distinct.is_empty() {
            return Err(Error::new(Kind::Config, "seal a backup: there is neither a primary key nor a recipient")
                .hint("make a key with `lifeboat key generate --primary`, or give --recipient x25519:…"));
        }
        Ok(Self { wraps: distinct, signer })
    }

    /// The data key under each of the keys, in their order.
    ///
    /// # Errors
    /// Those of [`KeyWrap::wrap`]; then none of them is to be stored.
    pub async fn wrap(&self, key: &DataKey, owner: &str) -> Result<Vec<Wrap>> {
        let mut wraps = Vec::with_capacity(self.wraps.len());
        for wrap in &self.wraps {
            wraps.push(wrap.wrap(key, owner).await?);
        }
        Ok(wraps)
    }

    /// What to tell the operator while a single key opens every backup.
    #[must_use]
    pub fn single_wrap_warning(&self) -> Option<String> {
        let [only] = self.wraps.as_slice() else { return None };
        Some(format!(
            "only the key {} opens this backup: add a recovery recipient, made on another machine (docs/keys.md)",
            only.id()
        ))
    }
}
