//! What a probe made, and how it is taken away again.
//!
//! Invariant: nothing is told to be gone but what the store said is gone.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use futures_util::future::{join_all, join3};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt as _, Result as StoreResult};
use tokio::time::{Instant, timeout_at};

use super::super::Store;
use super::super::fault::{is_trouble, is_unknown_upload};

/// What has to be taken away.
#[derive(Default)]
pub(super) struct Made {
    pub(super) written: BTreeSet<Path>,
    /// What the store said it did not take: some have written it by then, and leave it.
    pub(super) refused: BTreeSet<Path>,
    pub(super) open: Vec<(Path, String)>,
}

/// What stays, by key.
#[derive(Default)]
pub(super) struct Left {
    pub(super) objects: Vec<String>,
    pub(super) uploads: Vec<String>,
    /// Whether the store gave no clear answer about some of it, which then may be gone.
    pub(super) unclear: bool,
}

/// What taking one thing away came to.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Gone,
    Refused,
    Unclear,
}

impl Made {
    /// Deletes and aborts, again and again where the store is in trouble, until `within` is over.
    pub(super) async fn clean(self, store: &Store, within: Duration) -> Left {
        let deadline = Instant::now() + within;
        let aborts = self.open.iter().map(|(path, id)| until(deadline, || store.uploads.abort_multipart(path, id)));
        let deletes = self.written.iter().map(|path| until(deadline, || store.objects.delete(path)));
        let refused = self.refused.iter().map(|path| until(deadline, || store.objects.delete(path)));
        let (aborts, deletes, _) = join3(join_all(aborts), join_all(deletes), join_all(refused)).await;
        let stays = |(what, end): (String, &End)| (*end != End::Gone).then_some(what);
        let uploads = self.open.iter().map(|(path, _)| path.to_string()).zip(&aborts);
        let objects = self.written.iter().map(ToString::to_string).zip(&deletes);
        Left {
            objects: objects.filter_map(stays).collect(),
            uploads: uploads.filter_map(stays).collect(),
            unclear: aborts.iter().chain(&deletes).any(|end| *end == End::Unclear),
        }
    }
}

async fn until<F: Future<Output = StoreResult<()>>>(deadline: Instant, call: impl Fn() -> F) -> End {
    loop {
        match timeout_at(deadline, call()).await {
            Ok(Ok(())) => return End::Gone,
            Ok(Err(error)) if matches!(error, StoreError::NotFound { .. }) || is_unknown_upload(&error) => {
                return End::Gone;
            }
            Ok(Err(error)) if !is_trouble(&error) => return End::Refused,
            Ok(Err(_)) if Instant::now() + PAUSE < deadline => tokio::time::sleep(PAUSE).await,
            Ok(Err(_)) | Err(_) => return End::Unclear,
        }
    }
}

const PAUSE: Duration = Duration::from_secs(1);
