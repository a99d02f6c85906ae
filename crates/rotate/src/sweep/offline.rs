//! The mode offline: the application is stopped, and one transaction rewrites everything or nothing.

use std::sync::Arc;

use lifeboat_backup::postgres::Session as _;
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Error, Job, Kind, Result, counted};

use super::book::Entry;
use super::catalog;
use super::errand::Errand;
use super::lane::Lane;
use super::leader::Leader;
use super::options::SweepOptions;
use super::run::TargetSummary;
use super::session::PLANS;
use super::status::Direction;
use super::strays;
use super::tally::Tally;
use super::transaction::{Deed, sweep_whole, together};
use super::work::{Aim, Work};

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
    let entries = entries.into_iter().map(|(entry, _)| entry).collect();
    together(leader, errands, entries, Deed::Rewrite(direction), options, job).await
}

/// Rewrites one target in the transaction of the lane.
pub(super) async fn rewritten(
    lane: &mut Lane,
    errand: &Errand<'_>,
    entry: &Entry,
    direction: Direction,
    options: &SweepOptions,
    job: &Job,
) -> Result<Tally> {
    job.step(&format!("rotate {}", errand.target));
    lane.session.execute(&PLANS.replace("SET ", "SET LOCAL ")).await?;
    let aim = Aim::Rewrite { rotation: entry.id };
    let mut work = Work::made(lane.session.settings(), errand.target, errand.keyring(direction)?, aim, options, job);
    work.in_transaction = true;
    let work = Arc::new(work);
    let mut tally = Tally::naming(options.failures_named);
    let relations = catalog::find(&mut lane.session, errand.target, options).await?.relations;
    strays::note(&mut lane.session, entry.id, &relations).await?;
    for swept in relations {
        sweep_whole(lane, &work, &Arc::new(swept), &mut tally).await?;
    }
    refuse_unopened(errand, &tally)?;
    Ok(tally)
}

/// All or nothing: a value that stays as it is must be accepted.
fn refuse_unopened(errand: &Errand<'_>, tally: &Tally) -> Result<()> {
    let target = errand.target;
    let unopened = tally.failures.unaccepted();
    if unopened == 0 {
        return Ok(());
    }
    let closed = if unopened == 1 { "does not open or is refused" } else { "do not open or are refused" };
    let doing = format!("rotate {target} as a whole: {} {closed}", counted(unopened, "value"));
    let some = tally.failures.some_unaccepted();
    Err(Error::new(Kind::Policy, doing).hint(format!(
        "nothing was written; a dry run lists those that do not open, an accept list lets them be: {some}"
    )))
}
