//! Keys together: what one wraps, another opens or does not.

mod opening;
mod printed;
mod recipients;
mod signing;
mod wraps;

use std::sync::Arc;

use super::{DataKey, KeyId, KeyWrap, OpenKeys, Secret, SymmetricKey};
use crate::error::{Error, Kind, Result};

const OWNER: &str = "20261121T021700Z-7f3a9c";
const OTHER: &str = "20261122T021700Z-7f3a9c";

fn secret(byte: u8) -> Secret {
    Secret::copied(&[byte; 32])
}

fn hex32(text: &str) -> Secret {
    Secret::filled(|bytes| hex::decode_to_slice(text, bytes)).unwrap()
}

fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

fn symmetric(name: &str, byte: u8) -> Arc<SymmetricKey> {
    Arc::new(SymmetricKey::new(id(name), secret(byte)))
}

fn data_key() -> DataKey {
    DataKey::from_secret(secret(0xda))
}

/// Wraps in a folder: names and bytes.
struct Folder(Vec<(KeyId, Vec<u8>)>);

impl Folder {
    async fn wrapped(keys: &[&dyn KeyWrap]) -> Self {
        let mut wraps = Vec::new();
        for key in keys {
            let wrap = key.wrap(&data_key(), OWNER).await.unwrap();
            wraps.push((wrap.key.clone(), wrap.to_bytes()));
        }
        Self(wraps)
    }

    async fn opened_by(&self, keys: &OpenKeys) -> Result<(DataKey, KeyId)> {
        let ids: Vec<_> = self.0.iter().map(|(id, _)| id.clone()).collect();
        keys.open(OWNER, &ids, |id| async move {
            let found = self.0.iter().find(|(known, _)| *known == id);
            found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| Error::new(Kind::NotFound, "fetch a wrap"))
        })
        .await
    }
}

fn open_keys(keys: Vec<Arc<dyn KeyWrap>>) -> OpenKeys {
    OpenKeys { keys, required: true, ..OpenKeys::default() }
}
