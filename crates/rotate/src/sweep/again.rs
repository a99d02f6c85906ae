//! A rotation that is finalized and is asked for again: another begins only when it has something to do.

use jiff::Timestamp;
use lifeboat_core::{Job, Result};

use super::book::{self, Entry};
use super::errand::Errand;
use super::leader::Leader;
use super::left::look;
use super::options::SweepOptions;
use super::run::{TargetSummary, looked_at};
use super::schema;
use super::status::{Direction, Phase};
use super::transaction::summary;
use super::under_way::fits;

/// What is so where the last rotation of every target was this very one, is finalized, and no value has come under the old key since.
pub(super) struct Over {
    /// When the last of them was finalized.
    pub(super) at: Timestamp,
    pub(super) targets: Vec<TargetSummary>,
}

/// Opens the whole of all targets whose rotations are over, and writes nothing.
pub(super) async fn over(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    begun: &[Option<Entry>],
    options: &SweepOptions,
    job: &Job,
) -> Result<Option<Over>> {
    let Some(at) = all_finalized(leader, errands, begun).await? else { return Ok(None) };
    let mut targets = Vec::new();
    for errand in errands {
        job.step(&format!("look at {}, whose rotation was finalized", errand.target));
        let found = look(leader, errand, Direction::Forward, options, job).await?;
        if found.counts.rotated > 0 {
            return Ok(None);
        }
        targets.push(summary(errand, found));
    }
    let targets = looked_at(leader, errands, targets).await?;
    Ok(targets.iter().all(|target| !target.nothing_found).then_some(Over { at, targets }))
}

async fn all_finalized(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    begun: &[Option<Entry>],
) -> Result<Option<Timestamp>> {
    if begun.iter().any(Option::is_some) {
        return Ok(None);
    }
    let mut last = None;
    for errand in errands {
        match finalized(leader, errand).await? {
            None => return Ok(None),
            ended => last = last.max(ended),
        }
    }
    Ok(last)
}

/// When the last rotation of a target was finalized, where it was the one that is asked for.
pub(super) async fn finalized(leader: &mut Leader, errand: &Errand<'_>) -> Result<Option<Timestamp>> {
    let session = leader.session()?;
    if !schema::exists(session).await? {
        return Ok(None);
    }
    let last = book::last_entry(session, errand.target).await?;
    let is_it =
        |entry: &Entry| entry.phase == Phase::Finalized && fits(entry, errand, entry.mode, Direction::Forward).is_ok();
    Ok(last.filter(is_it).map(|entry| entry.status().updated))
}
