//! The mode offline: the application is stopped, and one transaction rewrites everything or nothing.

use std::sync::Arc;

use lifeboat_backup::postgres::Session as _;
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Error, Job, Kind, Result};

use super::book::{self, Entry};
use super::catalog;
use super::errand::Errand;
use super::lane::Lane;
use super::leader::Leader;
use super::options::SweepOptions;
use super::run::TargetSummary;
use super::session::PLANS;
use super::status::{Direction, Phase};
use super::tally::Tally;
use super::transaction::{self, one_part};
use super::work::{Aim, Work};
use super::worker::sweep;

/// Rewrites every value of every target, or none.
pub(super) async fn offline(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: Vec<(Entry, bool)>,
    direction: Direction,
    options: &SweepOptions,
    job: &Job,
) -> Result<Vec<TargetSummary>> {
    job.expect(Counter::Rows, errands.iter().map(Errand::estimated_rows).sum());
    let mut lane = Lane::with(leader.lend()?);
    transaction::begin(&mut lane, errands, options).await?;
    lane.session.execute(&PLANS.replace("SET ", "SET LOCAL ")).await?;
    let mut summaries = Vec::new();
    for (errand, (entry, _)) in errands.iter().zip(entries) {
        job.step(&format!("rotate {}", errand.target));
        let tally = one(&mut lane, errand, &entry, direction, options, job).await?;
        refuse_unopened(errand, &tally)?;
        let (counts, id) = (tally.counts, entry.id);
        book::set_rotated(&mut lane.session, id, counts.rotated, counts.unopened()).await?;
        book::set_phase(&mut lane.session, id, direction, Phase::Swept).await?;
        summaries.push(transaction::summary(errand, tally));
    }
    transaction::commit(&mut lane, job).await?;
    leader.give_back(lane.session);
    Ok(summaries)
}

async fn one(
    lane: &mut Lane,
    errand: &Errand<'_>,
    entry: &Entry,
    direction: Direction,
    options: &SweepOptions,
    job: &Job,
) -> Result<Tally> {
    let keyring = match direction {
        Direction::Forward => errand.target.keyring()?,
        Direction::Back => errand.target.keyring_back()?,
    };
    let aim = Aim::Rewrite { rotation: entry.id };
    let mut work = Work::made(lane.session.settings(), errand.target, keyring, aim, options, job);
    work.in_transaction = true;
    let work = Arc::new(work);
    let mut tally = Tally::naming(options.failures_named);
    for swept in catalog::find(&mut lane.session, errand.target, options).await?.relations {
        sweep(lane, &work, one_part(&Arc::new(swept)), &mut tally).await?;
    }
    Ok(tally)
}

/// All or nothing: a value that stays as it is must be accepted.
fn refuse_unopened(errand: &Errand<'_>, tally: &Tally) -> Result<()> {
    let target = errand.target;
    if tally.overtaken > 0 {
        let doing = format!("rotate {target}: {} rows were not written, though nobody changed them", tally.overtaken);
        return Err(Error::new(Kind::Policy, doing)
            .hint("nothing was written: look for a trigger that keeps rows from being written"));
    }
    match tally.failures.unaccepted() {
        0 => Ok(()),
        unopened => {
            let some: Vec<_> = tally.failures.named.iter().filter(|failure| !failure.accepted).take(SHOWN).collect();
            let some: Vec<_> = some.iter().map(ToString::to_string).collect();
            Err(Error::new(Kind::Policy, format!("rotate {target} as a whole: {unopened} values do not open")).hint(
                format!(
                    "nothing was written; a dry run lists them all, an accept list lets them be: {}",
                    some.join("; ")
                ),
            ))
        }
    }
}

/// Rows that an error names.
const SHOWN: usize = 10;
