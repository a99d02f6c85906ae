//! Deletes the wraps under one key.

mod apply;
mod proof;

use std::sync::Arc;

use jiff::Timestamp;
use lifeboat_core::keys::{KeyEntry, KeyId, KeyState, OpenKeys};
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Kind, Result};
use serde::Serialize;

pub use apply::{RetireSummary, apply_retire};
use proof::{Judge, Judged};

use super::each::{Done, each};
use super::failures::Failures;
use super::folder::{Folder, Owner};
use super::{IN_FLIGHT, RotateOptions};

/// The key that goes, and how careful to be.
#[derive(Clone)]
pub struct RetireOptions {
    /// The key whose wraps are deleted.
    pub key: KeyId,
    /// The only key whose wraps may stay in their place; any other when it is `None`.
    pub to: Option<KeyId>,
    /// The keys that new backups are sealed with, by this host's configuration. Without `force` only wraps under these count
    /// as ones that stay: nobody who shares the configuration can be deleting those.
    pub sealing: Vec<KeyId>,
    /// When it ceased to be primary, where that is known.
    pub primary_until: Option<Timestamp>,
    /// Retire a key although it is or was recently in use; count wraps that none of our keys opens, and those under keys that
    /// seal nothing any more; pass over what cannot be retired. The last wrap of a backup is kept even so.
    pub force: bool,
    /// What every operation is given.
    pub rotate: RotateOptions,
}

/// What would be deleted, and what stands against it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RetirePlan {
    /// The key that goes.
    pub key: Option<KeyId>,
    /// The stores that were looked through.
    pub stores: Vec<String>,
    /// The wraps that would be deleted.
    pub delete: Vec<Retirement>,
    /// Backups that keep their wrap, each with the reason. Without `force` a single one stops all.
    pub refused: Failures,
    /// Backups that are not encrypted.
    pub unencrypted: u64,
    /// What was given up before it became a backup, with a wrap under the key: it is left alone.
    pub orphans: u64,
    /// Whether `force` was given.
    pub force: bool,
}

/// One wrap that would be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Retirement {
    /// The store's position in the list that was given.
    #[serde(skip)]
    pub store: usize,
    /// Whose wrap it is.
    #[serde(serialize_with = "shown")]
    pub owner: Owner,
    /// The wrap that stays.
    pub kept: KeyId,
    /// Whether `kept` was opened, and what it holds was proven by the manifest's MAC.
    pub proven: bool,
}

impl RetireOptions {
    /// The options for a key; `entry` is the one of the keyring, where it has one, and `sealing` are the keys that new backups
    /// are sealed with.
    #[must_use]
    pub fn new(key: KeyId, entry: Option<&KeyEntry>, mut sealing: Vec<KeyId>) -> Self {
        if entry.is_some_and(|entry| entry.state() == KeyState::Primary) {
            sealing.push(key.clone());
        }
        let primary_until = entry.and_then(KeyEntry::primary_until);
        Self { key, to: None, sealing, primary_until, force: false, rotate: RotateOptions::default() }
    }

    /// Whether wraps under this key may stay in the place of the one that goes.
    fn may_stay(&self, id: &KeyId) -> bool {
        *id != self.key && self.to.as_ref().is_none_or(|to| to == id)
    }

    /// Refuses a key that is in use, or was when backups began that may still be under way.
    fn judge(&self) -> Result<()> {
        let refuse = |why: String, first: String| {
            Err(Error::new(Kind::Policy, format!("retire the key {}: {why}", self.key)).hint(format!(
                "{first}; --force retires it nevertheless, and backups that are under way keep its wrap"
            )))
        };
        if self.force {
            return Ok(());
        }
        if self.sealing.contains(&self.key) {
            return refuse(
                "new backups are sealed with it".to_owned(),
                "first seal them with another: `lifeboat key generate --primary`, or take it out of `recipients`, and wait \
                 48 hours"
                    .to_owned(),
            );
        }
        match self.primary_until {
            Some(until) if self.rotate.clock.now().duration_since(until) < IN_FLIGHT => refuse(
                format!("it was primary until {until}, and backups that began before may still be under way"),
                format!("wait until {}", until + IN_FLIGHT),
            ),
            _ => Ok(()),
        }
    }
}

