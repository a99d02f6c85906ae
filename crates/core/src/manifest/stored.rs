//! A manifest as it lies in the store: the document and what proves it.

use bytes::Bytes;

use super::tail::{self, Tail};
use super::{Manifest, refuse_other_formats};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::keys::{DataKey, OpenKeys, Signature};
use crate::store::layout::{self, BackupPath};

/// A manifest that was read. It is whole; who wrote it is proven by [`StoredManifest::check_mac`] and its signature alone.
#[derive(Clone, Debug)]
pub struct StoredManifest {
    /// What it says.
    pub manifest: Manifest,
    bytes: Bytes,
    tail: Tail,
}

impl StoredManifest {
    /// Reads a document.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it is not, byte for byte, what was written, or names objects of which some are sealed and some
    /// are not; [`Kind::Config`] when its format is newer than this release reads.
    pub fn parse(bytes: Bytes) -> Result<Self> {
        let tail = tail::read(&bytes)?;
        refuse_other_formats(&bytes)?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).kind_of(Kind::Integrity, || "read the manifest".into())?;
        let stored = Self { manifest, bytes, tail };
        stored.check_seals()?;
        Ok(stored)
    }

    /// Reads the document that lies at `path`.
    ///
    /// # Errors
    /// Those of [`StoredManifest::parse`]; [`Kind::Integrity`] when it is another backup's.
    pub fn parse_at(bytes: Bytes, path: &BackupPath) -> Result<Self> {
        let stored = Self::parse(bytes)?;
        let said = stored.manifest.path();
        if said == *path {
            return Ok(stored);
        }
        let doing = format!("trust the manifest: it is of {said} ({}), and lies elsewhere", said.class);
        Err(Error::new(Kind::Integrity, doing))
    }

    /// The document as it lies in the store.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Proves that whoever wrote this manifest knew `key`, which opened the backup, and that nothing was changed since.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it is not so: the manifest or the wrap is another backup's, or was forged.
    pub fn check_mac(&self, key: &DataKey) -> Result<()> {
        let id = self.manifest.id.as_str();
        let proven = self.tail.mac.is_some_and(|(covered, mac)| key.proves_manifest(id, &self.bytes[..covered], &mac));
        if proven {
            return Ok(());
        }
        Err(Error::new(
            Kind::Integrity,
            format!("prove the manifest of {id}: its MAC is not one of the key that opens the backup"),
        )
        .hint("the manifest or the wrap was forged or belongs to another backup"))
    }

    /// Refuses an author or a lack of encryption that `keys` do not allow. `name` is the backup as operators know it.
    ///
    /// # Errors
    /// Those of [`OpenKeys::judge_author`] and [`OpenKeys::judge_unencrypted`].
    pub fn judge(&self, keys: &OpenKeys, name: &str) -> Result<()> {
        let (covered, signature) = match &self.tail.signature {
            Some((covered, signature)) => (*covered, Some(signature)),
            None => (0, None),
        };
        keys.judge_author(name, &self.bytes[..covered], signature)?;
        if self.manifest.is_encrypted() { Ok(()) } else { keys.judge_unencrypted(name) }
    }

    /// Who signed it, if somebody did. Not proven: see [`StoredManifest::judge`].
    #[must_use]
    pub fn signature(&self) -> Option<&Signature> {
        self.tail.signature.as_ref().map(|(_, signature)| signature)
    }

    /// The fields that this release does not know, or knows less of: another document made of
    /// [`manifest`](Self::manifest) would lack them.
    #[must_use]
    pub fn unknown_fields(&self) -> Vec<String> {
        let fields = |bytes: &[u8]| serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(bytes);
        // Both were read before; the second is the one that this release would write.
        let said = fields(&self.bytes).unwrap_or_default();
        let known = fields(&self.manifest.to_bytes(None, None)).unwrap_or_default();
        let unknown = said.into_iter().filter(|(name, value)| !tail::is_field(name) && known.get(name) != Some(value));
        unknown.map(|(name, _)| name).collect()
    }

    /// Either every object is sealed and named so, and there is a MAC, or nothing of it.
    fn check_seals(&self) -> Result<()> {
        let encrypted = self.manifest.is_encrypted();
        let agree = self
            .manifest
            .objects()
            .all(|object| object.seal.is_some() == encrypted && layout::is_sealed(&object.name) == encrypted);
        if agree && self.tail.mac.is_some() == encrypted {
            return Ok(());
        }
        Err(Error::new(
            Kind::Integrity,
            "trust the manifest: it says both that the backup is encrypted and that it is not",
        ))
    }
}
