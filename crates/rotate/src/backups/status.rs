//! How many backups are under which keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use lifeboat_core::Result;
use lifeboat_core::keys::KeyId;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use serde::Serialize;

use super::RotateOptions;
use super::each::{each, ready};
use super::failures::Failures;
use super::folder::{Folder, Owner, State};

/// How much one key opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeyUse {
    /// Backups with a wrap under it.
    pub backups: u64,
    /// Of these, those that have no other.
    pub only_wrap_of: u64,
    /// Runs and drills whose details have a wrap under it.
    pub runs: u64,
    /// What was begun and is not, or not yet, a backup, with a wrap under it.
    pub unfinished: u64,
}

/// How many backups are under which keys, as the names of the wraps tell; nothing is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// Encrypted backups.
    pub encrypted: u64,
    /// Encrypted backups that open with one key only.
    pub one_wrap: u64,
    /// Encrypted backups that no key opens, for no wrap is left.
    pub no_wrap: u64,
    /// Backups that are not encrypted.
    pub unencrypted: u64,
    /// What was begun and is not, or not yet, a backup.
    pub unfinished: u64,
    /// Runs and drills with sealed details.
    pub runs: u64,
    /// By key.
    pub keys: BTreeMap<KeyId, KeyUse>,
}

/// Counts the wraps in `stores`. Reads listings alone.
///
/// # Errors
/// Those of the store's listing.
pub async fn status(stores: &[Store], options: &RotateOptions, monitor: Arc<dyn Monitor>) -> Result<StatusReport> {
    let job = options.job(monitor);
    let mut report = StatusReport::default();
    let seen = |folder: &Folder<'_>| (!matches!(folder.owner, Owner::Backup(_)), folder.state(), folder.wraps());
    let take = |(run, state, wraps): (bool, State, Vec<KeyId>)| report.count(run, state, wraps);
    each(stores, &job, 1, &mut Failures::default(), |folder| ready(Ok(seen(&folder)), folder), take).await?;
    Ok(report)
}

impl StatusReport {
    fn count(&mut self, run: bool, state: State, wraps: Vec<KeyId>) {
        let kind = match state {
            State::Unfinished => &mut self.unfinished,
            State::Unencrypted => &mut self.unencrypted,
            State::Sealed if run => &mut self.runs,
            State::Sealed => &mut self.encrypted,
        };
        *kind += 1;
        let backup = state == State::Sealed && !run;
        self.one_wrap += u64::from(backup && wraps.len() == 1);
        self.no_wrap += u64::from(backup && wraps.is_empty());
        let only = wraps.len() == 1;
        for id in wraps {
            let used = self.keys.entry(id).or_default();
            match state {
                State::Unfinished => used.unfinished += 1,
                _ if run => used.runs += 1,
                _ => used.backups += 1,
            }
            used.only_wrap_of += u64::from(backup && only);
        }
    }
}