/// Looks through every store for wraps under the key, and proves for each that another wrap opens to the same data key, which
/// is the one in the wrap that goes where `keys` open that.
///
/// # Errors
/// [`Kind::Policy`] for a key that is in use, or was primary within 48 hours; those of the stores. What stands against
/// deleting a single wrap is in the plan.
pub async fn plan_retire(
    stores: &[Store],
    keys: &OpenKeys,
    options: &RetireOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RetirePlan> {
    options.judge()?;
    let job = options.rotate.job(monitor);
    let going = keys.keys.iter().find(|key| *key.id() == options.key).cloned();
    let mut others = keys.clone();
    others.keys.retain(|key| options.may_stay(key.id()));
    // A wrap that nobody is about to retire is the better proof.
    others.keys.sort_by_key(|key| !options.sealing.contains(key.id()));
    let addresses = stores.iter().map(|store| store.address().to_owned()).collect();
    let key = Some(options.key.clone());
    let mut plan = RetirePlan { key, stores: addresses, force: options.force, ..RetirePlan::default() };
    let mut refused = Failures::default();
    let judge = &Judge { others, going, options, now: options.rotate.clock.now(), job: &job };
    let take = |(store, owner, judged): (Option<usize>, Owner, Judged)| match judged {
        Judged::Delete { kept, proven } => {
            plan.delete.extend(store.map(|store| Retirement { store, owner, kept, proven }));
        }
        Judged::NotUnderKey => {}
        Judged::Unencrypted => plan.unencrypted += 1,
        Judged::Orphan => plan.orphans += 1,
    };
    each(stores, &job, options.rotate.at_once, &mut refused, |folder| judging(folder, judge, stores), take).await?;
    plan.refused = refused;
    Ok(plan)
}

async fn judging<'s>(
    folder: Folder<'s>,
    judge: &Judge<'_>,
    stores: &[Store],
) -> Done<'s, (Option<usize>, Owner, Judged)> {
    let judged = Box::pin(judge.folder(&folder)).await;
    let store = stores.iter().position(|store| std::ptr::eq(store, folder.store));
    let judged = judged.map(|judged| (store, folder.owner.clone(), judged));
    (folder, judged)
}

impl RetirePlan {
    /// Whether nothing lies under the key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.delete.is_empty() && self.refused.count == 0 && self.orphans == 0
    }

    /// Refuses a plan that something stands against.
    ///
    /// # Errors
    /// The kind of the first refusal, with the names of the backups; none with `force`.
    pub fn check(&self) -> Result<()> {
        let Some(first) = self.refused.first.first().filter(|_| !self.force) else { return Ok(()) };
        let names: Vec<_> = self.refused.first.iter().take(NAMED).map(|failed| failed.backup.as_str()).collect();
        let more = self.refused.count.saturating_sub(names.len() as u64);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let key = self.key.as_ref().map(KeyId::as_str).unwrap_or_default();
        // Damage is told first: nothing else is worth anything before it is looked at.
        let worst = self.refused.first.iter().find(|failed| failed.kind == Kind::Integrity).unwrap_or(first);
        let refused = Error::new(
            worst.kind,
            format!("retire the key {key}: {}{more} would not be safe without it", names.join(", ")),
        );
        let hint = worst.hint.clone().unwrap_or_else(|| "look at these backups first".to_owned());
        Err(refused.hint(hint).caused_by(worst.error.clone()))
    }
}

fn shown<S: serde::Serializer>(owner: &Owner, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(owner)
}

const NAMED: usize = 10;
