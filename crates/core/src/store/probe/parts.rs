//! Uploads in parts: completing, completing again, the highest part number, aborting.

use bytes::Bytes;
use object_store::PutPayload;
use object_store::multipart::MultipartStore;
use object_store::path::Path;

use super::super::fault::{is_unknown_upload, told};
use super::{Answer, Behaviour, Run, behaviour};
use crate::error::Result;

impl Run<'_> {
    pub(super) async fn parts(&mut self) -> Result<()> {
        self.complete().await;
        self.job.check()?;
        self.abandon().await;
        self.job.check()
    }

    /// Five MiB and a byte: the least that every store takes in two parts.
    async fn complete(&mut self) {
        let path = self.own("parts");
        let Some(id) = self.begin(&path).await else { return };
        let uploads = &self.probe.store.uploads;
        let sizes = [PART_BYTES, 1];
        let mut parts = Vec::new();
        for (position, bytes) in sizes.into_iter().enumerate() {
            match put(&**uploads, &path, &id, position, bytes).await {
                Ok(part) => parts.push(part),
                Err(error) => {
                    self.note::<()>(Behaviour::Multipart, Err(error));
                    return;
                }
            }
        }
        let completed = uploads.complete_multipart(&path, &id, parts.clone()).await;
        self.wrote(&path, &completed);
        if self.note(Behaviour::Multipart, completed).is_none() {
            return;
        }
        match uploads.complete_multipart(&path, &id, parts).await {
            Ok(_) => self.found(Behaviour::CompleteAgain, Answer::Ok, None),
            Err(error) if is_unknown_upload(&error) || behaviour::is_answer(&error) => {
                self.found(Behaviour::CompleteAgain, Answer::Unsupported, Some(told(&error)));
            }
            Err(error) => self.found(Behaviour::CompleteAgain, Answer::Inconclusive, Some(told(&error))),
        }
        self.open.retain(|(open, _)| *open != path);
    }

    async fn abandon(&mut self) {
        let path = self.own("abandoned");
        let Some(id) = self.begin(&path).await else { return };
        let uploads = &self.probe.store.uploads;
        if self.probe.s3.is_some() {
            let last = put(&**uploads, &path, &id, LAST_PART, 1).await;
            self.note(Behaviour::PartNumbers, last);
            self.list_uploads(&path).await;
        }
        match uploads.abort_multipart(&path, &id).await {
            Ok(()) => {
                let after = put(&**uploads, &path, &id, 0, 1).await;
                if after.is_ok() {
                    self.found(Behaviour::Abort, Answer::Ignored, None);
                } else {
                    self.found(Behaviour::Abort, Answer::Ok, None);
                    self.open.retain(|(open, _)| *open != path);
                }
            }
            Err(error) => {
                self.note::<()>(Behaviour::Abort, Err(error));
            }
        }
    }

    /// Begins an upload, which is aborted at the end unless it is over before.
    async fn begin(&mut self, path: &Path) -> Option<String> {
        match self.probe.store.uploads.create_multipart(path).await {
            Ok(id) => {
                self.open.push((path.clone(), id.clone()));
                Some(id)
            }
            Err(error) => {
                if self.findings.iter().all(|(found, ..)| *found != Behaviour::Multipart) {
                    self.note::<()>(Behaviour::Multipart, Err(error));
                }
                None
            }
        }
    }

    /// Across the bucket, as somebody would look for what was left: some list an upload only to who knows its key.
    async fn list_uploads(&mut self, path: &Path) {
        let Some(s3) = &self.probe.s3 else { return };
        match s3.ask("uploads=").await {
            Ok(said) if said.status == 200 && said.text.contains(path.as_ref()) => {
                self.found(Behaviour::ListUploads, Answer::Ok, None);
            }
            Ok(said) if said.status == 200 => self.found(Behaviour::ListUploads, Answer::Ignored, None),
            other => self.bucket_said(Behaviour::ListUploads, other),
        }
    }
}

async fn put(
    uploads: &dyn MultipartStore,
    path: &Path,
    id: &String,
    position: usize,
    bytes: usize,
) -> object_store::Result<object_store::multipart::PartId> {
    uploads.put_part(path, id, position, PutPayload::from_bytes(Bytes::from(vec![b'x'; bytes]))).await
}

const PART_BYTES: usize = 5 << 20;
/// From 0: the part of number 10,000.
const LAST_PART: usize = 9_999;
