//! Uploads objects in parts, a fixed number of them in flight whatever the number of writers.
//!
//! Writers are threads: each hands full parts to its [`Parts`], which takes a permit first and so blocks the writer, and
//! through it `pg_dump`, while the store is slower. [`Uploader::run`] sends the parts, completes each object after its
//! last one, and on any error or cancellation aborts what is open.
//!
//! Memory: part size × (parts in flight + one per writer).

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{ObjectStoreExt as _, PutPayload};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Store;
use super::fault::{fatal, is_unknown_upload};
use super::journal::{Entry, Journal, OpenUpload};
use crate::codec::{PART_BYTES, PartSink};
use crate::error::{Error, Kind, Result};
use crate::job::{Job, cancelled};
use crate::monitor::Counter;

/// How objects are uploaded.
#[derive(Clone, Debug)]
pub struct UploadOptions {
    /// Parts on their way to the store at once, over all writers.
    pub parts_in_flight: usize,
    /// Size of every part but an object's last.
    pub part_bytes: usize,
    /// Parts an object may have at this store.
    pub parts_max: u64,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self { parts_in_flight: 3, part_bytes: PART_BYTES, parts_max: 10_000 }
    }
}

/// An object that the store has taken whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadedObject {
    /// Name in the store.
    pub name: String,
    /// Stored bytes sent.
    pub length: u64,
}

/// Sends what the writers hand over. Not running it blocks the writers.
pub struct Uploader {
    store: Store,
    journal: Journal,
    parts: mpsc::UnboundedReceiver<Part>,
    sender: mpsc::UnboundedSender<Part>,
    permits: Arc<Semaphore>,
}

/// A writer's end: the parts of one object.
pub struct Parts {
    name: String,
    sender: mpsc::UnboundedSender<Part>,
    permits: Arc<Semaphore>,
    runtime: Handle,
}

struct Part {
    name: String,
    bytes: Bytes,
    last: bool,
    permit: OwnedSemaphorePermit,
}

/// Makes writers' ends; dropped when no further object will come.
#[derive(Clone)]
pub struct Writers {
    sender: mpsc::UnboundedSender<Part>,
    permits: Arc<Semaphore>,
    runtime: Handle,
}

#[derive(Default)]
struct Object {
    upload: Option<Entry>,
    sent: usize,
    stored: Vec<(usize, PartId)>,
    length: u64,
    last_sent: bool,
}

type Sending<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Result<Sent>> + Send + 'a>>>;

struct Sent {
    name: String,
    /// Position and id of a part; `None` for an object stored by one PUT.
    part: Option<(usize, PartId)>,
    length: u64,
}

impl Uploader {
    /// An uploader, and what makes its writers' ends. To be called within a Tokio runtime.
    #[must_use]
    pub fn new(store: &Store, journal: &Journal, options: &UploadOptions) -> (Self, Writers) {
        let (sender, parts) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(options.parts_in_flight.max(1)));
        let writers = Writers { sender: sender.clone(), permits: Arc::clone(&permits), runtime: Handle::current() };
        (Self { store: store.clone(), journal: journal.clone(), parts, sender, permits }, writers)
    }

    /// Sends parts until every writer's end is dropped; gives the objects in the order they were completed.
    ///
    /// # Errors
    /// [`Kind::Cancelled`] after a cancellation or when a writer gave an object up; the store's own errors. Whatever
    /// was open is aborted before this returns; what cannot be aborted stays in the journal for the next run.
    pub async fn run(self, job: &Job) -> Result<Vec<UploadedObject>> {
        let Self { store, journal, mut parts, sender, permits } = self;
        drop(sender);
        let mut objects = HashMap::new();
        let result = send_all(&store, &journal, &mut parts, job, &mut objects).await;
        if result.is_err() {
            // Writers that wait for a permit or hand over a part are told to stop.
            permits.close();
            drop(parts);
            abort_all(&store, objects.into_values().filter_map(|object: Object| object.upload)).await;
        }
        result
    }
}

