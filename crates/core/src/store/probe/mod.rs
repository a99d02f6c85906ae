//! What a store really does: each behaviour that a backup leans on is tried, since servers that call themselves S3 differ,
//! and some say yes to what they ignore.
//!
//! Everything is written under one folder of its own, `probe/<id>/`, and deleted again as far as the key allows; no other
//! object is touched, and no setting of a bucket is changed. A key that may only write gets most answers by being refused,
//! which is as it should be.

mod advice;
mod behaviour;
mod bucket;
mod clean;
mod clients;
mod follows;
mod parts;
mod reads;
mod versions;
mod writes;

use std::collections::BTreeMap;
use std::path::Path as FsPath;
use std::time::Duration;

use jiff::Timestamp;
use object_store::path::Path;
use object_store::{Error as StoreError, Result as StoreResult};
use serde::Serialize;

pub use advice::Advice;
pub use behaviour::{Answer, Behaviour};

use super::address::{Place, Scheme, StoreUrl};
use super::fault::{Fault, judge, told};
use super::open::open_folder;
use super::s3::Bucket;
use super::{Network, Store, layout};
use crate::error::Result;
use crate::id::RunId;
use crate::job::Job;
use behaviour::answer;
use clean::{Left, Made};
use clients::S3Clients;

/// A store that is to be probed.
pub struct Probe {
    store: Store,
    s3: Option<S3Clients>,
}

/// What one behaviour turned out to be.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was tried.
    pub behaviour: Behaviour,
    /// What came of it.
    pub answer: Answer,
    /// What the store said, where that is more than yes.
    pub detail: Option<String>,
    /// What follows for backups.
    pub follows: String,
}

/// All that was found out.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeReport {
    /// The store's address.
    pub store: String,
    /// The probe: its folder is `probe/<id>/`.
    pub probe: RunId,
    /// What was tried, in this order.
    pub findings: Vec<Finding>,
    /// Lines of `[store]` that fit this store better than what is configured.
    pub settings: Vec<Advice>,
    /// How far the store's clock is ahead of this host's.
    pub clock_ahead_seconds: Option<i64>,
    /// Keys of objects of this probe that could not be deleted.
    pub left: Vec<String>,
    /// Keys of uploads of this probe that could not be aborted.
    pub uploads_left: Vec<String>,
    /// Whether the store gave no clear answer about some of what is left, which then may be gone.
    pub left_unclear: bool,
    /// Whether old versions of this probe's objects stay, hidden.
    pub versions_left: bool,
}

impl ProbeReport {
    /// The answer for one behaviour, if it was tried.
    #[must_use]
    pub fn answer(&self, behaviour: Behaviour) -> Option<Answer> {
        self.findings.iter().find(|finding| finding.behaviour == behaviour).map(|finding| finding.answer)
    }
}

impl Probe {
    /// Opens the store at `url` as [`Network::open`] does, with clients that repeat nothing.
    ///
    /// # Errors
    /// Those of [`Network::open`].
    pub fn open(url: &StoreUrl, settings: &BTreeMap<String, String>, network: &Network) -> Result<Self> {
        if let Place::Folder(folder) = &url.place {
            return Ok(Self::of(open_folder(url, FsPath::new(folder), true)?));
        }
        let store = network.open(url, settings)?;
        let Place::Bucket { scheme: Scheme::S3 | Scheme::B2, name, region, .. } = &url.place else {
            return Ok(Self::of(store));
        };
        let bucket = Bucket { url, name, region: region.as_ref() };
        let s3 = S3Clients::new(bucket.configure(settings, network)?, name)?;
        let plain = s3.plain()?;
        let store = Store { objects: plain.clone(), uploads: plain, clock: s3.clock(), ..store };
        Ok(Self { store, s3: Some(s3) })
    }

    /// The embedder's own store; what only S3 has is not tried.
    #[must_use]
    pub fn of(store: Store) -> Self {
        Self { store, s3: None }
    }

