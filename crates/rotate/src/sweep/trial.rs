//! A dry run: every value is opened, none is written.

use std::sync::Arc;

use lifeboat_core::monitor::Counter;
use lifeboat_core::{Job, Result};

use super::errand::Errand;
use super::leader::Leader;
use super::online::Passes;
use super::options::{Mode, SweepOptions};
use super::part::divide;
use super::pass::{PARTS_PER_JOB, pass};
use super::run::{Summary, TargetSummary, looked_at};
use super::tally::Tally;
use super::work::{Aim, Work};

/// Opens every value of every target by either key; those under the old one are counted as rotated.
pub(super) async fn trial(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    mode: Mode,
    options: &SweepOptions,
    job: &Job,
) -> Result<Summary> {
    job.expect(Counter::Rows, errands.iter().map(Errand::estimated_rows).sum());
    let mut targets = Vec::new();
    for errand in errands {
        job.step(&format!("try {}", errand.target));
        let settings = leader.session()?.settings().clone();
        let work = Work::new(&settings, errand.target, errand.target.keyring()?, Aim::Try, options, job);
        targets.push(tried(leader, errand, &work).await?);
    }
    let targets = looked_at(leader, errands, targets).await?;
    Ok(Summary { mode, dry_run: true, cut_over: false, targets, gone: Vec::new(), finalized: None })
}

async fn tried(leader: &mut Leader, errand: &Errand<'_>, work: &Arc<Work>) -> Result<TargetSummary> {
    let parts = divide(leader.session()?, &errand.relations, work.jobs * PARTS_PER_JOB).await?;
    let tally: Tally = pass(work, parts).await?;
    let left = tally.counts.rotated;
    let passes = Passes { tally, passes: 1, complete: left == 0, overtaken: 0, left, counted: true, saw_written: true };
    Ok(TargetSummary { written: 0, ..passes.summary(errand, left, None) })
}
