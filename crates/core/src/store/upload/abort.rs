//! Ends uploads that will not be completed, so that no parts stay behind.

use std::time::Duration;

use object_store::path::Path;
use tokio::time::timeout;

use super::super::Store;
use super::super::fault::is_unknown_upload;
use super::super::journal::{Entry, Journal, OpenUpload};
use crate::error::Result;

impl Store {
    /// Aborts the uploads to this store that runs now dead have left open; gives how many the store has let go of.
    ///
    /// # Errors
    /// [`Failure`](crate::Kind::Failure) when the journal cannot be read. An upload that cannot be aborted stays in the journal.
    pub async fn abort_abandoned(&self, journal: &Journal) -> Result<usize> {
        Ok(abort_all(self, journal.abandoned(&self.address)?).await)
    }
}

/// Aborts uploads of which nothing is on its way to the store; gives how many the store has let go of.
pub(super) async fn abort_all(store: &Store, uploads: Vec<Entry>) -> usize {
    let aborted = aborted(store, uploads).await;
    let count = aborted.len();
    aborted.into_iter().for_each(Entry::close);
    count
}

/// Aborts uploads of which parts were on their way when they were given up: what the store has taken of one, it may put down after the
/// first abort, and keep. Only then are they struck out, whatever the store says to the second: some answer anything but that it knows
/// no such upload, and would be asked by every later run.
pub(super) async fn abort_twice(store: &Store, uploads: Vec<Entry>) {
    let once = aborted(store, uploads).await;
    if once.is_empty() {
        return;
    }
    tokio::time::sleep(PARTS_LAND_WITHIN).await;
    for entry in once {
        if let Err(error) = timeout(ABORT_DEADLINE, try_to_abort(store, &entry.upload)).await.unwrap_or(Ok(())) {
            tracing::debug!(path = entry.upload.path, %error, "an upload that was aborted could not be aborted once more");
        }
        entry.close();
    }
}

/// Those of which the store has let go. The others stay in the journal.
async fn aborted(store: &Store, uploads: Vec<Entry>) -> Vec<Entry> {
    let mut aborted = Vec::new();
    for entry in uploads {
        if abort(store, &entry.upload).await {
            aborted.push(entry);
        }
    }
    aborted
}

/// Whether the store has let go of the upload.
pub(super) async fn abort(store: &Store, upload: &OpenUpload) -> bool {
    match timeout(ABORT_DEADLINE, try_to_abort(store, upload)).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::warn!(path = upload.path, %error, "could not abort an upload"),
        Err(_) => tracing::warn!(path = upload.path, "aborting an upload took too long"),
    }
    false
}

async fn try_to_abort(store: &Store, upload: &OpenUpload) -> object_store::Result<()> {
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
const PARTS_LAND_WITHIN: Duration = Duration::from_secs(1);
