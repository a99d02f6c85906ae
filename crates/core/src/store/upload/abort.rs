//! Ends uploads that will not be completed, so that no parts stay behind.

use std::time::Duration;

use object_store::path::Path;

use super::super::Store;
use super::super::fault::is_unknown_upload;
use super::super::journal::{Entry, Journal, OpenUpload};
use crate::error::Result;

impl Store {
    /// Aborts the uploads to this store that runs now dead have left open; gives their number.
    ///
    /// # Errors
    /// [`Failure`](crate::Kind::Failure) when the journal cannot be read. An upload that cannot be aborted stays in the journal.
    pub async fn abort_abandoned(&self, journal: &Journal) -> Result<usize> {
        let abandoned = journal.abandoned(&self.address)?;
        let count = abandoned.len();
        abort_all(self, abandoned.into_iter()).await;
        Ok(count)
    }
}

pub(super) async fn abort_all(store: &Store, uploads: impl Iterator<Item = Entry>) {
    for entry in uploads {
        if abort(store, &entry.upload).await {
            entry.close();
        }
    }
}

/// Whether the store has let go of the upload.
pub(super) async fn abort(store: &Store, upload: &OpenUpload) -> bool {
    match tokio::time::timeout(ABORT_DEADLINE, try_to_abort(store, upload)).await {
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
