//! What triggers did after one transaction had written its values: to these, or to what they are bound to. The statements that wrote
//! them do not see it, and the old values go with the commit.

use std::sync::Arc;

use lifeboat_core::{Error, Job, Kind, Result};

use super::book::Entry;
use super::catalog::{self, Swept};
use super::counts::Counts;
use super::errand::Errand;
use super::lane::Lane;
use super::options::SweepOptions;
use super::status::{Direction, Phase};
use super::tally::Tally;
use super::transaction::{Deed, sweep_whole};
use super::work::{Aim, Work};

/// Opens every value of every target once more, by the key that it was written under, where any of their tables has triggers. Of each
/// target there is what was found when it was written.
pub(super) async fn refuse_aftermath(
    lane: &mut Lane,
    errands: &[Errand<'_>],
    entries: &[Entry],
    tallies: &[Tally],
    deed: Deed,
    options: &SweepOptions,
    job: &Job,
) -> Result<()> {
    let mut found = Vec::new();
    for errand in errands {
        found.push(catalog::find(&mut lane.session, errand.target, options).await?.relations);
    }
    // One table's trigger may write another's.
    if !found.iter().flatten().any(|swept| swept.has_triggers) {
        return Ok(());
    }
    for (((errand, entry), before), relations) in errands.iter().zip(entries).zip(tallies).zip(found) {
        // Of what was never in place nothing was read.
        if deed == Deed::PutBack && entry.phase != Phase::Swept {
            continue;
        }
        let now = looked_at(lane, errand, relations, deed.after().0, options, job).await?;
        refuse_fewer(errand, &before.counts, &now)?;
    }
    Ok(())
}

async fn looked_at(
    lane: &mut Lane,
    errand: &Errand<'_>,
    relations: Vec<Swept>,
    direction: Direction,
    options: &SweepOptions,
    job: &Job,
) -> Result<Tally> {
    job.step(&format!("look at {} once more, for there are triggers", errand.target));
    let keyring = errand.keyring(direction)?;
    let mut work = Work::made(lane.session.settings(), errand.target, keyring, Aim::Prove, options, job);
    work.in_transaction = true;
    work.quiet = true;
    let work = Arc::new(work);
    let mut tally = Tally::naming(options.failures_named);
    for swept in relations {
        sweep_whole(lane, &work, &Arc::new(swept), &mut tally).await?;
    }
    Ok(tally)
}

/// A trigger that keeps what a row was, in a table that belongs to the target, leaves more values under the other key.
fn refuse_fewer(errand: &Errand<'_>, before: &Counts, now: &Tally) -> Result<()> {
    let (expected, opened) = (before.opened(), now.counts.opened());
    let more = now.counts.unopened().saturating_sub(before.unopened());
    if opened >= expected && more == 0 {
        return Ok(());
    }
    let doing =
        format!("rotate {} as a whole: a trigger changes what was written, or what it is bound to", errand.target);
    let some = now.failures.some_unaccepted();
    let some = if some.is_empty() { some } else { format!(": {some}") };
    Err(Error::new(Kind::Policy, doing)
        .hint(format!(
            "nothing was changed: disable the trigger for the time of the rotation, or let it leave values and the columns of the AAD as they are{some}"
        ))
        .caused_by(format!("of {expected} values {opened} open afterwards, and {more} more do not than before")))
}
