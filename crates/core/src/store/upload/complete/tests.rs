use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error as StoreError, MultipartId, ObjectMeta, PutPayload, PutResult, Result as StoreResult};
use tokio_util::sync::CancellationToken;

use super::{Wanted, complete};
use crate::error::{Kind, Result};
use crate::job::Job;
use crate::monitor::Silent;
use crate::store::{RetryPolicy, Store};

/// A store that goes silent at the first call to complete an upload, and knows the upload no more at the next.
struct Slow {
    memory: Arc<InMemory>,
    calls: AtomicUsize,
    then: Then,
}

/// What becomes of the object after the silence.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    ItAppearsLater,
    ItNeverAppears,
    AnotherAppears,
    /// There is no silence: the upload is unknown from the start.
    ItWasAborted,
}

#[async_trait]
impl MultipartStore for Slow {
    async fn create_multipart(&self, path: &Path) -> StoreResult<MultipartId> {
        self.memory.create_multipart(path).await
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part: usize, data: PutPayload) -> StoreResult<PartId> {
        self.memory.put_part(path, id, part, data).await
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> StoreResult<PutResult> {
        if self.calls.fetch_add(1, Ordering::SeqCst) > 0 || self.then == Then::ItWasAborted {
            let text = "Server returned non-2xx status code: 404 Not Found: <Code>NoSuchUpload</Code>";
            return Err(StoreError::NotFound { path: path.to_string(), source: text.into() });
        }
        let (memory, path, id, then) = (self.memory.clone(), path.clone(), id.clone(), self.then);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            if then == Then::AnotherAppears {
                memory.put_part(&path, &id, parts.len(), "more".into()).await.unwrap();
            }
            if then != Then::ItNeverAppears {
                memory.complete_multipart(&path, &id, parts).await.unwrap();
            }
        });
        Err(StoreError::Generic { store: "S3", source: "HTTP error: operation timed out".into() })
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> StoreResult<()> {
        self.memory.abort_multipart(path, id).await
    }
}

/// What an upload of eight bytes comes to, and how often the store was asked to complete it.
async fn completed(then: Then) -> (Result<()>, usize) {
    let memory = Arc::new(InMemory::new());
    let slow = Arc::new(Slow { memory: memory.clone(), calls: AtomicUsize::new(0), then });
    let retry = RetryPolicy {
        first_wait: Duration::from_millis(20),
        longest_wait: Duration::from_millis(50),
        give_up_after: Duration::from_secs(1),
        first_contact: false,
    };
    let store = Store::new(memory, slow.clone(), "prod", "memory").with_retry(retry);
    let (path, job) = (store.path("large"), Job::new(Arc::new(Silent), CancellationToken::new()));
    let id = slow.create_multipart(&path).await.unwrap();
    let mut parts = Vec::new();
    for (position, part) in ["firs", "last"].into_iter().enumerate() {
        parts.push(slow.put_part(&path, &id, position, part.into()).await.unwrap());
    }
    let done = complete(&store, &job, "large", &id, parts, 8).await;
    (done, slow.calls.load(Ordering::SeqCst))
}

#[tokio::test]
async fn an_object_that_the_store_still_puts_together_is_waited_for() {
    let (done, calls) = completed(Then::ItAppearsLater).await;
    done.unwrap();
    assert_eq!(calls, 2);
}

#[tokio::test]
async fn an_object_that_never_appears_is_not_taken_for_stored() {
    let error = completed(Then::ItNeverAppears).await.0.unwrap_err();
    assert_eq!((error.kind(), error.help()), (Kind::TryAgain, Some("run the backup again")));
    assert!(error.chain().contains("learn whether prod/large was completed"), "{error:?}");
}

#[tokio::test]
async fn an_object_of_another_length_is_not_taken_for_stored() {
    let error = completed(Then::AnotherAppears).await.0.unwrap_err();
    assert_eq!(error.kind(), Kind::TryAgain);
    assert!(error.help().unwrap().contains("abort uploads under way"), "{error:?}");
}

#[tokio::test]
async fn an_upload_that_somebody_aborted_is_told_at_once() {
    let error = completed(Then::ItWasAborted).await.0.unwrap_err();
    // Had it been waited for, the error would be of looking.
    assert!(error.chain().contains("NoSuchUpload") && !error.chain().contains("learn whether"), "{error:?}");
}

#[test]
fn an_etag_that_counts_other_parts_is_of_another_upload() {
    let wanted = Wanted { path: Path::from("large"), length: 8, parts: 2 };
    let found = |etag: &str| ObjectMeta {
        location: Path::from("large"),
        last_modified: Default::default(),
        size: 8,
        e_tag: Some(etag.to_owned()),
        version: None,
    };
    for (etag, is_it) in [("\"0a1b-2\"", true), ("\"0a1b-3\"", false), ("7", true), ("a-b", true)] {
        assert_eq!(wanted.is(&found(etag)), is_it, "{etag}");
    }
}
