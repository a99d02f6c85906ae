//! What the objects of a backup hold, sealed or not: compressed bytes, told by their digests.

use std::pin::pin;

use bytes::Bytes;
use futures_util::StreamExt as _;
use lifeboat_core::codec::sealed::Opener;
use lifeboat_core::codec::{Digester, PartSink, Sha256, StoredWriter, WrittenBytes};
use lifeboat_core::job::cancelled;
use lifeboat_core::keys::DataKey;
use lifeboat_core::manifest::{StoredManifest, StoredObject};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::{Error, Job, Kind, Result};
use tokio::sync::mpsc;

/// A backup that is open for reading.
pub(super) struct Source<'a> {
    pub(super) store: &'a Store,
    pub(super) path: &'a BackupPath,
    pub(super) stored: &'a StoredManifest,
    /// Of an encrypted backup.
    pub(super) key: Option<&'a DataKey>,
}

impl Source<'_> {
    /// The digest of every object's compressed bytes, in the manifest's order. Stored bytes are proven on the way.
    pub(super) async fn digests(&self, job: &Job) -> Result<Vec<Sha256>> {
        let mut digests = Vec::new();
        for object in self.stored.manifest.objects() {
            digests.push(Box::pin(self.digest(object, job)).await?);
        }
        Ok(digests)
    }

    async fn digest(&self, object: &StoredObject, job: &Job) -> Result<Sha256> {
        let name = self.path.object(&object.name);
        let digested = async {
            let mut unsealed = Unsealed::new(self.opener(object)?);
            let push = |block: Bytes| unsealed.push(&block).map(drop);
            self.store.read_proven(job, &name, object.length, object.sha256, push).await?;
            Ok::<_, Error>(unsealed.finish()?.1)
        };
        digested.await.map_err(|error| error.while_doing(format!("read {name}")))
    }

    fn opener(&self, object: &StoredObject) -> Result<Option<Opener>> {
        match (&object.seal, self.key) {
            (None, _) => Ok(None),
            (Some(header), Some(key)) => key.opener(self.path.id.as_str(), &object.name, header).map(Some),
            (Some(_), None) => Err(Error::new(Kind::WrongKey, format!("read {}: it is not opened", self.path))),
        }
    }

    /// Writes an object's compressed bytes with `writer`, sealed as that says, and gives their digest.
    pub(super) async fn copy<S: PartSink + Send + 'static>(
        &self,
        object: &StoredObject,
        writer: StoredWriter<S>,
        job: &Job,
    ) -> Result<(WrittenBytes, Sha256)> {
        let (sender, receiver) = mpsc::channel(BLOCKS_AHEAD);
        let unsealed = Unsealed::new(self.opener(object)?);
        // Sealing takes processor time and waits for the store.
        let writing = tokio::task::spawn_blocking(move || write(receiver, unsealed, writer));
        let (fed, written) = tokio::join!(self.feed(object, sender, job), writing);
        let written = written.map_err(|error| Error::new(Kind::Failure, "seal an object").caused_by(error))?;
        match (fed, written) {
            (Err(fed), Err(_)) if fed.kind() != Kind::Cancelled => Err(fed),
            (_, Err(written)) => Err(written),
            (fed, Ok(written)) => fed.map(|()| written),
        }
    }

    /// The writer ends the object only after its last word, which is said when the stored bytes are proven.
    async fn feed(&self, object: &StoredObject, sender: mpsc::Sender<Step>, job: &Job) -> Result<()> {
        let name = self.path.object(&object.name);
        let mut digester = Digester::default();
        let mut blocks = pin!(self.store.read(job, &name, 0..object.length));
        while let Some(block) = blocks.next().await {
            let block = block?;
            digester.update(&block);
            sender.send(Step::Block(block)).await.map_err(|_| cancelled())?;
        }
        if digester.take() != object.sha256 {
            return Err(Error::new(
                Kind::Integrity,
                format!("prove {name}: its bytes are not the ones that were stored"),
            ));
        }
        sender.send(Step::End).await.map_err(|_| cancelled())
    }
}

enum Step {
    Block(Bytes),
    End,
}

fn write<S: PartSink>(
    mut steps: mpsc::Receiver<Step>,
    mut unsealed: Unsealed,
    mut writer: StoredWriter<S>,
) -> Result<(WrittenBytes, Sha256)> {
    while let Some(step) = steps.blocking_recv() {
        match step {
            Step::Block(stored) => writer.push(unsealed.push(&stored)?)?,
            Step::End => {
                let (rest, digest) = unsealed.finish()?;
                writer.push(&rest)?;
                return Ok((writer.finish()?, digest));
            }
        }
    }
    Err(cancelled())
}

/// Stored bytes on their way to compressed bytes, which are digested.
struct Unsealed {
    opener: Option<Opener>,
    compressed_bytes: Vec<u8>,
    digester: Digester,
}

impl Unsealed {
    fn new(opener: Option<Opener>) -> Self {
        Self { opener, compressed_bytes: Vec::new(), digester: Digester::default() }
    }

    fn push<'a>(&'a mut self, stored: &'a [u8]) -> Result<&'a [u8]> {
        let compressed_bytes = match &mut self.opener {
            None => stored,
            Some(opener) => {
                self.compressed_bytes.clear();
                opener.push(stored, &mut self.compressed_bytes)?;
                &self.compressed_bytes
            }
        };
        self.digester.update(compressed_bytes);
        Ok(compressed_bytes)
    }

    /// The last compressed bytes, and the digest of all.
    fn finish(mut self) -> Result<(Vec<u8>, Sha256)> {
        self.compressed_bytes.clear();
        if let Some(opener) = self.opener {
            opener.finish(&mut self.compressed_bytes)?;
        }
        self.digester.update(&self.compressed_bytes);
        Ok((self.compressed_bytes, self.digester.take()))
    }
}

const BLOCKS_AHEAD: usize = 1;
