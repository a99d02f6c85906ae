//! `keys/<id>.json`: a data key under one key-encryption key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::key_id::KeyId;
use super::lp::lp;
use crate::error::{Error, Kind, Result, ResultExt};
use crate::manifest::refuse_other_formats;
use crate::store::layout;

/// A data key under one key-encryption key, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrap {
    /// The id of the backup or the run whose data key it is.
    pub backup: String,
    /// The key that opens it.
    pub key: KeyId,
    /// The data key, encrypted.
    pub cipher: WrapCipher,
}

/// A data key, encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WrapCipher {
    /// `aes256-gcm`: under a symmetric key.
    Aes256Gcm {
        /// Random, new for each wrap.
        nonce: [u8; 12],
        /// Ciphertext and tag.
        wrapped: [u8; 48],
    },
    /// `hpke-x25519-hkdf-sha256-aes256-gcm`: to a recipient.
    Hpke {
        /// The encapsulated key.
        enc: [u8; 32],
        /// Ciphertext and tag.
        wrapped: [u8; 48],
    },
    /// An algorithm that this crate does not know; for implementations of [`KeyWrap`](super::KeyWrap) elsewhere.
    Other {
        /// Its name.
        algorithm: String,
        /// Its fields.
        fields: BTreeMap<String, Value>,
    },
}

#[derive(Deserialize, Serialize)]
struct Document {
    format: u32,
    backup: String,
    key: String,
    algorithm: String,
    #[serde(flatten)]
    fields: BTreeMap<String, Value>,
}

impl Wrap {
    /// Reads the wrap that lies at `keys/<key>.json` of `owner`, a backup's id or a run's.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it is cut, damaged, of another owner or of another key; [`Kind::Config`] when its format is
    /// newer than this release reads.
    pub fn parse(bytes: &[u8], owner: &str, key: &KeyId) -> Result<Self> {
        Self::read(bytes, owner, key).map_err(|error| {
            let (name, damaged) = (layout::wrap(key), error.kind() == Kind::Integrity);
            let error = error.while_doing(format!("read {name} of {owner}"));
            if !damaged {
                return error;
            }
            error.hint(format!(
                "when another wrap opens {owner}, delete its {name}, that one object and no other, and \
                 `lifeboat rotate backups rewrap` writes it anew"
            ))
        })
    }

    fn read(bytes: &[u8], owner: &str, key: &KeyId) -> Result<Self> {
        if bytes.len() > BYTES_MAX {
            return Err(damaged(format!("{} bytes are too many for a wrap", bytes.len())));
        }
        let json = serde_json::from_slice::<serde::de::IgnoredAny>(bytes);
        json.kind_of(Kind::Integrity, || "accept the wrap: it is cut or damaged".into())?;
        refuse_other_formats(bytes)?;
        let document: Document = serde_json::from_slice(bytes).kind_of(Kind::Integrity, || "read a wrap".into())?;
        if document.backup != owner {
            return Err(damaged(format!("accept the wrap: it is of {:?}", document.backup)));
        }
        if document.key != key.as_str() {
            return Err(damaged(format!("accept the wrap: it is of the key {:?}", document.key)));
        }
        let cipher = WrapCipher::read(document.algorithm, document.fields)?;
        Ok(Self { backup: document.backup, key: key.clone(), cipher })
    }

    /// The document.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (algorithm, fields) = self.cipher.fields();
        let (backup, key) = (self.backup.clone(), self.key.to_string());
        let document = Document { format: crate::FORMAT, backup, key, algorithm, fields };
        let mut bytes = serde_json::to_vec_pretty(&document).expect("a wrap has string keys only");
        bytes.push(b'\n');
        bytes
    }
}

impl WrapCipher {
    /// The algorithm's name.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        match self {
            Self::Aes256Gcm { .. } => AES256_GCM,
            Self::Hpke { .. } => HPKE,
            Self::Other { algorithm, .. } => algorithm,
        }
    }

    fn read(algorithm: String, fields: BTreeMap<String, Value>) -> Result<Self> {
        match algorithm.as_str() {
            AES256_GCM => {
                Ok(Self::Aes256Gcm { nonce: digits(&fields, "nonce")?, wrapped: digits(&fields, "wrapped")? })
            }
            HPKE => Ok(Self::Hpke { enc: digits(&fields, "enc")?, wrapped: digits(&fields, "wrapped")? }),
            _ => Ok(Self::Other { algorithm, fields }),
        }
    }

    fn fields(&self) -> (String, BTreeMap<String, Value>) {
        let of = |fields: [(&str, &[u8]); 2]| {
            fields.map(|(name, bytes)| (name.to_owned(), Value::from(hex::encode(bytes)))).into_iter().collect()
        };
        let fields = match self {
            Self::Aes256Gcm { nonce, wrapped } => of([("nonce", nonce), ("wrapped", wrapped)]),
            Self::Hpke { enc, wrapped } => of([("enc", enc), ("wrapped", wrapped)]),
            Self::Other { fields, .. } => fields.clone(),
        };
        (self.algorithm().to_owned(), fields)
    }
}

/// What binds a wrap to its owner and its key: additional data of AES-GCM, `info` of HPKE.
pub(super) fn context(owner: &str, key: &KeyId) -> Vec<u8> {
    lp(&["lifeboat/v1 dek", owner, key.as_str()])
}

fn digits<const N: usize>(fields: &BTreeMap<String, Value>, name: &str) -> Result<[u8; N]> {
    let missing = || damaged(format!("find {name:?} in the wrap"));
    let text = fields.get(name).and_then(Value::as_str).ok_or_else(missing)?;
    let mut bytes = [0; N];
    let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) if lower => Ok(bytes),
        _ => Err(damaged(format!("read {name:?} of the wrap: it is not {} hexadecimal digits", 2 * N))),
    }
}

fn damaged(doing: String) -> Error {
    Error::new(Kind::Integrity, doing)
}

pub(super) const AES256_GCM: &str = "aes256-gcm";
pub(super) const HPKE: &str = "hpke-x25519-hkdf-sha256-aes256-gcm";
const BYTES_MAX: usize = 64 << 10;
