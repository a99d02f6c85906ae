//! The manifest: small, written last, the commit of a backup.
//!
//! Invariant: [`Manifest::parse`] gives back only what [`Manifest::to_bytes`] wrote, every byte of it; a manifest that
//! is cut, continued or changed is refused.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::codec::Sha256;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::id::{BackupId, Name, RunId};

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
    /// How its bytes are compressed.
    pub compression: Compression,
    /// When the run began with this database.
    pub started: Timestamp,
    /// The moment whose state the backup holds; the start where no leader could tell.
    pub snapshot: Timestamp,
    /// When everything but the manifest was stored.
    pub finished: Timestamp,
    /// The script, in order.
    pub script: Vec<StoredObject>,
    /// Everything else.
    pub attachments: Vec<StoredObject>,
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

/// How bytes are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// RFC 1952.
    #[default]
    Gzip,
}

impl Manifest {
    /// The document, ending with its own digest.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("a manifest has string keys only");
        bytes.truncate(bytes.len() - "\n}".len());
        let tail = tail(&bytes);
        bytes.extend_from_slice(tail.as_bytes());
        bytes
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it is not, byte for byte, what was written; [`Kind::Config`] when its format is newer than
    /// this release reads.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::new(Kind::Integrity, "check the manifest's own digest");
        let body = bytes.len().checked_sub(TAIL_BYTES).map(|at| &bytes[..at]).ok_or_else(damaged)?;
        if &bytes[body.len()..] != tail(body).as_bytes() {
            return Err(damaged());
        }
        refuse_other_formats(bytes)?;
        serde_json::from_slice(bytes).kind_of(Kind::Integrity, || "read the manifest".into())
    }

    /// The script's objects, then the attachments.
    pub fn objects(&self) -> impl Iterator<Item = &StoredObject> {
        self.script.iter().chain(&self.attachments)
    }

    /// The attachment called `name`.
    #[must_use]
    pub fn attachment(&self, name: &str) -> Option<&StoredObject> {
        self.attachments.iter().find(|object| object.name == name)
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

fn tail(body: &[u8]) -> String {
    format!(",\n  \"sha256\": \"{}\"\n}}\n", Sha256::of(body))
}

const TAIL_BYTES: usize = ",\n  \"sha256\": \"\"\n}\n".len() + 64;

#[cfg(test)]
mod tests {
    use super::Manifest;
    use crate::error::Kind;

    fn example() -> Manifest {
        let json = r#"{"format":1,"tool":"lifeboat 0.1.0","id":"20261121T021700Z-7f3a9c","run":"20261121T021700Z-01ab23",
            "database":"shop","class":"daily","method":"stream","compression":"gzip","started":"2026-11-21T02:17:00Z",
            "snapshot":"2026-11-21T02:17:01Z","finished":"2026-11-21T02:17:02Z","attachments":[],"script":[{"name":
            "dump-0000.sql.gz","length":3,"part_bytes":16777216,
            "sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}]}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(Manifest::parse(&example().to_bytes()).unwrap(), example());
    }

    #[test]
    fn a_manifest_cut_continued_or_changed_anywhere_is_refused() {
        let bytes = example().to_bytes();
        for at in 0..bytes.len() {
            assert!(Manifest::parse(&bytes[..at]).is_err(), "cut to {at} bytes");
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(Manifest::parse(&flipped).is_err(), "bit flipped in byte {at}");
        }
        assert!(Manifest::parse(&[&bytes[..], b"\n"].concat()).is_err());
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let newer = Manifest { format: 2, ..example() };
        let error = Manifest::parse(&newer.to_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.chain().contains("archive format 2"), "{error:?}");
    }

    #[test]
    fn a_reader_ignores_fields_it_does_not_know() {
        let text = String::from_utf8(example().to_bytes()).unwrap();
        let body = text.rsplit_once(",\n  \"sha256\"").unwrap().0.to_owned() + ",\n  \"later\": {\"x\": 1}";
        let bytes = body.clone() + &super::tail(body.as_bytes());
        assert_eq!(Manifest::parse(bytes.as_bytes()).unwrap(), example());
    }
}
