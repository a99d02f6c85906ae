//! Proves that one key alone opens every encrypted backup.

use std::sync::Arc;

use lifeboat_core::keys::{KeyId, KeyWrap, OpenKeys};
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Serialize;

use super::RotateOptions;
use super::each::{Done, each};
use super::failures::Failures;
use super::folder::{Folder, State};

/// What one key opens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Backups, the details of runs among them, that it opens, proven by the manifest's MAC.
    pub proven: u64,
    /// Backups that are not encrypted.
    pub unencrypted: u64,
    /// What was begun and is not, or not yet, a backup.
    pub unfinished: u64,
    /// Those that it does not open.
    pub failed: Failures,
}

/// Opens every encrypted backup in `stores` with the first key of `keys` alone. Bodies are not read: `lifeboat verify` does
/// that.
///
/// # Errors
/// Those of the store's listing, a store that does not answer, cancellation. What does not open is in the report.
pub async fn verify(
    stores: &[Store],
    key: Arc<dyn KeyWrap>,
    keys: &OpenKeys,
    options: &RotateOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<VerifyReport> {
    let job = options.job(monitor);
    let (mut report, mut failed) = (VerifyReport::default(), Failures::default());
    let at_hand = keys.keys.as_slice();
    let alone = &OpenKeys { keys: vec![key], retired: Vec::new(), ..keys.clone() };
    let (job, count) = (&job, |state| report.count(state));
    each(stores, job, options.at_once, &mut failed, |folder| with(folder, alone, at_hand, job), count).await?;
    report.failed = failed;
    Ok(report)
}

async fn with<'s>(folder: Folder<'s>, alone: &OpenKeys, at_hand: &[Arc<dyn KeyWrap>], job: &Job) -> Done<'s, State> {
    let found = Box::pin(one(&folder, alone, at_hand, job)).await;
    (folder, found)
}

async fn one(folder: &Folder<'_>, alone: &OpenKeys, at_hand: &[Arc<dyn KeyWrap>], job: &Job) -> Result<State> {
    let state = folder.state();
    if state != State::Sealed {
        return Ok(state);
    }
    if let Some(key) = alone.keys.first().filter(|key| !folder.has_wrap(key.id())) {
        return Err(Error::new(Kind::WrongKey, format!("open {}: it has no wrap under {}", folder.owner, key.id()))
            .hint(remedy(folder, at_hand)));
    }
    folder.open(alone, job).await?;
    Ok(state)
}

/// What gives the backup the wrap that it lacks, if any key at hand can.
fn remedy(folder: &Folder<'_>, at_hand: &[Arc<dyn KeyWrap>]) -> String {
    let wraps = folder.wraps();
    if at_hand.iter().any(|key| wraps.contains(key.id())) {
        return "`lifeboat rotate backups rewrap` adds it".to_owned();
    }
    match wraps.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => "it has no wrap left, and nobody can open it".to_owned(),
        ids => format!("no key at hand opens it; {ids} would: give the keyring that holds it"),
    }
}

impl VerifyReport {
    fn count(&mut self, state: State) {
        let counter = match state {
            State::Sealed => &mut self.proven,
            State::Unencrypted => &mut self.unencrypted,
            State::Unfinished => &mut self.unfinished,
        };
        *counter += 1;
    }
}