impl Writers {
    /// The writer's end for the object called `name`.
    #[must_use]
    pub fn object(&self, name: String) -> Parts {
        Parts { name, sender: self.sender.clone(), permits: Arc::clone(&self.permits), runtime: self.runtime.clone() }
    }
}

impl PartSink for Parts {
    fn part(&mut self, bytes: Bytes, last: bool) -> Result<()> {
        let permit = self.runtime.block_on(Arc::clone(&self.permits).acquire_owned()).map_err(|_| cancelled())?;
        let part = Part { name: self.name.clone(), bytes, last, permit };
        self.sender.send(part).map_err(|_| cancelled())
    }
}

async fn send_all(
    store: &Store,
    journal: &Journal,
    parts: &mut mpsc::UnboundedReceiver<Part>,
    job: &Job,
    objects: &mut HashMap<String, Object>,
) -> Result<Vec<UploadedObject>> {
    let mut sending = Sending::new();
    let mut completed = Vec::new();
    loop {
        let more_may_come = !parts.is_closed() || !parts.is_empty();
        if !more_may_come && sending.is_empty() {
            break;
        }
        tokio::select! {
            part = parts.recv(), if more_may_come => if let Some(part) = part {
                let object = objects.entry(part.name.clone()).or_default();
                let part = begin(store, journal, job, object, part).await?;
                sending.push(part);
            },
            Some(sent) = sending.next() => {
                let sent = sent?;
                job.count(Counter::StoredBytes, sent.length);
                completed.extend(settle(store, job, objects, sent).await?);
            }
            () = job.cancel.cancelled() => return Err(cancelled()),
        }
    }
    if objects.is_empty() { Ok(completed) } else { Err(cancelled()) }
}

/// Starts sending a part; the future it returns holds the part's permit.
async fn begin<'a>(
    store: &'a Store,
    journal: &Journal,
    job: &'a Job,
    object: &mut Object,
    part: Part,
) -> Result<Pin<Box<dyn Future<Output = Result<Sent>> + Send + 'a>>> {
    object.last_sent = part.last;
    if part.last && object.upload.is_none() {
        return Ok(Box::pin(put_whole(store, job, part)));
    }
    let id = match &object.upload {
        Some(entry) => entry.upload.id.clone(),
        None => object.upload.insert(create(store, journal, job, &part.name).await?).upload.id.clone(),
    };
    object.sent += 1;
    Ok(Box::pin(put_part(store, job, id, object.sent - 1, part)))
}

async fn create(store: &Store, journal: &Journal, job: &Job, name: &str) -> Result<Entry> {
    let path = store.path(name);
    let doing = format!("begin the upload of {name} to {}", store.address);
    let id = store.retry.run(job, &doing, || store.uploads.create_multipart(&path)).await?;
    journal.record(OpenUpload { store: store.address.clone(), path: path.to_string(), id })
}

async fn put_whole(store: &Store, job: &Job, part: Part) -> Result<Sent> {
    let path = store.path(&part.name);
    let doing = format!("write {} to {}", part.name, store.address);
    let length = part.bytes.len() as u64;
    let put = || store.objects.put(&path, PutPayload::from_bytes(part.bytes.clone()));
    store.retry.run(job, &doing, put).await?;
    drop(part.permit);
    Ok(Sent { name: part.name, part: None, length })
}

async fn put_part(store: &Store, job: &Job, id: String, position: usize, part: Part) -> Result<Sent> {
    let path = store.path(&part.name);
    let doing = format!("write part {} of {} to {}", position + 1, part.name, store.address);
    let length = part.bytes.len() as u64;
    let put = || store.uploads.put_part(&path, &id, position, PutPayload::from_bytes(part.bytes.clone()));
    let stored = store.retry.run(job, &doing, put).await?;
    drop(part.permit);
    Ok(Sent { name: part.name, part: Some((position, stored)), length })
}

