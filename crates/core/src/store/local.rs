//! Multipart uploads for `file://`, so that both kinds of store are written by the same steps.
//!
//! Parts go to a staging file beside the object, each at its own offset; completing closes the gaps that parts of another
//! size leave, syncs the file and renames it into place.
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

/// Writes objects of a [`LocalFileSystem`] in parts, best of `part_bytes`, never longer.
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
        let length = data.content_length() as u64;
        if length > self.part_bytes {
            return Err(generic(format!("a part of {length} bytes is longer than {}", self.part_bytes)));
        }
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
        Ok(PartId { content_id: length.to_string() })
    }

    async fn complete_multipart(&self, path: &Path, id: &MultipartId, parts: Vec<PartId>) -> Result<PutResult> {
        let (target, staging) = self.paths(path, id)?;
        let lengths = parts.iter().map(|part| part.content_id.parse().map_err(generic));
        let lengths = lengths.collect::<Result<Vec<u64>>>()?;
        let part_bytes = self.part_bytes;
        blocking(move || {
            let file = OpenOptions::new().read(true).write(true).open(&staging)?;
            close_gaps(&file, &lengths, part_bytes)?;
            file.sync_all()?;
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

/// Moves each part to where the one before it ends; none moves when all but the last have `part_bytes`.
fn close_gaps(file: &File, lengths: &[u64], part_bytes: u64) -> io::Result<()> {
    let mut end = 0;
    for (part, length) in lengths.iter().enumerate() {
        let offset = part as u64 * part_bytes;
        if offset != end {
            let mut bytes = vec![0; usize::try_from(*length).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, offset)?;
            file.write_all_at(&bytes, end)?;
        }
        end += length;
    }
    file.set_len(end)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::local::LocalFileSystem;
    use object_store::multipart::MultipartStore as _;
    use object_store::path::Path;
    use tempfile::TempDir;

    use super::LocalUploads;

    async fn stored(parts: &[&'static str]) -> object_store::Result<String> {
        let folder = TempDir::new().unwrap();
        let uploads = LocalUploads::new(Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap()), 4);
        let name = Path::from("a/b");
        let id = uploads.create_multipart(&name).await?;
        let mut ids = Vec::new();
        // The last part may arrive before the first.
        for (position, part) in parts.iter().enumerate().rev() {
            ids.insert(0, uploads.put_part(&name, &id, position, (*part).into()).await?);
        }
        uploads.complete_multipart(&name, &id, ids).await?;
        Ok(std::fs::read_to_string(folder.path().join("a/b")).unwrap())
    }

    #[tokio::test]
    async fn parts_of_any_size_up_to_the_stores_own_make_the_object() {
        for parts in [&["abcd", "efgh", "i"][..], &["abc", "def", "g"], &["a", "b", "cd"], &["ab", "cdef"]] {
            assert_eq!(stored(parts).await.unwrap(), parts.concat());
        }
        assert!(stored(&["abcde", "f"]).await.is_err());
    }
}
