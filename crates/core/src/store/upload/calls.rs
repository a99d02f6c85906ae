//! The calls of which an upload consists, each repeated as the store's policy says.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use object_store::multipart::PartId;
use object_store::{ObjectStoreExt as _, PutPayload};

use super::super::admitted::Call;
use super::super::fault::is_unanswered;
use super::super::journal::{Entry, Journal, OpenUpload};
use super::super::{PUT_DEADLINE, Store};
use super::Part;
use super::abort::abort;
use crate::error::Result;
use crate::job::Job;

/// Begins an upload and writes it down; one that cannot be written down is aborted again.
///
/// A call under way when the job is cancelled may end: its answer, which is the upload's id, is what it is aborted by.
pub(super) async fn create(store: &Store, journal: &Journal, job: &Job, name: &str) -> Result<Entry> {
    let path = store.path(name);
    let doing = format!("begin the upload of {name} to {}", store.address);
    let unanswered = AtomicUsize::new(0);
    let create = || async {
        unanswered.fetch_add(1, Ordering::Relaxed);
        let created = store.uploads.create_multipart(&path).await;
        if !created.as_ref().is_err_and(is_unanswered) {
            unanswered.fetch_sub(1, Ordering::Relaxed);
        }
        created
    };
    let created = store.call(Call::Create, job, CREATE_DEADLINE, &doing, create).await;
    tell_unanswered(job, name, unanswered.into_inner());
    let id = created?;
    let upload = OpenUpload { store: store.address.clone(), path: path.to_string(), id };
    match journal.record(upload.clone()) {
        Ok(entry) => Ok(entry),
        Err(error) => {
            abort(store, &upload).await;
            Err(error)
        }
    }
}

/// An upload whose id never arrived can be aborted by nobody who may not list.
fn tell_unanswered(job: &Job, name: &str, calls: usize) {
    if calls > 0 {
        job.warn(&format!(
            "the store did not answer {calls} of the calls that begin the upload of {name}: uploads may stay open there; \
             a lifecycle rule AbortIncompleteMultipartUpload removes them"
        ));
    }
}

/// Stores an object that fits one part.
pub(super) async fn put_whole(store: &Store, job: &Job, part: &Part) -> Result<()> {
    let path = store.path(&part.name);
    let doing = format!("write {} to {}", part.name, store.address);
    let put = || store.objects.put(&path, PutPayload::from_bytes(part.bytes.clone()));
    store.call(Call::Put, job, PUT_DEADLINE, &doing, put).await?;
    Ok(())
}

/// Stores the part at `position`; says how long the attempt took that did it.
pub(super) async fn put_part(
    store: &Store,
    job: &Job,
    id: &String,
    position: usize,
    part: &Part,
) -> Result<(PartId, Duration)> {
    let path = store.path(&part.name);
    let doing = format!("write part {} of {} to {}", position + 1, part.name, store.address);
    let put = || async {
        let began = Instant::now();
        let id = store.uploads.put_part(&path, id, position, PutPayload::from_bytes(part.bytes.clone())).await?;
        Ok((id, began.elapsed()))
    };
    store.call(Call::Part, job, Duration::ZERO, &doing, put).await
}

const CREATE_DEADLINE: Duration = Duration::from_secs(5);
