use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error as StoreError, MultipartId, PutPayload, PutResult, Result as StoreResult};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::sending::Sending;
use super::{UploadOptions, UploadedObject, Uploader, Writers};
use crate::codec::PartSink as _;
use crate::error::{Kind, Result};
use crate::job::Job;
use crate::monitor::{Event, Monitor, Silent};
use crate::store::journal::OpenUpload;
use crate::store::{Journal, Store};

/// A store that tells what it was asked for, whose object `slow` begins and completes only when let, and which never says whether it
/// has a part of `late`.
struct Watched {
    memory: Arc<InMemory>,
    begun: Notify,
    let_begin: Notify,
    let_complete: Notify,
    made: AtomicUsize,
    completing: Notify,
    completed: Notify,
    aborted: AtomicUsize,
    /// Whether it refuses to abort what it does not know, instead of saying so; or refuses every time.
    refuses_unknown: AtomicBool,
    refuses_all: AtomicBool,
}

#[async_trait]
impl MultipartStore for Watched {
    async fn create_multipart(&self, path: &Path) -> StoreResult<MultipartId> {
        // The server makes the upload, and answers later.
        let id = self.memory.create_multipart(path).await;
        self.made.fetch_add(1, Ordering::SeqCst);
        if path.as_ref().ends_with("slow") {
            self.begun.notify_one();
            self.let_begin.notified().await;
        }
        id
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part: usize, data: PutPayload) -> StoreResult<PartId> {
        if path.as_ref().ends_with("late") {
            self.begun.notify_one();
            std::future::pending::<()>().await;
        }
        self.memory.put_part(path, id, part, data).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> StoreResult<PutResult> {
        if path.as_ref().ends_with("slow") {
            self.completing.notify_one();
            self.let_complete.notified().await;
        }
        let done = self.memory.complete_multipart(path, id, parts).await;
        self.completed.notify_one();
        done
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> StoreResult<()> {
        self.aborted.fetch_add(1, Ordering::SeqCst);
        if self.refuses_all.load(Ordering::SeqCst) {
            return Err(refused(path));
        }
        let aborted = self.memory.abort_multipart(path, id).await;
        aborted.map_err(|error| match self.refuses_unknown.load(Ordering::SeqCst) {
            true => refused(path),
            false => StoreError::NotFound { path: path.to_string(), source: error.into() },
        })
    }
}

fn refused(path: &Path) -> StoreError {
    StoreError::PermissionDenied { path: path.to_string(), source: "AccessDenied".into() }
}

struct World {
    watched: Arc<Watched>,
    store: Store,
    journal: Journal,
    folder: TempDir,
    job: Job,
}

impl World {
    fn new() -> Self {
        let memory = Arc::new(InMemory::new());
        let watched = Arc::new(Watched {
            memory: memory.clone(),
            begun: Notify::new(),
            let_begin: Notify::new(),
            let_complete: Notify::new(),
            made: AtomicUsize::new(0),
            completing: Notify::new(),
            completed: Notify::new(),
            aborted: AtomicUsize::new(0),
            refuses_unknown: AtomicBool::new(false),
            refuses_all: AtomicBool::new(false),
        });
        let folder = TempDir::new().unwrap();
        Self {
            store: Store::new(memory, watched.clone(), Path::parse("a~b c").unwrap(), "memory"),
            watched,
            journal: Journal::open(&folder.path().join("uploads")).unwrap(),
            folder,
            job: Job::new(Arc::new(Silent), CancellationToken::new()),
        }
    }

    /// Uploads one object.
    async fn upload(&self, name: &str) -> Result<Vec<UploadedObject>> {
        let (uploader, writers) = Uploader::new(&self.store, &self.journal, &UploadOptions::default());
        write(&writers, name);
        drop(writers);
        uploader.run(&self.job).await
    }

    fn made_and_aborted(&self) -> (usize, usize) {
        (self.watched.made.load(Ordering::SeqCst), self.watched.aborted.load(Ordering::SeqCst))
    }

    fn journal_is_empty(&self) -> bool {
        std::fs::read_dir(self.folder.path().join("uploads")).unwrap().next().is_none()
    }
}

/// Writes an object of two parts, for as long as somebody takes them.
fn write(writers: &Writers, name: &str) {
    let mut parts = writers.object(name.to_owned());
    tokio::task::spawn_blocking(move || {
        let _ = parts.part("first".into(), false).and_then(|()| parts.part("last".into(), true));
    });
}

#[tokio::test]
async fn an_upload_that_begins_while_the_run_is_cancelled_is_aborted() {
    let world = World::new();
    let cancel = async {
        world.watched.begun.notified().await;
        world.job.cancel.cancel();
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.watched.let_begin.notify_one();
    };
    let (result, ()) = tokio::join!(world.upload("slow"), cancel);
    assert_eq!(result.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(world.made_and_aborted(), (1, 1));
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn an_upload_whose_parts_may_still_land_is_aborted_once_more() {
    let world = World::new();
    let cancel = async {
        world.watched.begun.notified().await;
        world.job.cancel.cancel();
    };
    let (result, ()) = tokio::join!(world.upload("late"), cancel);
    assert_eq!(result.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(world.made_and_aborted(), (1, 2));
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn an_upload_that_was_aborted_is_struck_out_although_the_store_refuses_to_abort_it_once_more() {
    let world = World::new();
    world.watched.refuses_unknown.store(true, Ordering::SeqCst);
    let cancel = async {
        world.watched.begun.notified().await;
        world.job.cancel.cancel();
    };
    let (result, ()) = tokio::join!(world.upload("late"), cancel);
    assert_eq!(result.unwrap_err().kind(), Kind::Cancelled);
    assert!(world.made_and_aborted().1 > 1, "{:?}", world.made_and_aborted());
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn an_upload_that_the_store_does_not_let_go_of_is_not_counted_and_stays_written_down() {
    let world = World::new();
    world.watched.refuses_all.store(true, Ordering::SeqCst);
    let upload = OpenUpload { store: "memory".into(), path: "left".into(), id: "1".into() };
    drop(world.journal.record(upload).unwrap());
    assert_eq!(world.store.abort_abandoned(&world.journal).await.unwrap(), 0);
    assert!(!world.journal_is_empty());
}

#[tokio::test]
async fn an_upload_that_cannot_be_written_down_is_aborted() {
    let world = World::new();
    std::fs::remove_dir(world.folder.path().join("uploads")).unwrap();
    let error = world.upload("fast").await.unwrap_err();
    assert!(error.chain().contains("write the upload journal"), "{error:?}");
    assert_eq!(world.made_and_aborted(), (1, 1));
}

#[tokio::test]
async fn no_object_waits_for_another_to_begin_or_to_complete() {
    let world = World::new();
    let watched = &world.watched;
    let (uploader, writers) = Uploader::new(&world.store, &world.journal, &UploadOptions::default());
    let write = async move {
        write(&writers, "slow");
        watched.begun.notified().await;
        write(&writers, "fast");
        watched.completed.notified().await;
        watched.let_begin.notify_one();
        watched.completing.notified().await;
        write(&writers, "later");
        watched.completed.notified().await;
        watched.let_complete.notify_one();
    };
    let both = async { tokio::join!(uploader.run(&world.job), write) };
    let (objects, ()) = tokio::time::timeout(Duration::from_secs(120), both).await.expect("nothing waits");
    let names: Vec<_> = objects.unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["fast", "later", "slow"]);
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn an_object_that_is_given_up_is_aborted_and_the_others_are_stored() {
    let world = World::new();
    let watched = &world.watched;
    let (uploader, writers) = Uploader::new(&world.store, &world.journal, &UploadOptions::default());
    let write = async move {
        let mut parts = writers.object("slow".to_owned());
        let first = tokio::task::spawn_blocking(move || parts.part("first".into(), false));
        watched.begun.notified().await;
        first.await.unwrap().unwrap();
        // While the store has not told the upload's id yet, and an object nobody has heard of.
        writers.give_up("slow".to_owned());
        writers.give_up("never begun".to_owned());
        watched.let_begin.notify_one();
        write(&writers, "fast");
    };
    let (objects, ()) = tokio::join!(uploader.run(&world.job), write);
    let names: Vec<_> = objects.unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["fast"]);
    assert_eq!(world.made_and_aborted(), (2, 1));
    assert!(world.journal_is_empty());
}

#[tokio::test]
async fn what_a_dead_run_left_open_is_aborted_by_the_path_it_was_made_under() {
    let world = World::new();
    let path = world.store.path("left");
    let id = world.watched.create_multipart(&path).await.unwrap();
    let upload = OpenUpload { store: "memory".into(), path: path.to_string(), id: id.clone() };
    drop(world.journal.record(upload).unwrap());
    assert_eq!(world.store.abort_abandoned(&world.journal).await.unwrap(), 1);
    assert!(world.watched.memory.put_part(&path, &id, 0, "x".into()).await.is_err(), "still open");
    assert!(world.journal_is_empty());
}

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Monitor for Warnings {
    fn event(&self, event: &Event<'_>) {
        if let Event::Warning(text) = event {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}

#[tokio::test]
async fn a_slow_store_is_told_once_and_not_to_who_asked_for_it() {
    let world = World::new();
    let paced = Store { paced: true, ..world.store.clone() };
    for (store, told) in [(&world.store, 1), (&paced, 0)] {
        let warnings = Arc::new(Warnings::default());
        let job = Job::new(warnings.clone(), CancellationToken::new());
        let mut sending = Sending::new(store, &world.journal, &job);
        for seconds in [59, 61, 300] {
            sending.tell_slow(16 << 20, Duration::from_secs(seconds));
        }
        let warnings = warnings.0.lock().unwrap();
        assert_eq!(warnings.len(), told, "{warnings:?}");
        for warning in warnings.iter() {
            assert_eq!(warning, "the store is slow: it took 61 seconds for a part of 16.0 MiB");
        }
    }
}
