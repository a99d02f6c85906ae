//! Removes backups that were sealed anew.

use std::sync::Arc;

use lifeboat_core::codec::Sha256;
use lifeboat_core::monitor::{Counter, Monitor};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, MANIFEST};
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Serialize;

use super::super::ends_all;
use super::super::failures::{Failed, Failures};
use super::super::folder::{Folder, Owner, State};
use super::contents::Source;
use super::rewriting::{Replacement, open};
use super::{ReencryptKeys, ReencryptOptions, ReencryptPlan, Removal};

/// What became of the old backups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RemovalSummary {
    /// Backups that were removed.
    pub removed: u64,
    /// Bytes they took.
    pub freed_bytes: u64,
    /// Those that could not be removed, or whose new backup could not be proven.
    pub failed: Failures,
}

/// Removes the backups of a plan that were sealed anew. The new one must be of an author who is trusted, open, and hold what
/// the old one holds: both are read whole, unless `proven` says it of these two, in this store. The old manifest goes first, so that a
/// removal that is cut short leaves no damaged backup; its rest goes with the next one.
///
/// # Errors
/// A store that does not answer, cancellation. What fails for one backup is in the summary.
pub async fn remove_replaced(
    stores: &[Store],
    plan: &ReencryptPlan,
    proven: &[Replacement],
    keys: &ReencryptKeys,
    options: &ReencryptOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RemovalSummary> {
    let job = options.rotate.job(monitor);
    let mut summary = RemovalSummary::default();
    for removal in &plan.remove {
        job.check()?;
        let Some(store) = stores.get(removal.store) else { continue };
        job.step(&format!("remove {}, which {} replaces", removal.backup, removal.replaced_by));
        let known = proven.iter().any(|proven| proven.is(removal));
        match Box::pin(one(store, removal, known, keys, &job)).await {
            Ok(()) => {
                summary.removed += 1;
                summary.freed_bytes += removal.stored_bytes;
            }
            Err(error) if ends_all(&error) => return Err(error),
            Err(error) => summary.failed.add(Failed::named(store.address(), removal.backup.to_string(), &error)),
        }
    }
    Ok(summary)
}

impl Replacement {
    fn is(&self, removal: &Removal) -> bool {
        (self.store, &self.old, &self.new) == (removal.store, &removal.backup, &removal.replaced_by)
    }
}

async fn one(store: &Store, removal: &Removal, proven: bool, keys: &ReencryptKeys, job: &Job) -> Result<()> {
    let old = Folder::read(store, Owner::Backup(removal.backup.clone()), job).await?;
    prove(store, removal, &old, proven, keys, job).await?;
    for name in in_order(&old) {
        store.delete(job, &old.owner.object(name)).await?;
        job.count(Counter::Objects, 1);
    }
    Ok(())
}

/// Proves that the data of `old` is in the new backup. Of an old one without a manifest nothing can be compared any more:
/// it is no backup.
async fn prove(
    store: &Store,
    removal: &Removal,
    old: &Folder<'_>,
    proven: bool,
    keys: &ReencryptKeys,
    job: &Job,
) -> Result<()> {
    let new = Folder::read(store, Owner::Backup(removal.replaced_by.clone()), job).await?;
    let by = &removal.replaced_by;
    let unproven = |error: Error| error.while_doing(format!("prove {by}, which replaces it"));
    let (stored, key) = open(&new, keys, job).await.map_err(unproven)?;
    let unfit = |why: &str| {
        Err(Error::new(Kind::Integrity, format!("remove {}: {}, which replaces it, {why}", removal.backup, new.owner)))
    };
    if key.is_none() || stored.manifest.reencrypted_from.as_ref() != Some(&removal.backup.id) {
        return unfit("is not sealed, or is of another backup");
    }
    keys.signer_for(&stored, &by.to_string()).map_err(unproven)?;
    if proven {
        return Ok(());
    }
    let digests = Source { store, path: by, stored: &stored, key: key.as_ref() }.digests(job).await;
    if old.state() == State::Unfinished || digests.as_ref().is_err_and(ends_all) {
        return digests.map(drop).map_err(unproven);
    }
    let expected = old_digests(store, removal, old, keys, job).await;
    match (digests, expected) {
        (Ok(digests), Ok(expected)) if digests == expected => Ok(()),
        (Ok(_), Ok(_)) => unfit("does not hold the same data"),
        (Ok(_), Err(error)) => Err(error),
        (Err(error), Ok(_)) => {
            Err(unproven(error).hint(format!("{} is whole: delete {by} and run this again", removal.backup)))
        }
        (Err(_), Err(error)) if ends_all(&error) => Err(error),
        (Err(error), Err(_)) => Err(unproven(error).hint(format!("{} is not whole either", removal.backup))),
    }
}

async fn old_digests(
    store: &Store,
    removal: &Removal,
    old: &Folder<'_>,
    keys: &ReencryptKeys,
    job: &Job,
) -> Result<Vec<Sha256>> {
    let (stored, key) = open(old, keys, job).await?;
    Source { store, path: &removal.backup, stored: &stored, key: key.as_ref() }.digests(job).await
}

/// The manifest, then the objects, the wraps last.
fn in_order<'f>(old: &'f Folder<'_>) -> Vec<&'f str> {
    let mut names: Vec<_> = old.objects.keys().map(String::as_str).collect();
    names.sort_by_key(|name| (*name != MANIFEST, layout::wrapped_under(name).is_some()));
    names
}
