//! Values under the new key that a way back would leave, or has left.

use lifeboat_core::{Job, Result};

use super::book::Entry;
use super::confirm::confirm;
use super::errand::Errand;
use super::leader::Leader;
use super::options::{Mode, SweepOptions};
use super::run::TargetSummary;
use super::status::{Direction, Phase};
use super::work::{Aim, Work};

/// Whether the way back writes: what the application has written under the new key since is taken back, too.
pub(super) async fn has_something_to_rewrite(
    leader: &mut Leader,
    errand: &Errand<'_>,
    entry: &Entry,
    options: &SweepOptions,
    job: &Job,
) -> Result<bool> {
    match entry.mode {
        Mode::Staged => Ok(entry.phase == Phase::Swept),
        Mode::Online | Mode::Offline if entry.is_unwritten() => {
            Ok(left_to_take_back(leader, errand, entry.id, options, job).await? > 0)
        }
        Mode::Online | Mode::Offline => Ok(true),
    }
}

/// Looks once more at targets that were swept before one which has triggers: these may have kept there what its rows were.
pub(super) async fn look_again(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: &[Entry],
    summaries: &mut [TargetSummary],
    options: &SweepOptions,
    job: &Job,
) -> Result<()> {
    let mut last = 0;
    for (at, errand) in errands.iter().enumerate() {
        leader.alive().await?;
        if leader.relations(errand).await?.iter().any(|swept| swept.has_triggers) {
            last = at;
        }
    }
    for ((errand, entry), summary) in errands.iter().zip(entries).zip(summaries).take(last) {
        if summary.complete {
            job.step(&format!("look at {} once more, for there are triggers", errand.target));
            summary.left = left_to_take_back(leader, errand, entry.id, options, job).await?;
            summary.complete = summary.left == 0;
        }
    }
    Ok(())
}

/// How many values one look at the whole of a target finds under the new key.
async fn left_to_take_back(
    leader: &mut Leader,
    errand: &Errand<'_>,
    rotation: i64,
    options: &SweepOptions,
    job: &Job,
) -> Result<u64> {
    let settings = leader.session()?.settings().clone();
    let keyring = errand.keyring(Direction::Back)?;
    let mut work = Work::made(&settings, errand.target, keyring, Aim::Rewrite { rotation }, options, job);
    work.back = true;
    Ok(confirm(leader, &work, errand, options).await?.counts.rotated)
}
