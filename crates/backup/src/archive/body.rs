//! The way from an object's stored bytes to its compressed bytes, sealed or not.

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lifeboat_core::codec::sealed::{Opener, RangeOpener, message_length};
use lifeboat_core::keys::DataKey;
use lifeboat_core::manifest::StoredObject;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result};

use super::Archive;

/// Opens a whole object as its stored bytes pass.
pub(crate) struct Body {
    name: String,
    opener: Option<Opener>,
    opened: Vec<u8>,
}

impl Body {
    /// The way through an object of `archive`.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it was sealed with another data key or for another place.
    pub(crate) fn of(archive: &Archive, object: &StoredObject) -> Result<Self> {
        let name = archive.path.object(&object.name);
        let open = |header| data_key(archive)?.opener(archive.path.id.as_str(), &object.name, header);
        let opener = object.seal.as_ref().map(open).transpose().map_err(|error| opening(&name, error))?;
        Ok(Self { name, opener, opened: Vec::new() })
    }

    /// The compressed bytes that the next stored bytes hold.
    pub(crate) fn push<'a>(&'a mut self, stored: &'a [u8]) -> Result<&'a [u8]> {
        let Some(opener) = &mut self.opener else { return Ok(stored) };
        self.opened.clear();
        opener.push(stored, &mut self.opened).map_err(|error| opening(&self.name, error))?;
        Ok(&self.opened)
    }

    /// The last compressed bytes, when the object was whole.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        self.opened.clear();
        if let Some(opener) = self.opener {
            opener.finish(&mut self.opened).map_err(|error| opening(&self.name, error))?;
        }
        Ok(self.opened)
    }
}

/// A range of an object's compressed bytes, in order, in blocks.
pub(crate) struct CompressedRange<'a> {
    name: String,
    blocks: BoxStream<'a, Result<Bytes>>,
    opener: Option<RangeOpener>,
}

impl<'a> CompressedRange<'a> {
    /// Reads `compressed_bytes` of the object called `name` in the store. Only the chunks that hold them are fetched.
    pub(crate) fn read(
        store: &'a Store,
        job: &'a Job,
        archive: &Archive,
        object: &StoredObject,
        compressed_bytes: std::ops::Range<u64>,
    ) -> Result<Self> {
        let name = archive.path.object(&object.name);
        let (opener, stored) = match &object.seal {
            Some(header) => {
                let key = data_key(archive)?;
                let id = archive.path.id.as_str();
                let opener = key.range_opener(id, &object.name, header, object.length, compressed_bytes);
                let opener = opener.map_err(|error| opening(&name, error))?;
                let stored = opener.stored();
                (Some(opener), stored)
            }
            None => (None, compressed_bytes),
        };
        Ok(Self { blocks: store.read(job, name.clone(), stored).boxed(), name, opener })
    }

    /// Compressed bytes that were fetched before, of whatever place.
    pub(crate) fn held(compressed_bytes: Bytes) -> Self {
        let blocks = stream::once(std::future::ready(Ok(compressed_bytes))).boxed();
        Self { name: String::new(), blocks, opener: None }
    }

    /// The next block; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        let block = self.blocks.try_next().await?;
        let Some(opener) = &mut self.opener else { return Ok(block) };
        let mut opened = Vec::new();
        if let Some(block) = block {
            opened.reserve_exact(block.len());
            opener.push(&block, &mut opened).map_err(|error| opening(&self.name, error))?;
            return Ok(Some(opened.into()));
        }
        if let Some(opener) = self.opener.take() {
            opener.finish(&mut opened).map_err(|error| opening(&self.name, error))?;
        }
        Ok(Some(Bytes::from(opened)).filter(|rest| !rest.is_empty()))
    }
}

/// How many compressed bytes an object holds.
pub(super) fn compressed_length(object: &StoredObject) -> Result<u64> {
    if object.seal.is_some() { message_length(object.length) } else { Ok(object.length) }
}

/// The error of an object that did not open, with its name.
fn opening(name: &str, error: Error) -> Error {
    error.while_doing(format!("read {name}")).hint("the backup is damaged: see `lifeboat list` for another one")
}

fn data_key(archive: &Archive) -> Result<&DataKey> {
    archive.key.as_deref().ok_or_else(|| Error::new(Kind::WrongKey, format!("read {}: it is not opened", archive.path)))
}
