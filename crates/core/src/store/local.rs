//! Multipart uploads for `file://`, so that both kinds of store are written by the same steps.
//!
//! Parts go to a staging file beside the object, at their own offsets; completing syncs it and renames it into place.
//! The staging name has the form that `object_store` leaves out of its listings: the object's name, `#` and digits.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use object_store::local::LocalFileSystem;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error, MultipartId, PutPayload, PutResult, Result};

/// Writes objects of a [`LocalFileSystem`] in parts of equal size.
pub(super) struct LocalUploads {
    files: Arc<LocalFileSystem>,
    part_bytes: u64,
}

impl LocalUploads {
    pub(super) fn new(files: Arc<LocalFileSystem>, part_bytes: u64) -> Self {
        Self { files, part_bytes }
    }

    fn paths(&self, path: &Path, id: &str) -> Result<(PathBuf, PathBuf)> {
        let target = self.files.path_to_filesystem(path)?;
        let mut staging = target.clone().into_os_string();
        staging.push(format!("#{id}"));
        Ok((target, staging.into()))
    }
}

#[async_trait]
impl MultipartStore for LocalUploads {
    async fn create_multipart(&self, path: &Path) -> Result<MultipartId> {
        let mut random = [0; 4];
        getrandom::fill(&mut random).map_err(generic)?;
        let id = u32::from_ne_bytes(random).to_string();
        let (target, staging) = self.paths(path, &id)?;
        blocking(move || {
            std::fs::create_dir_all(parent(&target)?)?;
            OpenOptions::new().write(true).create_new(true).open(staging)?;
            Ok(())
        })
        .await?;
        Ok(id)
    }

    async fn put_part(&self, path: &Path, id: &MultipartId, part: usize, data: PutPayload) -> Result<PartId> {
        let (_, staging) = self.paths(path, id)?;
        let mut offset = part as u64 * self.part_bytes;
        blocking(move || {
            let file = OpenOptions::new().write(true).open(staging)?;
            for bytes in &data {
                file.write_all_at(bytes, offset)?;
                offset += bytes.len() as u64;
            }
            Ok(())
        })
        .await?;
        Ok(PartId { content_id: part.to_string() })
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, _: Vec<PartId>) -> Result<PutResult> {
        let (target, staging) = self.paths(path, id)?;
        blocking(move || {
            File::open(&staging)?.sync_all()?;
            std::fs::rename(&staging, &target)?;
            File::open(parent(&target)?)?.sync_all()
        })
        .await?;
        Ok(PutResult { e_tag: None, version: None, extensions: Default::default() })
    }

    async fn abort_multipart(&self, path: &Path, id: &MultipartId) -> Result<()> {
        let (_, staging) = self.paths(path, id)?;
        blocking(move || match std::fs::remove_file(staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }
}

fn parent(path: &FsPath) -> io::Result<&FsPath> {
    path.parent().ok_or_else(|| io::Error::other("an object lies in a folder"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await?.map_err(generic)
}

fn generic(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: "file", source: source.into() }
}
