//! Data keys, and what proves them: the MAC of a backup's manifest, the commitment of what a run or a drill sealed.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use lifeboat_core::codec::sealed::{HEADER_BYTES, Header};
use lifeboat_core::keys::{DataKey, KeyId, KeyWrap, OpenKeys, Wrap, WrapCipher};
use lifeboat_core::manifest::StoredManifest;
use lifeboat_core::store::layout::{self, MANIFEST};
use lifeboat_core::{Error, Job, Kind, Result};

use super::folder::{Folder, Owner};

/// What tells the data key of a folder from any other.
pub(super) enum Proof {
    Manifest(Box<StoredManifest>),
    /// Of the object of this name.
    Details(String, Header),
}

impl Proof {
    /// Proves that `key` is the data key.
    pub(super) fn check(&self, owner: &Owner, key: &DataKey) -> Result<()> {
        match self {
            Self::Manifest(stored) => stored.check_mac(key),
            Self::Details(name, header) => key.opener(owner.id(), name, header).map(drop),
        }
    }

    /// Refuses an author whom the configuration does not trust; records of runs and drills have none.
    pub(super) fn judge(&self, owner: &Owner, keys: &OpenKeys) -> Result<()> {
        match self {
            Self::Manifest(stored) => stored.judge(keys, &owner.to_string()),
            Self::Details(..) => Ok(()),
        }
    }
}

impl Folder<'_> {
    /// Reads what proves the data key.
    pub(super) async fn proof(&self, job: &Job) -> Result<Proof> {
        let Some(name) = self.owner.details() else {
            return Ok(Proof::Manifest(Box::new(self.manifest(job).await?)));
        };
        let header = self.header(job, &name).await?;
        Ok(Proof::Details(name, header))
    }

    /// The manifest, which must be the one of this place.
    pub(super) async fn manifest(&self, job: &Job) -> Result<StoredManifest> {
        let bytes = self.store.get(job, &self.owner.object(MANIFEST)).await?;
        match &self.owner {
            Owner::Backup(path) => StoredManifest::parse_at(bytes, path),
            Owner::Run(_) | Owner::Drill(..) => StoredManifest::parse(bytes),
        }
    }

    async fn header(&self, job: &Job, name: &str) -> Result<Header> {
        let name = self.owner.object(name);
        let blocks: Vec<Bytes> = self.store.read(job, &name, 0..HEADER_BYTES as u64).try_collect().await?;
        let bytes: &[u8] = &blocks.concat();
        let header = bytes.try_into().map_err(|_| Error::new(Kind::Integrity, format!("read {name}: it is cut")))?;
        Ok(Header::from_bytes(header))
    }

    /// Reads a wrap.
    pub(super) async fn wrap(&self, job: &Job, id: &KeyId) -> Result<Wrap> {
        let bytes = self.wrap_bytes(job, id).await?;
        Wrap::parse(&bytes, self.owner.id(), id)
    }

    pub(super) async fn wrap_bytes(&self, job: &Job, id: &KeyId) -> Result<Bytes> {
        self.store.get(job, &self.owner.object(&layout::wrap(id))).await
    }

    /// The data key, proven, of an author who is trusted; and what proved it.
    pub(super) async fn open(&self, keys: &OpenKeys, job: &Job) -> Result<(DataKey, Proof)> {
        let wraps = self.wraps();
        let fetch = |id: KeyId| async move { self.wrap_bytes(job, &id).await };
        let opening = keys.open(self.owner.id(), &wraps, fetch);
        let (opened, proof) = tokio::join!(opening, self.proof(job));
        let ((key, _), proof) = (opened?, proof?);
        proof.check(&self.owner, &key)?;
        proof.judge(&self.owner, keys)?;
        Ok((key, proof))
    }
}

/// Whether `key` opens `wrap` to this data key; `None` when it is a public key, which cannot tell.
pub(super) async fn opens_to(key: &dyn KeyWrap, wrap: &Wrap, expected: &DataKey) -> Result<Option<()>> {
    match key.unwrap(wrap).await {
        Ok(opened) if opened.is(expected) => Ok(Some(())),
        Ok(_) => Err(Error::new(
            Kind::Integrity,
            format!("compare the wrap under {} with the data key of {}: it holds another", wrap.key, wrap.backup),
        )),
        Err(error) if is_public(wrap, &error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a wrap did not open because ours is the public half of its key.
pub(super) fn is_public(wrap: &Wrap, error: &Error) -> bool {
    error.kind() == Kind::WrongKey && matches!(wrap.cipher, WrapCipher::Hpke { .. })
}
