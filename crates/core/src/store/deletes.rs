//! What deleting takes. In a bucket that keeps versions, deleting by name only hides: the object stays, and costs, and a wrap of
//! an old key still opens what it opened.

use std::fmt;
use std::str::FromStr;

use super::Store;
use super::s3::{Requests, Said, code, versions};
use crate::error::{Error, Kind, Result};
use crate::job::Job;

/// What goes when an object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletes {
    /// What its name leads to.
    #[default]
    Names,
    /// Every version of it.
    Versions,
}

impl Store {
    /// Deletes every version of an object, and the marks that hide it.
    pub(super) async fn delete_versions(&self, requests: &Requests, job: &Job, name: &str) -> Result<()> {
        let path = self.path(name);
        let doing = format!("delete every version of {name} from {}", self.address);
        let said = self.retry.run(job, &doing, || asked(requests.ask_versions(path.as_ref()))).await?;
        let listed = versions(&said).ok_or_else(|| no_versions(&doing, &said))?;
        // A listing by the beginning of a name also names others.
        for version in listed.into_iter().filter(|version| version.key == path.as_ref()) {
            let said = self.retry.run(job, &doing, || asked(requests.delete_version(&path, &version.id))).await?;
            if !(200..300).contains(&said.status) && said.status != 404 {
                return Err(refused(&doing, &said));
            }
        }
        Ok(())
    }
}

/// An answer that passes is tried again, as any other call's.
async fn asked(said: impl Future<Output = object_store::Result<Said>>) -> object_store::Result<Said> {
    let said = said.await?;
    if !matches!(said.status, 408 | 425 | 429 | 500 | 502..=599) {
        return Ok(said);
    }
    let text = format!("Server returned non-2xx status code: {}: {}", said.status, said.text);
    Err(object_store::Error::Generic { store: "S3", source: text.into() })
}

fn no_versions(doing: &str, said: &Said) -> Error {
    match said.status {
        200 => Error::new(Kind::Config, format!("{doing}: the store does not tell them"))
            .hint("set deletes = \"names\" in [store]; `lifeboat store test` says what the store does"),
        _ => refused(doing, said),
    }
}

fn refused(doing: &str, said: &Said) -> Error {
    let code = code(said).unwrap_or("no code");
    Error::new(Kind::Config, format!("{doing}: the store answered {} ({code})", said.status))
        .hint("give the key the right to list and delete versions, or set deletes = \"names\" in [store]")
}

impl fmt::Display for Deletes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Names => "names",
            Self::Versions => "versions",
        })
    }
}

impl FromStr for Deletes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Names, Self::Versions].into_iter().find(|deletes| deletes.to_string() == text).ok_or_else(|| {
            Error::new(Kind::Config, format!("know what to delete by {text:?}")).hint("known are names and versions")
        })
    }
}
