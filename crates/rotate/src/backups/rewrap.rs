//! Adds a wrap under another key to every encrypted backup.

use std::sync::Arc;

use bytes::Bytes;
use lifeboat_core::keys::{DataKey, KeyId, KeyWrap, OpenKeys, Wrap};
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::{Store, layout};
use lifeboat_core::{Job, Result};
use serde::Serialize;

use super::RotateOptions;
use super::each::{self, each};
use super::failures::Failures;
use super::folder::{Folder, State};
use super::opening::{is_public, opens_to};

/// Which backups get a wrap.
#[derive(Clone, Default)]
pub struct RewrapOptions {
    /// Only those that have a wrap under this key, which then opens them.
    pub from: Option<KeyId>,
    /// What every operation is given.
    pub rotate: RotateOptions,
}

/// What became of the backups; the details of runs count among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RewrapSummary {
    /// Those that got a wrap.
    pub rewrapped: u64,
    /// Of these, those whose wrap is to a public key without its private half, so that it could not be opened again.
    pub not_compared: u64,
    /// Those that had one that opens to their data key.
    pub already: u64,
    /// Those that had one of which this could not be told, for the key is public only.
    pub already_not_compared: u64,
    /// Those without a wrap under the key they were to be opened with.
    pub passed_over: u64,
    /// Backups that are not encrypted.
    pub unencrypted: u64,
    /// What was begun and is not, or not yet, a backup.
    pub unfinished: u64,
    /// Those that failed.
    pub failed: Failures,
}

enum Done {
    Rewrapped { compared: bool },
    Already { compared: bool },
    PassedOver,
    Not(State),
}

/// Wraps the data key of every encrypted backup in `stores` under `to` as well. A wrap is written only around a data key
/// that the manifest's MAC proved, after it was opened again and compared, and is read back. One that is there is left
/// alone when it opens to the same data key; when it does not, the backup fails and the wrap stays.
///
/// Nothing else is written. Interrupted anywhere, every backup still opens, and the next run does the rest.
///
/// # Errors
/// Those of the store's listing, a store that does not answer, cancellation. What fails for one backup is in the summary.
pub async fn rewrap(
    stores: &[Store],
    keys: &OpenKeys,
    to: &dyn KeyWrap,
    options: &RewrapOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RewrapSummary> {
    let job = options.rotate.job(monitor);
    let (mut summary, mut failed) = (RewrapSummary::default(), Failures::default());
    let from = options.from.as_ref();
    let rewrapping = &Rewrapping { keys: restricted(keys, from), to, from, job: &job };
    let count = |done| summary.count(&done);
    each(stores, &job, options.rotate.at_once, &mut failed, |folder| rewrapping.with(folder), count).await?;
    summary.failed = failed;
    Ok(summary)
}

/// Only the key called `from`, where one is named.
fn restricted(keys: &OpenKeys, from: Option<&KeyId>) -> OpenKeys {
    let mut keys = keys.clone();
    keys.keys.retain(|key| from.is_none_or(|from| key.id() == from));
    keys
}

struct Rewrapping<'a> {
    keys: OpenKeys,
    to: &'a dyn KeyWrap,
    from: Option<&'a KeyId>,
    job: &'a Job,
}

impl Rewrapping<'_> {
    async fn with<'s>(&self, folder: Folder<'s>) -> each::Done<'s, Done> {
        let done = Box::pin(self.one(&folder)).await;
        (folder, done)
    }

    async fn one(&self, folder: &Folder<'_>) -> Result<Done> {
        match folder.state() {
            State::Sealed if folder.has_wrap(self.to.id()) => existing(folder, self.to, self.job).await,
            State::Sealed if self.from.is_some_and(|from| !folder.has_wrap(from)) => Ok(Done::PassedOver),
            State::Sealed => {
                let (key, _) = folder.open(&self.keys, self.job).await?;
                add(folder, &key, self.to, self.job).await
            }
            other => Ok(Done::Not(other)),
        }
    }
}

/// A wrap that is there must hold the data key; it is never replaced.
async fn existing(folder: &Folder<'_>, to: &dyn KeyWrap, job: &Job) -> Result<Done> {
    let (wrap, proof) = tokio::join!(folder.wrap(job, to.id()), folder.proof(job));
    let (wrap, proof) = (wrap?, proof?);
    match to.unwrap(&wrap).await {
        Ok(key) => {
            proof.check(&folder.owner, &key)?;
            Ok(Done::Already { compared: true })
        }
        Err(error) if is_public(&wrap, &error) => Ok(Done::Already { compared: false }),
        Err(error) => Err(error),
    }
}

async fn add(folder: &Folder<'_>, key: &DataKey, to: &dyn KeyWrap, job: &Job) -> Result<Done> {
    let owner = folder.owner.id();
    let wrap = to.wrap(key, owner).await?;
    let compared = opens_to(to, &wrap, key).await?.is_some();
    let name = folder.owner.object(&layout::wrap(to.id()));
    folder.store.put(job, &name, Bytes::from(wrap.to_bytes())).await?;
    // Another run may have written its own wrap meanwhile: what counts is that it opens to the same key.
    let stored: Wrap = folder.wrap(job, to.id()).await?;
    opens_to(to, &stored, key).await?;
    Ok(Done::Rewrapped { compared })
}

impl RewrapSummary {
    /// Whether anything was done or found done.
    #[must_use]
    pub fn any_done(&self) -> bool {
        self.rewrapped + self.already + self.already_not_compared > 0
    }

    fn count(&mut self, done: &Done) {
        match done {
            Done::Rewrapped { compared } => {
                self.rewrapped += 1;
                self.not_compared += u64::from(!compared);
            }
            Done::Already { compared: true } => self.already += 1,
            Done::Already { compared: false } => self.already_not_compared += 1,
            Done::PassedOver => self.passed_over += 1,
            Done::Not(State::Unencrypted) => self.unencrypted += 1,
            Done::Not(_) => self.unfinished += 1,
        }
    }
}
