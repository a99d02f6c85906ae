//! Everything of a replacement that takes long: nothing of it touches the database whose place is to be taken.

use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result, units};

use super::super::{RestoreSummary, apply};
use super::beside::Beside;
use super::disk::Disk;
use super::safety::SafetyBackup;
use super::{ReplaceOptions, proof, untrusted};
use crate::archive::{Archive, or_instead};
use crate::backup::backup;

/// What is there when everything that takes long is done.
pub(super) struct Prepared {
    pub(super) safety_backup: Option<String>,
    pub(super) restore: Option<RestoreSummary>,
    /// The oid of the database that is to have the name.
    pub(super) coming: u32,
}

/// What may be denied, the safety backup, the restore beside, the proof.
pub(super) async fn prepare(
    store: &Store,
    archive: &Archive,
    beside: &Beside,
    disk: &Disk,
    options: &ReplaceOptions,
    job: &Job,
) -> Result<Prepared> {
    if beside.ready.is_none() {
        untrusted::try_to_create(archive, beside, job).await?;
    }
    let safety_backup = match &options.safety {
        Some(safety) => Some(back_up(store, archive, beside, safety, job).await?),
        None => None,
    };
    if !options.ignore_disk && beside.ready.is_none() {
        check_room(disk, beside, safety_backup.as_deref())?;
    }
    let (restore, coming) = if beside.ready.is_some() {
        job.step(&format!("go on from {}, which an earlier run restored", beside.target.dbname));
        (None, beside.open_up(job).await?)
    } else {
        let applying = apply::apply(store, archive, &beside.target, &beside.options, &beside.preflight, None, job);
        let summary = or_instead(store, job, &archive.path, Box::pin(applying).await).await?;
        let finished = async {
            beside.unsubscribe(job).await?;
            beside.mark_as_restored(job).await
        };
        let coming = match job.run(Box::pin(finished)).await {
            Ok(coming) => coming,
            Err(error) => {
                beside.discard(job).await;
                return Err(error);
            }
        };
        (Some(summary), coming)
    };
    let proving = proof::prove(store, archive, &beside.target, &beside.options, job);
    // Only what is known to differ is worth nothing: hours may have gone into it.
    let differ = job.run(Box::pin(proving)).await.inspect_err(|_| beside.tell_that_it_stays(job))?;
    if !differ.is_empty() {
        beside.discard(job).await;
        return Err(proof::refuted(&differ));
    }
    Ok(Prepared { safety_backup, restore, coming })
}

/// Looks at the disk again: the safety backup may have taken hours, and lie on it.
fn check_room(disk: &Disk, beside: &Beside, safety_backup: Option<&str>) -> Result<()> {
    let Some((free, needed)) = disk.without_room_now() else { return Ok(()) };
    let (free, needed) = (units::size(free), units::size(needed));
    let stays = safety_backup.map(|id| format!("; the safety backup {id} stays in the store")).unwrap_or_default();
    let doing = format!(
        "restore beside {}: its disk has {free} free now, and about {needed} are needed{stays}",
        beside.live.dbname
    );
    Err(Error::new(Kind::Policy, doing).hint("free disk space, or --ignore-disk, and run it again"))
}

async fn back_up(
    store: &Store,
    archive: &Archive,
    beside: &Beside,
    safety: &SafetyBackup,
    job: &Job,
) -> Result<String> {
    job.step(&format!("back up {} as it is", beside.live.display()));
    let source = safety.source(&archive.path.database, &beside.live)?;
    let backed_up = Box::pin(backup(&source, store, &safety.options()?, job.monitor.clone())).await;
    let summary = backed_up.map_err(|error| {
        let hint = error.help().map_or_else(|| WITHOUT_SAFETY.to_owned(), |hint| format!("{hint}; {WITHOUT_SAFETY}"));
        error.while_doing("take the safety backup").hint(hint)
    })?;
    Ok(format!("{}/{}", summary.database, summary.id))
}

const WITHOUT_SAFETY: &str = "or leave the safety backup out with --no-safety-backup";
