//! Uploads objects in parts, a fixed number of them in flight whatever the number of writers.
//!
//! Writers are threads: each hands full parts to its [`Parts`], which takes a permit first and so blocks the writer, and
//! through it `pg_dump`, while the store is slower. [`Uploader::run`] sends the parts, completes each object after its
//! last one, and on any error or cancellation aborts what is open.
//!
//! Memory: part size × (parts in flight + one per writer).

mod abort;
mod calls;
mod complete;
mod sending;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use self::sending::Sending;
use super::Store;
use super::journal::Journal;
use crate::codec::{PART_BYTES, PartSink};
use crate::error::Result;
use crate::job::{Job, cancelled};

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

impl UploadOptions {
    /// The default within the limits of `store`.
    #[must_use]
    pub fn of(store: &Store) -> Self {
        Self { parts_max: store.parts_max, ..Self::default() }
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
    orders: mpsc::UnboundedReceiver<Order>,
    sender: mpsc::UnboundedSender<Order>,
    permits: Arc<Semaphore>,
}

/// A writer's end: the parts of one object.
pub struct Parts {
    name: String,
    sender: mpsc::UnboundedSender<Order>,
    permits: Arc<Semaphore>,
    runtime: Handle,
}

/// What a writer wants done.
enum Order {
    Store(Part),
    /// The object of this name will not be completed.
    GiveUp(String),
}

struct Part {
    name: String,
    bytes: Bytes,
    last: bool,
    _permit: OwnedSemaphorePermit,
}

/// Makes writers' ends; dropped when no further object will come.
#[derive(Clone)]
pub struct Writers {
    sender: mpsc::UnboundedSender<Order>,
    permits: Arc<Semaphore>,
    runtime: Handle,
}

impl Uploader {
    /// An uploader, and what makes its writers' ends. To be called within a Tokio runtime.
    #[must_use]
    pub fn new(store: &Store, journal: &Journal, options: &UploadOptions) -> (Self, Writers) {
        let (sender, orders) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(options.parts_in_flight.max(1)));
        let writers = Writers { sender: sender.clone(), permits: Arc::clone(&permits), runtime: Handle::current() };
        (Self { store: store.clone(), journal: journal.clone(), orders, sender, permits }, writers)
    }

    /// Sends parts until every writer's end is dropped; gives the objects in the order they were completed.
    ///
    /// # Errors
    /// [`Kind::Cancelled`](crate::Kind::Cancelled) after a cancellation or when a writer gave an object up; the store's own errors. Whatever
    /// was open is aborted before this returns; what cannot be aborted stays in the journal for the next run.
    pub async fn run(self, job: &Job) -> Result<Vec<UploadedObject>> {
        let Self { store, journal, mut orders, sender, permits } = self;
        drop(sender);
        // A child of the caller's: after an error it ends the calls that are still under way.
        let job = Job::new(Arc::clone(&job.monitor), job.cancel.child_token());
        let mut sending = Sending::new(&store, &journal, &job);
        let result = sending.all(&mut orders).await;
        if result.is_err() {
            // Writers that wait for a permit or hand over a part are told to stop.
            permits.close();
            drop(orders);
            job.cancel.cancel();
            sending.abort().await;
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

    /// Gives up the object called `name`, whose last part was not handed over: its upload is aborted, the run goes on.
    pub fn give_up(&self, name: String) {
        // An uploader that is gone has aborted it.
        let _ = self.sender.send(Order::GiveUp(name));
    }
}

impl PartSink for Parts {
    fn part(&mut self, bytes: Bytes, last: bool) -> Result<()> {
        let permit = self.runtime.block_on(Arc::clone(&self.permits).acquire_owned()).map_err(|_| cancelled())?;
        let part = Part { name: self.name.clone(), bytes, last, _permit: permit };
        self.sender.send(Order::Store(part)).map_err(|_| cancelled())
    }
}