    /// Tries everything, and cleans up.
    ///
    /// # Errors
    /// Those that stand in the way of every answer: no such bucket, an unknown key, no connection;
    /// [`Cancelled`](crate::Kind::Cancelled).
    pub async fn run(self, now: Timestamp, job: &Job) -> Result<ProbeReport> {
        let id = RunId::generate(now)?;
        let mut run = Run {
            folder: self.store.path(&layout::probe_folder(&id)),
            probe: &self,
            job,
            findings: Vec::new(),
            made: Made::default(),
        };
        let done = run.all().await;
        let left = std::mem::take(&mut run.made).clean(&self.store, CLEAN_UP).await;
        let versions_left = run.clean_versions().await;
        if let Err(error) = done {
            tell_left(&left, job);
            return Err(error);
        }
        let findings = follows::told(run.findings);
        Ok(ProbeReport {
            store: self.store.address.clone(),
            probe: id,
            settings: advice::advice(&findings, self.s3.as_ref()),
            clock_ahead_seconds: self.store.clock_ahead_seconds(),
            findings,
            left: left.objects,
            uploads_left: left.uploads,
            left_unclear: left.unclear,
            versions_left,
        })
    }
}

/// A probe under way.
struct Run<'a> {
    probe: &'a Probe,
    folder: Path,
    job: &'a Job,
    findings: Vec<(Behaviour, Answer, Option<String>)>,
    made: Made,
}

impl Run<'_> {
    async fn all(&mut self) -> Result<()> {
        if self.writes().await? {
            self.parts().await?;
        }
        self.reads().await?;
        self.versions().await?;
        self.bucket().await
    }

    fn found(&mut self, behaviour: Behaviour, answer: Answer, detail: Option<String>) {
        self.findings.push((behaviour, answer, detail));
    }

    /// Notes what a call came to: yes, or what the store said.
    fn note<T>(&mut self, behaviour: Behaviour, result: StoreResult<T>) -> Option<T> {
        match result {
            Ok(value) => {
                self.found(behaviour, Answer::Ok, None);
                Some(value)
            }
            Err(error) => {
                self.found(behaviour, answer(&error), Some(told(&error)));
                None
            }
        }
    }

    /// Notes what became of something that has to be refused.
    fn note_refusal<T>(&mut self, behaviour: Behaviour, result: StoreResult<T>) {
        match result {
            Ok(_) => self.found(behaviour, Answer::Ignored, None),
            Err(error) if behaviour::is_answer(&error) => self.found(behaviour, Answer::Ok, None),
            Err(error) => self.found(behaviour, Answer::Inconclusive, Some(told(&error))),
        }
    }

    fn was(&self, behaviour: Behaviour, answer: Answer) -> bool {
        self.findings.iter().any(|(found, said, _)| (*found, *said) == (behaviour, answer))
    }

    /// The path of one of the probe's own objects.
    fn own(&self, name: &str) -> Path {
        self.folder.clone().join(name)
    }

    /// Notes that an object has to be deleted at the end, unless the store said that it was not written.
    fn wrote<T>(&mut self, path: &Path, result: &StoreResult<T>) {
        if result.as_ref().err().is_none_or(|error| !behaviour::is_answer(error)) {
            self.made.written.insert(path.clone());
        }
    }

    /// The same of bytes that have to be refused.
    fn tampered<T>(&mut self, path: &Path, result: &StoreResult<T>) {
        self.wrote(path, result);
        if result.is_err() {
            self.made.refused.insert(path.clone());
        }
    }
}

/// A probe that fails has no report to say it in.
fn tell_left(left: &Left, job: &Job) {
    let keys: Vec<_> = left.objects.iter().chain(&left.uploads).map(String::as_str).collect();
    if !keys.is_empty() {
        job.warn(&format!("the probe may have left these behind: {}", keys.join(", ")));
    }
}

/// Whether an error stands in the way of everything else: nothing answers, or not to this key.
fn ends_all(error: &StoreError) -> bool {
    match judge(error) {
        Fault::Transient => true,
        Fault::Fatal(..) => {
            answer(error) != Answer::Denied && !behaviour::is_answer(error) || super::fault::is_about_the_way(error)
        }
    }
}

const CLEAN_UP: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
