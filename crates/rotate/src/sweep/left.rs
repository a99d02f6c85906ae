//! Values under the other key that a way back would leave or has left, and that have come since a rotation was finalized.

use lifeboat_core::{Job, Result};

use super::book::Entry;
use super::confirm::confirm;
use super::errand::Errand;
use super::lane::Lane;
use super::leader::Leader;
use super::options::{Mode, SweepOptions};
use super::run::TargetSummary;
use super::status::{Direction, Phase};
use super::tally::Tally;
use super::work::{Aim, Work};

/// What a way back does with the values of a target.
pub(super) enum WayBack {
    /// It rewrites some: what the application has written under the new key since is taken back, too.
    Rewrites,
    /// It drops what was prepared or kept, and rewrites none.
    Drops,
    /// It has none to rewrite, and ends a rotation that wrote none: this was found.
    Ends(Tally),
}

/// Finds out, by a look at the whole target where the book alone does not tell.
pub(super) async fn way_back(
    leader: &mut Leader,
    errand: &Errand<'_>,
    entry: &Entry,
    options: &SweepOptions,
    job: &Job,
) -> Result<WayBack> {
    if entry.mode == Mode::Staged && entry.phase != Phase::Swept {
        return Ok(WayBack::Drops);
    }
    if entry.written() > 0 {
        return Ok(WayBack::Rewrites);
    }
    let found = look(leader, errand, Direction::Back, options, job).await?;
    Ok(match found.counts.rotated {
        0 if entry.is_unwritten() => WayBack::Ends(found),
        0 => WayBack::Drops,
        _ => WayBack::Rewrites,
    })
}

/// Looks once more at targets that were swept before one which has triggers: these may have kept there what its rows were. Where
/// such a one is not through, they may keep more of it, anywhere: no target is through then.
pub(super) async fn look_again(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    summaries: &mut [TargetSummary],
    options: &SweepOptions,
    job: &Job,
) -> Result<()> {
    let mut last = 0;
    let mut is_cut_short = false;
    for (at, (errand, summary)) in errands.iter().zip(summaries.iter()).enumerate() {
        leader.alive().await?;
        if leader.relations(errand).await?.iter().any(|swept| swept.has_triggers) {
            last = at;
            is_cut_short |= !summary.complete;
        }
    }
    if is_cut_short {
        summaries.iter_mut().for_each(|summary| summary.complete = false);
    }
    for (errand, summary) in errands.iter().zip(summaries).take(last) {
        if summary.complete {
            job.step(&format!("look at {} once more, for there are triggers", errand.target));
            summary.left = look(leader, errand, Direction::Back, options, job).await?.counts.rotated;
            summary.complete = summary.left == 0;
        }
    }
    Ok(())
}

/// Opens the whole of a target as a sweep in this direction would, and writes nothing.
pub(super) async fn look(
    leader: &mut Leader,
    errand: &Errand<'_>,
    direction: Direction,
    options: &SweepOptions,
    job: &Job,
) -> Result<Tally> {
    let settings = leader.alive().await?.settings().clone();
    let keyring = errand.keyring(direction)?;
    let mut work = Work::made(&settings, errand.target, keyring, Aim::Try, options, job);
    work.back = direction == Direction::Back;
    let mut lane = Lane::with(leader.lend()?);
    work.traffic.look_ahead(&mut lane, job).await?;
    leader.give_back(lane.session);
    confirm(leader, &work, errand, options).await
}
