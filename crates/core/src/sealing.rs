//! The data key of a backup that is being written, or of what a run or a drill must not tell in the open; and the way back
//! to what was sealed with it.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::codec::sealed::{HEADER_BYTES, Header, Sealer};
use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::keys::{DataKey, KeyId, OpenKeys, SealKeys, Wrap};
use crate::store::{Store, layout};

/// A new data key, and whose it is. Its wraps are stored before anything that is sealed with it: what nobody can open is
/// no backup.
#[derive(Debug)]
pub struct Sealing {
    key: DataKey,
    owner: String,
}

impl Sealing {
    /// A new data key of `owner` (the id of a backup, run or drill), whose wraps are stored now.
    ///
    /// `place` turns a name in the owner's folder into one in the store.
    ///
    /// # Errors
    /// Those of [`SealKeys::wrap`] and of [`Store::put`].
    pub async fn begin(
        keys: &SealKeys,
        owner: &str,
        store: &Store,
        job: &Job,
        place: impl Fn(&str) -> String,
    ) -> Result<Self> {
        let (sealing, wraps) = Self::prepare(keys, owner).await?;
        for wrap in wraps {
            store.put(job, &place(&layout::wrap(&wrap.key)), Bytes::from(wrap.to_bytes())).await?;
        }
        Ok(sealing)
    }

    /// A new data key of `owner`, and its wraps, for the caller to store before anything else.
    ///
    /// # Errors
    /// Those of [`SealKeys::wrap`].
    pub async fn prepare(keys: &SealKeys, owner: &str) -> Result<(Self, Vec<Wrap>)> {
        let key = DataKey::generate()?;
        let wraps = keys.wrap(&key, owner).await?;
        Ok((Self { key, owner: owner.to_owned() }, wraps))
    }

    /// The data key.
    #[must_use]
    pub fn key(&self) -> &DataKey {
        &self.key
    }

    /// The whole of a small object called `name`, with all suffixes, sealed.
    ///
    /// # Errors
    /// Those of [`DataKey::sealer`].
    pub fn seal(&self, name: &str, message: &[u8]) -> Result<Bytes> {
        let mut sealer = self.sealer(name)?;
        let mut stored = Vec::new();
        sealer.push(message, &mut stored);
        sealer.finish(&mut stored);
        Ok(stored.into())
    }

    /// Seals the object called `name`, with all suffixes.
    ///
    /// # Errors
    /// Those of [`DataKey::sealer`].
    pub fn sealer(&self, name: &str) -> Result<Sealer> {
        self.key.sealer(&self.owner, name)
    }
}

/// A folder of small objects that may be sealed: those of a run or a drill, which no manifest lists.
#[derive(Debug)]
pub struct SmallObjects<P> {
    owner: String,
    names: BTreeSet<String>,
    place: P,
}

impl<P: Fn(&str) -> String> SmallObjects<P> {
    /// The folder of `owner` as it is now; `place` turns a name in it into one in the store.
    ///
    /// # Errors
    /// Those of [`Store::list`].
    pub async fn list(owner: &str, store: &Store, job: &Job, place: P) -> Result<Self> {
        let within = place("");
        let listed = store.list(job, &within).await?;
        let names = listed.iter().filter_map(|object| object.name.strip_prefix(&within).map(str::to_owned));
        Ok(Self { owner: owner.to_owned(), names: names.collect(), place })
    }

    /// Whether there is an object of this name, sealed or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name) || self.names.contains(&layout::sealed(name))
    }

    /// The object called `name` before it was sealed: opened, where it is sealed. `what` is the object as operators know it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] without it; those of [`OpenKeys::open`]; [`Kind::Policy`] when it is not sealed and `keys` demand that;
    /// [`Kind::Integrity`] when it is not what was sealed.
    pub async fn read(&self, name: &str, what: &str, store: &Store, keys: &OpenKeys, job: &Job) -> Result<Vec<u8>> {
        let sealed = layout::sealed(name);
        if self.names.contains(&sealed) {
            return self.open(&sealed, what, store, keys, job).await;
        }
        if !self.names.contains(name) {
            return Err(Error::new(Kind::NotFound, format!("find {what} in {}", store.address())));
        }
        keys.judge_unencrypted(what)?;
        Ok(store.get(job, &(self.place)(name)).await?.into())
    }

    async fn open(&self, name: &str, what: &str, store: &Store, keys: &OpenKeys, job: &Job) -> Result<Vec<u8>> {
        let wraps: Vec<KeyId> = self.names.iter().filter_map(|name| layout::wrapped_under(name)).collect();
        let fetch = |id: KeyId| async move { store.get(job, &(self.place)(&layout::wrap(&id))).await };
        let (key, _) = keys.open(&self.owner, &wraps, fetch).await?;
        let stored = store.get(job, &(self.place)(name)).await?;
        opened(&key, &self.owner, name, &stored).map_err(|error| error.while_doing(format!("open {what}")))
    }
}

fn opened(key: &DataKey, owner: &str, name: &str, stored: &[u8]) -> Result<Vec<u8>> {
    let header =
        stored.first_chunk::<HEADER_BYTES>().ok_or_else(|| Error::new(Kind::Integrity, "read it: it is cut"))?;
    let mut opener = key.opener(owner, name, &Header::from_bytes(header))?;
    let mut message = Vec::new();
    opener.push(stored, &mut message)?;
    opener.finish(&mut message)?;
    Ok(message)
}
