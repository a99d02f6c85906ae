//! Which call comes next for which object. No call waits for another object's.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use object_store::multipart::PartId;
use tokio::sync::mpsc;

use super::super::Store;
use super::super::journal::{Entry, Journal};
use super::abort::{abort, abort_all, abort_twice};
use super::calls::{create, put_part, put_whole};
use super::complete::complete;
use super::{Order, Part, UploadedObject};
use crate::error::Result;
use crate::job::{Job, cancelled};
use crate::monitor::Counter;

/// The calls under way, and the objects they make.
pub(super) struct Sending<'a> {
    store: &'a Store,
    journal: &'a Journal,
    job: &'a Job,
    calls: FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send + 'a>>>,
    objects: HashMap<String, Object>,
    slow_told: bool,
}

#[derive(Default)]
struct Object {
    upload: Option<Entry>,
    /// Parts that came before the store gave the upload its id.
    waiting: Vec<(usize, Part)>,
    taken: usize,
    last_taken: bool,
    stored: Vec<(usize, PartId)>,
    length: u64,
    calls: usize,
    /// A call of it failed, or was cut short: what it sent may still land.
    unsure: bool,
    given_up: bool,
}

/// A call that ended.
struct Done {
    name: String,
    what: Result<What>,
}

enum What {
    Begun(Entry),
    Part { position: usize, id: PartId, length: u64, took: Duration },
    Whole { length: u64 },
    Completed,
    Aborted,
}

impl<'a> Sending<'a> {
    pub(super) fn new(store: &'a Store, journal: &'a Journal, job: &'a Job) -> Self {
        Self { store, journal, job, calls: FuturesUnordered::new(), objects: HashMap::new(), slow_told: store.paced }
    }

    /// Sends what comes until no more can come; gives the objects in the order they were completed.
    pub(super) async fn all(&mut self, orders: &mut mpsc::UnboundedReceiver<Order>) -> Result<Vec<UploadedObject>> {
        let mut completed = Vec::new();
        loop {
            let more_may_come = !orders.is_closed() || !orders.is_empty();
            if !more_may_come && self.calls.is_empty() {
                break;
            }
            tokio::select! {
                order = orders.recv(), if more_may_come => match order {
                    Some(Order::Store(part)) => self.take(part),
                    Some(Order::GiveUp(name)) => self.give_up(name),
                    None => {}
                },
                Some(done) = self.calls.next() => completed.extend(self.settle(done)?),
                () = self.job.cancel.cancelled() => return Err(cancelled()),
            }
        }
        if self.objects.is_empty() { Ok(completed) } else { Err(cancelled()) }
    }

    /// Aborts what is open. To be called when the job is cancelled: every call then ends soon.
    pub(super) async fn abort(mut self) {
        let is_unsure = |object: &Object| object.unsure || object.calls > 0;
        let (under_way, still): (Vec<_>, Vec<_>) = self.objects.into_values().partition(is_unsure);
        let uploads = |objects: Vec<Object>| objects.into_iter().filter_map(|object| object.upload).collect::<Vec<_>>();
        let mut open = uploads(still);
        while let Some(ended) = self.calls.next().await {
            if let Ok(What::Begun(entry)) = ended.what {
                open.push(entry);
            }
        }
        abort_all(self.store, open).await;
        abort_twice(self.store, uploads(under_way)).await;
    }

    fn take(&mut self, part: Part) {
        let object = self.objects.entry(part.name.clone()).or_default();
        let position = object.taken;
        object.taken += 1;
        object.last_taken = part.last;
        if part.last && position == 0 {
            return self.put_whole(part);
        }
        let name = part.name.clone();
        object.waiting.push((position, part));
        if position == 0 { self.create(name) } else { self.put_waiting(&name) }
    }

    /// Lets go of an object's parts. Its upload is aborted when no call for it is under way any more.
    fn give_up(&mut self, name: String) {
        let Some(object) = self.objects.get_mut(&name) else { return };
        object.given_up = true;
        object.waiting.clear();
        self.abort_given_up(name);
    }

    fn abort_given_up(&mut self, name: String) {
        let Some(object) = self.objects.get_mut(&name).filter(|object| object.calls == 0) else { return };
        let Some(entry) = object.upload.take() else {
            self.objects.remove(&name);
            return;
        };
        let store = self.store;
        self.call(name, async move {
            // One that stays is the next run's, by the journal.
            if abort(store, &entry.upload).await {
                entry.close();
            }
            Ok(What::Aborted)
        });
    }

