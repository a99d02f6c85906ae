//! Uploads in parts: completing, completing again, parts of unequal size, the highest part number, aborting.

use bytes::Bytes;
use object_store::PutPayload;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;

use super::super::fault::{is_trouble, is_unknown_upload, told};
use super::clients::S3Clients;
use super::{Answer, Behaviour, Run, behaviour};
use crate::error::Result;
use crate::store::s3::keys;

impl Run<'_> {
    pub(super) async fn parts(&mut self) -> Result<()> {
        if self.complete().await && self.probe.s3.is_some() {
            self.job.check()?;
            self.unequal().await;
        }
        self.job.check()?;
        self.abandon().await;
        self.job.check()
    }

    /// Five MiB and a byte: the least that every store takes in two parts. Gives whether it was taken.
    async fn complete(&mut self) -> bool {
        let path = self.own("parts");
        let sent = self.send(&path, &[PART_BYTES, 1]).await;
        let Some((id, parts)) = self.note(Behaviour::Multipart, sent) else { return false };
        let again = self.probe.store.uploads.complete_multipart(&path, &id, parts).await;
        match again {
            Ok(_) => self.found(Behaviour::CompleteAgain, Answer::Ok, None),
            Err(error) if is_unknown_upload(&error) || behaviour::is_answer(&error) => {
                self.found(Behaviour::CompleteAgain, Answer::Unsupported, Some(told(&error)));
            }
            Err(error) => self.found(Behaviour::CompleteAgain, Answer::Inconclusive, Some(told(&error))),
        }
        true
    }

    async fn unequal(&mut self) {
        let path = self.own("unequal");
        let sent = self.send(&path, &[PART_BYTES, PART_BYTES + (1 << 20), 1]).await;
        self.note(Behaviour::UnequalParts, sent);
    }

    /// Uploads an object of parts of these sizes; gives the upload and its parts.
    async fn send(&mut self, path: &Path, sizes: &[usize]) -> object_store::Result<(String, Vec<PartId>)> {
        let id = self.begin(path).await?;
        let uploads = &self.probe.store.uploads;
        let mut parts = Vec::new();
        for (position, bytes) in sizes.iter().enumerate() {
            parts.push(put(&**uploads, path, &id, position, *bytes).await?);
        }
        let completed = uploads.complete_multipart(path, &id, parts.clone()).await;
        self.wrote(path, &completed);
        completed?;
        self.made.open.retain(|(open, _)| open != path);
        Ok((id, parts))
    }

    async fn abandon(&mut self) {
        let path = self.own("abandoned");
        let id = match self.begin(&path).await {
            Ok(id) => id,
            // Told already where nothing can be written in parts.
            Err(_) if !self.was(Behaviour::Multipart, Answer::Ok) => return,
            Err(error) => return self.found(Behaviour::Abort, Answer::Inconclusive, Some(told(&error))),
        };
        let uploads = &self.probe.store.uploads;
        if self.probe.s3.is_some() {
            let last = put(&**uploads, &path, &id, LAST_PART, 1).await;
            self.note(Behaviour::PartNumbers, last);
            self.list_uploads(&path).await;
        }
        match uploads.abort_multipart(&path, &id).await {
            Ok(()) => self.aborted(&path, &id).await,
            Err(error) => {
                self.note::<()>(Behaviour::Abort, Err(error));
            }
        }
    }

    /// Whether an upload that the store says is aborted is gone: it takes no part, or is not known any more.
    async fn aborted(&mut self, path: &Path, id: &String) {
        let uploads = &self.probe.store.uploads;
        let after = put(&**uploads, path, id, 0, 1).await;
        let again = uploads.abort_multipart(path, id).await;
        let is_unknown = again.as_ref().is_err_and(is_unknown_upload);
        match after {
            Err(error) if is_trouble(&error) && is_unknown => self.found(Behaviour::Abort, Answer::Ok, None),
            after => self.note_refusal(Behaviour::Abort, after),
        }
        if self.was(Behaviour::Abort, Answer::Ok) {
            self.made.open.retain(|(open, _)| open != path);
        }
        match again {
            Err(error) if !is_unknown => {
                let answer = if behaviour::is_answer(&error) { Answer::Unsupported } else { Answer::Inconclusive };
                self.found(Behaviour::AbortAgain, answer, Some(told(&error)));
            }
            _ => self.found(Behaviour::AbortAgain, Answer::Ok, None),
        }
    }

    /// Begins an upload, which is aborted at the end unless it is over before.
    async fn begin(&mut self, path: &Path) -> object_store::Result<String> {
        let id = self.probe.store.uploads.create_multipart(path).await?;
        self.made.open.push((path.clone(), id.clone()));
        Ok(id)
    }

    /// By the folder, as somebody would look for what was left: some list an upload only to who knows its key. Of a whole bucket
    /// an answer names a thousand.
    async fn list_uploads(&mut self, path: &Path) {
        let Some(requests) = self.probe.s3.as_ref().map(S3Clients::requests) else { return };
        match requests.ask_uploads(&format!("{}/", self.folder)).await {
            Ok(said) if said.status == 200 && keys(&said).any(|key| key == path.as_ref()) => {
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
) -> object_store::Result<PartId> {
    uploads.put_part(path, id, position, PutPayload::from_bytes(Bytes::from(vec![b'x'; bytes]))).await
}

const PART_BYTES: usize = 5 << 20;
/// From 0: the part of number 10,000.
const LAST_PART: usize = 9_999;