/// Notes a part that was stored; completes its object when it was the last to arrive.
async fn settle(
    store: &Store,
    job: &Job,
    objects: &mut HashMap<String, Object>,
    sent: Sent,
) -> Result<Option<UploadedObject>> {
    let object = objects.get_mut(&sent.name).expect("an object stays until it is completed");
    object.length += sent.length;
    object.stored.extend(sent.part);
    if !object.last_sent || object.stored.len() < object.sent {
        return Ok(None);
    }
    if object.upload.is_some() {
        complete(store, job, &sent.name, object).await?;
    }
    let object = objects.remove(&sent.name).expect("found above");
    if let Some(entry) = object.upload {
        entry.close();
    }
    job.count(Counter::Objects, 1);
    Ok(Some(UploadedObject { name: sent.name, length: object.length }))
}

async fn complete(store: &Store, job: &Job, name: &str, object: &mut Object) -> Result<()> {
    let Some(entry) = &object.upload else { return Ok(()) };
    object.stored.sort_by_key(|(position, _)| *position);
    let parts: Vec<_> = object.stored.iter().map(|(_, id)| id.clone()).collect();
    let path = store.path(name);
    let doing = format!("complete the upload of {name} to {}", store.address);
    let mut lost_answer = false;
    let complete = || {
        let call = store.uploads.complete_multipart(&path, &entry.upload.id, parts.clone());
        async {
            match call.await {
                Err(error) if is_unknown_upload(&error) => Ok(Some(error)),
                other => other.map(|_| None),
            }
        }
    };
    let unknown = store.retry.run(job, &doing, complete).await?;
    if let Some(error) = unknown {
        lost_answer = true;
        check_lost_answer(store, job, &path, object.length).await.map_err(|cause| match cause {
            Some(cause) => cause.while_doing(doing.clone()),
            None => fatal(error, &doing),
        })?;
    }
    tracing::debug!(name, lost_answer, "completed an upload");
    Ok(())
}

/// The store does not know the upload any more: either an earlier answer of ours was lost and the object is there, or
/// someone else aborted it. The length decides; a key that may not read cannot tell, and then nothing is committed.
async fn check_lost_answer(store: &Store, job: &Job, path: &Path, length: u64) -> Result<(), Option<Error>> {
    let doing = format!("learn whether {path} was completed in {}", store.address);
    let found = store.retry.run(job, &doing, || store.objects.head(path)).await.map_err(|error| {
        Some(Error::new(Kind::TryAgain, doing.clone()).hint("run the backup again").caused_by(error))
    })?;
    if found.size == length { Ok(()) } else { Err(None) }
}

impl Store {
    /// Aborts the uploads to this store that runs now dead have left open; gives their number.
    ///
    /// # Errors
    /// [`Kind::Failure`] when the journal cannot be read. An upload that cannot be aborted stays in the journal.
    pub async fn abort_abandoned(&self, journal: &Journal) -> Result<usize> {
        let abandoned = journal.abandoned(&self.address)?;
        let count = abandoned.len();
        abort_all(self, abandoned.into_iter()).await;
        Ok(count)
    }
}

async fn abort_all(store: &Store, uploads: impl Iterator<Item = Entry>) {
    for entry in uploads {
        match tokio::time::timeout(ABORT_DEADLINE, abort(store, &entry.upload)).await {
            Ok(Ok(())) => entry.close(),
            Ok(Err(error)) => tracing::warn!(path = entry.upload.path, %error, "could not abort an upload"),
            Err(_) => tracing::warn!(path = entry.upload.path, "aborting an upload took too long"),
        }
    }
}

async fn abort(store: &Store, upload: &OpenUpload) -> object_store::Result<()> {
    let path = Path::parse(&upload.path)?;
    let mut tries = 0;
    loop {
        tries += 1;
        match store.uploads.abort_multipart(&path, &upload.id).await {
            Err(error) if is_unknown_upload(&error) => return Ok(()),
            Err(_) if tries < 3 => tokio::time::sleep(ABORT_WAIT).await,
            other => return other,
        }
    }
}

const ABORT_DEADLINE: Duration = Duration::from_secs(15);
const ABORT_WAIT: Duration = Duration::from_secs(1);
