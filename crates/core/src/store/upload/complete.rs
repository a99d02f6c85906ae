//! The last call of an upload, and what became of it when its answer was lost.
//!
//! A store may need minutes to put a large object together, longer than something on the way keeps the connection open. Asked
//! again meanwhile, it may say that it knows no such upload, and show no object yet.
//!
//! Invariant: an upload counts as completed when the store says so, or shows an object of its length. Nothing else is ever
//! stored under its name.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use object_store::multipart::PartId;
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectMeta, ObjectStoreExt as _, Result as StoreResult};

use super::super::Store;
use super::super::admitted::Call;
use super::super::fault::{is_unknown_upload, may_be_under_way, told};
use crate::error::{Error, Kind, Result};
use crate::job::Job;

/// Makes the object, of `length` bytes, of its parts.
pub(super) async fn complete(
    store: &Store,
    job: &Job,
    name: &str,
    id: &String,
    parts: Vec<PartId>,
    length: u64,
) -> Result<()> {
    let path = store.path(name);
    let doing = format!("complete the upload of {name} to {}", store.address);
    let under_way = AtomicBool::new(false);
    let complete = || async {
        match store.uploads.complete_multipart(&path, id, parts.clone()).await {
            Err(error) if is_unknown_upload(&error) => Ok(Some(error)),
            Err(error) => {
                under_way.fetch_or(may_be_under_way(&error), Ordering::Relaxed);
                Err(error)
            }
            Ok(_) => Ok(None),
        }
    };
    let unknown = store.call(Call::Complete, job, Duration::ZERO, &doing, complete).await?;
    let lost_answer = unknown.is_some();
    if let Some(error) = unknown {
        let wanted = Wanted { path, length, parts: parts.len() };
        let found =
            wanted.look(store, job, under_way.into_inner()).await.map_err(|cause| cause.while_doing(&*doing))?;
        if !found.is_some_and(|meta| wanted.is(&meta)) {
            return Err(Error::new(Kind::TryAgain, doing).hint(ABORTED).caused_by(told(&error)));
        }
    }
    tracing::debug!(name, lost_answer, "completed an upload");
    Ok(())
}

/// The object that has to be there.
struct Wanted {
    path: Path,
    length: u64,
    parts: usize,
}

impl Wanted {
    /// What lies under the object's name. While the store may still put it together it is looked for again, for as long as a
    /// call is repeated; a key that may not read cannot tell, and then nothing is committed.
    async fn look(&self, store: &Store, job: &Job, under_way: bool) -> Result<Option<ObjectMeta>> {
        let doing = format!("learn whether {} was completed in {}", self.path, store.address);
        let head = || async {
            match store.objects.head(&self.path).await {
                Err(StoreError::NotFound { .. }) if under_way => Err(not_there_yet()),
                Err(StoreError::NotFound { .. }) => StoreResult::Ok(None),
                found => found.map(Some),
            }
        };
        store
            .call(Call::Read, job, Duration::ZERO, &doing, head)
            .await
            .map_err(|error| Error::new(Kind::TryAgain, doing.clone()).hint("run the backup again").caused_by(error))
    }

    /// The number at the end of an ETag is that of the parts, at stores that put one there.
    fn is(&self, found: &ObjectMeta) -> bool {
        let counted = found.e_tag.as_deref().and_then(|etag| etag.trim_matches('"').rsplit_once('-'));
        let parts = counted.and_then(|(_, parts)| parts.parse::<usize>().ok());
        found.size == self.length && parts.is_none_or(|parts| parts == self.parts)
    }
}

/// A failure that passes, to whoever judges it.
fn not_there_yet() -> StoreError {
    StoreError::Generic { store: "S3", source: "the store may still be putting the object together".into() }
}

const ABORTED: &str = "run the backup again; something else, such as a rule of the bucket, may abort uploads under way";

#[cfg(test)]
mod tests;
