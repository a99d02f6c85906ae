//! Listings of any length, an object at a time.

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _};
use object_store::path::Path;
use object_store::{ObjectMeta, Result as StoreResult};
use tokio::sync::Mutex;

use super::{Listed, Store};
use crate::error::Result;
use crate::job::Job;

impl Store {
    /// Everything under `folder`, as the store tells it: the objects of one folder follow each other, those in folders
    /// inside it among them. Memory does not grow with the number of objects. What is written or deleted meanwhile may
    /// be told or not.
    ///
    /// An error is the last item. The first answer is waited for as at first contact; a listing that breaks off later is
    /// continued, with all patience, where it stopped.
    pub fn list_each<'a>(&'a self, job: &'a Job, folder: &'a str) -> impl Stream<Item = Result<Listed>> + Send + 'a {
        let cursor = Cursor { store: self, folder: self.path(folder), page: None, last: None };
        let doing = format!("list {folder} in {}", self.address);
        let state = (Mutex::new(cursor), doing, self.retry.first_contact());
        stream::unfold(Some(state), move |state| async move {
            let (cursor, doing, retry) = state?;
            let next = || async { cursor.lock().await.next().await };
            match retry.run(job, &doing, next).await {
                Ok(Some(meta)) => Some((Ok(self.listed(&meta)), Some((cursor, doing, self.retry)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .filter_map(|listed| async move { listed.transpose() })
    }
}

/// How far a listing has come.
struct Cursor<'a> {
    store: &'a Store,
    folder: Path,
    page: Option<BoxStream<'static, StoreResult<ObjectMeta>>>,
    /// Only stores on the network fail in a way that passes, and those list in the order of names.
    last: Option<Path>,
}

impl Cursor<'_> {
    async fn next(&mut self) -> StoreResult<Option<ObjectMeta>> {
        let (store, folder, last) = (self.store, &self.folder, &self.last);
        let page = self.page.get_or_insert_with(|| match last {
            Some(last) => store.objects.list_with_offset(Some(folder), last),
            None => store.objects.list(Some(folder)),
        });
        match page.next().await.transpose() {
            Ok(found) => {
                self.last = found.as_ref().map(|meta| meta.location.clone()).or(self.last.take());
                Ok(found)
            }
            Err(error) => {
                self.page = None;
                Err(error)
            }
        }
    }
}
