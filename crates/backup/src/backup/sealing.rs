//! Seals the objects of one backup, or what a run must not tell in the open.

use bytes::Bytes;
use lifeboat_core::codec::sealed::Sealer;
use lifeboat_core::keys::{DataKey, SealKeys};
use lifeboat_core::store::{Store, layout};
use lifeboat_core::{Job, Result};

/// The data key of one backup or run.
pub(super) struct Sealing {
    key: DataKey,
    owner: String,
}

impl Sealing {
    /// A new data key. Its wraps are stored before anything that is sealed with it: what nobody can open is no backup.
    ///
    /// `place` turns a name in the owner's folder into one in the store.
    pub(super) async fn begin(
        keys: &SealKeys,
        owner: &str,
        store: &Store,
        job: &Job,
        place: impl Fn(&str) -> String,
    ) -> Result<Self> {
        let key = DataKey::generate()?;
        for wrap in keys.wrap(&key, owner).await? {
            store.put(job, &place(&layout::wrap(&wrap.key)), Bytes::from(wrap.to_bytes())).await?;
        }
        Ok(Self { key, owner: owner.to_owned() })
    }

    pub(super) fn key(&self) -> &DataKey {
        &self.key
    }

    /// The whole of a small object called `name`, with all suffixes, sealed.
    pub(super) fn seal(&self, name: &str, message: &[u8]) -> Result<Bytes> {
        let mut sealer = self.sealer(name)?;
        let mut stored = Vec::new();
        sealer.push(message, &mut stored);
        sealer.finish(&mut stored);
        Ok(stored.into())
    }

    /// Seals the object called `name`, with all suffixes.
    pub(super) fn sealer(&self, name: &str) -> Result<Sealer> {
        self.key.sealer(&self.owner, name)
    }
}
