//! Reads objects by bounded ranges, a few ahead, each repeated by itself when it fails.
//!
//! One long GET would be at the mercy of every idle timeout on the way while Postgres builds an index. The first answer's
//! ETag goes into every further request, so that an object cannot change under the reader.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use object_store::{GetOptions, GetResult};

use super::Store;
use super::admitted::Call;
use crate::codec::{Digester, Sha256};
use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::monitor::Counter;

/// Bytes of one GET.
pub const BLOCK_BYTES: u64 = 8 << 20;
const BLOCKS_AHEAD: usize = 2;

impl Store {
    /// The bytes of `range` of an object, in order, in blocks of at most [`BLOCK_BYTES`].
    ///
    /// Each block is an error, and the last item, when the object is missing, shorter, or replaced while it is read.
    pub fn read<'a>(
        &'a self,
        job: &'a Job,
        name: impl Into<String>,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes>> + Send + 'a {
        let name: Arc<str> = name.into().into();
        let first = range.start..range.end.min(range.start.saturating_add(BLOCK_BYTES));
        let rest = blocks(first.end..range.end);
        stream::once(self.block(job, Arc::clone(&name), first, None)).flat_map(move |first| {
            let (bytes, etag) = match first {
                Ok((bytes, etag)) => (Ok(bytes), etag),
                Err(error) => (Err(error), None),
            };
            let rest = if bytes.is_ok() { rest.clone() } else { Vec::new() };
            let name = Arc::clone(&name);
            let rest = stream::iter(rest).map(move |block| {
                let (name, etag) = (Arc::clone(&name), etag.clone());
                async move { Ok(self.block(job, name, block, etag).await?.0) }
            });
            stream::once(async { bytes }).chain(rest.buffered(BLOCKS_AHEAD))
        })
    }

    /// Reads a whole object that must have `length` bytes and the digest `sha256`, block by block.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when it differs or is missing; what `sink` returns. The sink has then seen unproven bytes.
    pub async fn read_proven(
        &self,
        job: &Job,
        name: &str,
        length: u64,
        sha256: Sha256,
        mut sink: impl FnMut(Bytes) -> Result<()>,
    ) -> Result<()> {
        let mut digester = Digester::default();
        let mut blocks = std::pin::pin!(self.read(job, name, 0..length));
        while let Some(block) = blocks.next().await {
            let block = block?;
            digester.update(&block);
            sink(block)?;
        }
        if digester.take() == sha256 { Ok(()) } else { Err(differs(name)) }
    }

    async fn block(
        &self,
        job: &Job,
        name: Arc<str>,
        range: Range<u64>,
        etag: Option<String>,
    ) -> Result<(Bytes, Option<String>)> {
        if range.is_empty() {
            return Ok((Bytes::new(), etag));
        }
        let path = self.path(&name);
        let doing = format!("read {name} from {}", self.address);
        let options = GetOptions::new().with_range(Some(range.clone())).with_if_match(etag);
        let get = || async {
            let found: GetResult = self.objects.get_opts(&path, options.clone()).await?;
            let etag = found.meta.e_tag.clone();
            Ok((found.bytes().await?, etag))
        };
        let found = self.call(Call::Read, job, Duration::ZERO, &doing, get).await;
        let (bytes, etag) = found.map_err(|error| if self.verbatim { error } else { missing(error, &name) })?;
        job.count(Counter::FetchedBytes, bytes.len() as u64);
        match bytes.len() as u64 == range.end - range.start {
            true => Ok((bytes, etag)),
            false if self.verbatim => {
                Err(Error::new(Kind::Integrity, format!("{doing}: it is shorter than it was listed")))
            }
            false => Err(differs(&name)),
        }
    }
}

fn blocks(range: Range<u64>) -> Vec<Range<u64>> {
    let starts = range.clone().step_by(BLOCK_BYTES as usize);
    starts.map(|start| start..range.end.min(start + BLOCK_BYTES)).collect()
}

/// An object that a manifest names is not optional.
fn missing(error: Error, name: &str) -> Error {
    if error.kind() != Kind::NotFound {
        return error;
    }
    Error::new(Kind::Integrity, format!("find {name}, which the manifest names"))
        .hint("the backup is damaged: see `lifeboat list` for another one")
        .caused_by(error)
}

fn differs(name: &str) -> Error {
    Error::new(Kind::Integrity, format!("prove {name}: its bytes are not the ones that were stored"))
        .hint("the backup is damaged: see `lifeboat list` for another one")
}