    /// Notes what was done, and begins what had to wait for it.
    fn settle(&mut self, done: Done) -> Result<Option<UploadedObject>> {
        let Done { name, what } = done;
        let object = self.objects.get_mut(&name).expect("an object stays until it is completed");
        object.calls -= 1;
        object.unsure |= what.is_err();
        if object.given_up {
            if let Ok(What::Begun(entry)) = what {
                object.upload = Some(entry);
            }
            self.abort_given_up(name);
            return Ok(None);
        }
        match what? {
            What::Begun(entry) => {
                object.upload = Some(entry);
                self.put_waiting(&name);
                Ok(None)
            }
            What::Part { position, id, length, took } => {
                self.job.count(Counter::StoredBytes, length);
                object.length += length;
                object.stored.push((position, id));
                self.tell_slow(length, took);
                self.complete_when_whole(name);
                Ok(None)
            }
            What::Whole { length } => {
                self.job.count(Counter::StoredBytes, length);
                object.length = length;
                Ok(self.finish(name))
            }
            What::Completed | What::Aborted => Ok(self.finish(name)),
        }
    }

    /// Says once that the store, or the way to it, is slow: an operator should not have to guess why a run takes so long.
    pub(super) fn tell_slow(&mut self, length: u64, took: Duration) {
        if took < SLOW || std::mem::replace(&mut self.slow_told, true) {
            return;
        }
        self.job.warn(&format!(
            "the store is slow: it took {:.0} seconds for a part of {:.1} MiB",
            took.as_secs_f64(),
            length as f64 / f64::from(1 << 20)
        ));
    }

    /// Begins a call for an object.
    fn call(&mut self, name: String, call: impl Future<Output = Result<What>> + Send + 'a) {
        if let Some(object) = self.objects.get_mut(&name) {
            object.calls += 1;
        }
        self.calls.push(Box::pin(async move { Done { what: call.await, name } }));
    }

    fn put_whole(&mut self, part: Part) {
        let (store, job) = (self.store, self.job);
        self.call(part.name.clone(), async move {
            put_whole(store, job, &part).await?;
            Ok(What::Whole { length: part.bytes.len() as u64 })
        });
    }

    fn create(&mut self, name: String) {
        let (store, journal, job) = (self.store, self.journal, self.job);
        let object = name.clone();
        self.call(object, async move { create(store, journal, job, &name).await.map(What::Begun) });
    }

    fn put_waiting(&mut self, name: &str) {
        let (store, job) = (self.store, self.job);
        let Some(object) = self.objects.get_mut(name) else { return };
        let Some(entry) = &object.upload else { return };
        let upload = entry.upload.id.clone();
        for (position, part) in std::mem::take(&mut object.waiting) {
            let upload = upload.clone();
            // The future holds the part and with it its permit.
            self.call(name.to_owned(), async move {
                let (id, took) = put_part(store, job, &upload, position, &part).await?;
                Ok(What::Part { position, id, length: part.bytes.len() as u64, took })
            });
        }
    }

    fn complete_when_whole(&mut self, name: String) {
        let (store, job) = (self.store, self.job);
        let Some(object) = self.objects.get_mut(&name) else { return };
        let Some(entry) = &object.upload else { return };
        if !object.last_taken || object.stored.len() < object.taken {
            return;
        }
        object.stored.sort_by_key(|(position, _)| *position);
        let parts = object.stored.drain(..).map(|(_, id)| id).collect();
        let (upload, length) = (entry.upload.id.clone(), object.length);
        let object = name.clone();
        self.call(object, async move {
            complete(store, job, &name, &upload, parts, length).await?;
            Ok(What::Completed)
        });
    }

    fn finish(&mut self, name: String) -> Option<UploadedObject> {
        let object = self.objects.remove(&name)?;
        if let Some(entry) = object.upload {
            entry.close();
        }
        self.job.count(Counter::Objects, 1);
        Some(UploadedObject { name, length: object.length })
    }
}

/// Of one part, which others share the line with.
const SLOW: Duration = Duration::from_secs(60);
