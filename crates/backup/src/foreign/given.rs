//! Where a foreign file comes from. Whatever its layers make of it, its own bytes are counted and digested to the last.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use lifeboat_core::codec::{Digester, Sha256};
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt};
use tokio::sync::mpsc;

use super::flow::Flow;

/// A file that Lifeboat did not write.
pub enum ForeignFile {
    /// A file of this host.
    Path(PathBuf),
    /// What is read from somewhere, such as standard input.
    Reader(Box<dyn Read + Send>),
    /// An object of a store, by its name below the store's prefix.
    Stored(Store, String),
}

/// A file's length and digest, as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digested {
    /// Its bytes.
    pub bytes: u64,
    /// Their digest.
    pub sha256: Sha256,
}

/// A file that is being read.
pub(crate) struct Given {
    bytes: Source,
    /// How messages call it.
    pub(crate) name: String,
    /// When it was last changed, where it is a file.
    pub(crate) modified: Option<Timestamp>,
    digester: Digester,
    count: u64,
    digested: Arc<OnceLock<Digested>>,
}

enum Source {
    Reader(Box<dyn Read + Send>),
    Blocks { blocks: mpsc::Receiver<Result<Bytes>>, now: Bytes },
}

impl ForeignFile {
    /// How messages call it: without its folders.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
            Self::Reader(_) => "standard input".to_owned(),
            Self::Stored(_, name) => name.rsplit('/').next().unwrap_or(name).to_owned(),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when it is not there; [`Kind::Failure`] when it cannot be read, or is a folder.
    pub(crate) async fn open(self, job: &Job) -> Result<Given> {
        let called = self.name();
        match self {
            Self::Path(path) => {
                let doing = || format!("open {}", path.display());
                let file = File::open(&path).map_err(|error| {
                    let missing = error.kind() == std::io::ErrorKind::NotFound;
                    Error::new(if missing { Kind::NotFound } else { Kind::Failure }, doing()).caused_by(error)
                })?;
                let metadata = file.metadata().kind_of(Kind::Failure, doing)?;
                if metadata.is_dir() {
                    return Err(Error::new(Kind::Usage, format!("{}: it is a folder", doing())).hint(
                        "a directory of pg_dump -Fd is restored by pg_restore: nothing in it proves that it is whole",
                    ));
                }
                let modified = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
                Ok(Given { modified, ..Given::new(Source::Reader(Box::new(file)), called) })
            }
            Self::Reader(reader) => Ok(Given::new(Source::Reader(reader), called)),
            Self::Stored(store, name) => {
                let blocks = fetched(store.of_others(), name, job).await?;
                Ok(Given::new(Source::Blocks { blocks, now: Bytes::new() }, called))
            }
        }
    }
}

/// The blocks of an object, a few ahead.
async fn fetched(store: Store, name: String, job: &Job) -> Result<mpsc::Receiver<Result<Bytes>>> {
    let found = store.clone().at_first_contact().length(job, &name).await;
    let length = found.map_err(|error| not_found(error, &name, &store))?;
    let (give, blocks) = mpsc::channel(1);
    let job = job.clone();
    tokio::spawn(async move {
        let mut read = std::pin::pin!(store.read(&job, name, 0..length));
        while let Some(block) = read.next().await {
            if give.send(block).await.is_err() {
                break;
            }
        }
    });
    Ok(blocks)
}

/// Who may not list is refused what is not there, too.
fn not_found(error: Error, name: &str, store: &Store) -> Error {
    let said = error.chain();
    match error.kind() {
        Kind::NotFound if !["NoSuchBucket", "ContainerNotFound"].iter().any(|code| said.contains(code)) => {
            Error::new(Kind::NotFound, format!("find {name} in {}", store.address())).hint(NAME).caused_by(error)
        }
        Kind::Config if said.contains("AccessDenied") => error.hint(format!("{MAY_NOT_READ}: {NAME}")),
        _ => error,
    }
}

const NAME: &str = "the name is the object's key below the prefix of --store";
const MAY_NOT_READ: &str =
    "give the key the right to read this object; or there is none, which a key that may not list is not told";

impl Given {
    fn new(bytes: Source, name: String) -> Self {
        let (digester, digested) = (Digester::default(), Arc::default());
        Self { bytes, name, modified: None, digester, count: 0, digested }
    }

    /// Where its length and digest are once it was read to its end.
    pub(crate) fn digested(&self) -> Arc<OnceLock<Digested>> {
        Arc::clone(&self.digested)
    }
}

impl Flow for Given {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let read = self.bytes.read(into).map_err(|error| error.while_doing(format!("read {}", self.name)))?;
        if read > 0 {
            self.digester.update(&into[..read]);
            self.count += read as u64;
        } else if self.digested.get().is_none() {
            let digested = Digested { bytes: self.count, sha256: self.digester.take() };
            let _ = self.digested.set(digested);
        }
        Ok(read)
    }
}

impl Source {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        match self {
            Self::Reader(reader) => loop {
                match reader.read(into) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    other => return other.kind_of(Kind::Failure, || "read a file".into()),
                }
            },
            Self::Blocks { blocks, now } => {
                while now.is_empty() {
                    match blocks.blocking_recv() {
                        None => return Ok(0),
                        Some(block) => *now = block?,
                    }
                }
                let bytes = now.split_to(now.len().min(into.len()));
                into[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }
        }
    }
}
