//! The manifest: small, written last, the commit of a backup.
//!
//! Invariant: [`StoredManifest::parse`] takes only what [`Manifest::to_bytes`] wrote, every byte of it: a manifest that is
//! cut, continued or changed by accident is refused. Against those who change it on purpose stand its MAC, which
//! [`StoredManifest::check_mac`] proves once a key opened the backup, and its signature.

mod stored;
mod tail;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use stored::StoredManifest;

pub use crate::codec::Compression;
use crate::codec::Sha256;
use crate::codec::sealed::Header;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::id::{BackupId, Name, RunId};
use crate::keys::{DataKey, Signer};
use crate::store::layout::{self, BackupPath};

/// What a backup consists of. It tells nothing about the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the archive format.
    pub format: u32,
    /// What wrote it, as in `lifeboat 0.1.0`.
    pub tool: String,
    /// The backup.
    pub id: BackupId,
    /// The run that took it.
    pub run: RunId,
    /// The database's name in the store.
    pub database: Name,
    /// The backup's class.
    pub class: Name,
    /// How it was dumped.
    pub method: Method,
    /// How its script is compressed.
    pub compression: Compression,
    /// When the run began with this database.
    pub started: Timestamp,
    /// The moment whose state the backup holds; the start where no leader could tell.
    pub snapshot: Timestamp,
    /// When everything but the manifest was stored.
    pub finished: Timestamp,
    /// The backup whose data this one holds under another data key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reencrypted_from: Option<BackupId>,
    /// The file that it was made of, where Lifeboat did not dump it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// The script, in order.
    pub script: Vec<StoredObject>,
    /// Everything else.
    pub attachments: Vec<StoredObject>,
}

/// A file that Lifeboat did not write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Its name, without folders.
    pub file: String,
    /// What it was made of, the outermost layer first: `gpg`, `gzip`, `plain`.
    pub forms: Vec<String>,
    /// Its bytes, as it was given.
    pub length: u64,
    /// Their digest.
    pub sha256: Sha256,
}

/// One object as it was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// Name, relative to the backup's folder.
    pub name: String,
    /// Stored bytes.
    pub length: u64,
    /// Digest of the stored bytes.
    pub sha256: Sha256,
    /// Size of every part but the last.
    pub part_bytes: u64,
    /// The first bytes of a sealed object; `None` for one that is not encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Header>,
}

/// How a database is dumped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// One plain `pg_dump`, indexed from its own output.
    #[default]
    Stream,
    /// Several COPY workers under one snapshot.
    Parallel,
}

impl Method {
    /// The method as documents and people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Parallel => "parallel",
        }
    }
}

impl Manifest {
    /// The document, ending with what proves it: the MAC of an encrypted backup, the host's signature, its own digest.
    #[must_use]
    pub fn to_bytes(&self, key: Option<&DataKey>, signer: Option<&Signer>) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest has string keys only");
        bytes.truncate(bytes.len() - "\n}".len());
        if let Some(key) = key {
            let mac = key.manifest_mac(self.id.as_str(), &bytes);
            tail::push_mac(&mut bytes, &mac);
        }
        if let Some(signer) = signer {
            let signature = signer.sign(&bytes);
            tail::push_signature(&mut bytes, &signature);
        }
        tail::push_digest(&mut bytes);
        bytes
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> BackupPath {
        BackupPath { class: self.class.clone(), database: self.database.clone(), id: self.id.clone() }
    }

    /// Whether its objects are sealed. Those of a manifest that was read are so either all or none.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.objects().any(|object| object.seal.is_some())
    }

    /// The script's objects, then the attachments.
    pub fn objects(&self) -> impl Iterator<Item = &StoredObject> {
        self.script.iter().chain(&self.attachments)
    }

    /// The attachment called `name`, sealed or not.
    #[must_use]
    pub fn attachment(&self, name: &str) -> Option<&StoredObject> {
        self.attachments.iter().find(|object| layout::unsealed(&object.name) == name)
    }

    /// Stored bytes of all objects, the manifest not counted.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.objects().map(|object| object.length).sum()
    }
}

/// Refuses a JSON document of a format this release does not read.
///
/// # Errors
/// [`Kind::Config`] for another format, [`Kind::Integrity`] for a document that has none.
pub fn refuse_other_formats(json: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let found: Versioned = serde_json::from_slice(json).kind_of(Kind::Integrity, || "read a format version".into())?;
    if found.format == crate::FORMAT {
        return Ok(());
    }
    let doing =
        format!("read archive format {} with {}, which reads format {}", found.format, crate::TOOL, crate::FORMAT);
    Err(Error::new(Kind::Config, doing).hint("use the release of lifeboat that wrote the backup, or a later one"))
}

#[cfg(test)]
mod tests;
