//! The mode online: pass after pass, until one has nothing to write.

use std::sync::Arc;

use lifeboat_core::monitor::Counter;
use lifeboat_core::{Job, Result};

use super::book::{self, Entry};
use super::catalog::Swept;
use super::confirm::confirm;
use super::errand::Errand;
use super::leader::Leader;
use super::options::{Order, SweepOptions};
use super::part::{Part, divide};
use super::pass::{PARTS_PER_JOB, pass};
use super::run::{Resumed, TargetSummary};
use super::status::{Direction, Phase};
use super::tally::Tally;
use super::work::{Aim, Work};

/// Sweeps every target.
pub(super) async fn online(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: Vec<(Entry, bool)>,
    direction: Direction,
    options: &SweepOptions,
    job: &Job,
) -> Result<Vec<TargetSummary>> {
    job.expect(Counter::Rows, errands.iter().map(Errand::estimated_rows).sum());
    let mut summaries = Vec::new();
    for (errand, (entry, resumed)) in errands.iter().zip(entries) {
        job.step(&format!("rotate {}", errand.target));
        summaries.push(one(leader, errand, entry, resumed, direction, options, job).await?);
    }
    Ok(summaries)
}

async fn one(
    leader: &mut Leader,
    errand: &Errand<'_>,
    entry: Entry,
    resumed: bool,
    direction: Direction,
    options: &SweepOptions,
    job: &Job,
) -> Result<TargetSummary> {
    let id = entry.id;
    book::set_phase(leader.session()?, id, direction, Phase::Sweeping).await?;
    let keyring = errand.keyring(direction)?;
    let aim = Aim::Rewrite { rotation: id };
    let settings = leader.session()?.settings().clone();
    let mut work = Work::made(&settings, errand.target, keyring, aim, options, job);
    work.back = direction == Direction::Back;
    let work = Arc::new(work);
    let whole = passes(leader, &work, errand, &entry, resumed, options).await?;
    booked(leader, errand, &entry, resumed, whole, (direction, Phase::Swept)).await
}

/// Writes down what passes have come to, and tells it.
pub(super) async fn booked(
    leader: &mut Leader,
    errand: &Errand<'_>,
    entry: &Entry,
    resumed: bool,
    whole: Passes,
    (direction, phase): (Direction, Phase),
) -> Result<TargetSummary> {
    let session = leader.alive().await?;
    if whole.counted {
        book::set_unopened(session, entry.id, &whole.tally.counts).await?;
    }
    if whole.complete {
        book::set_phase(session, entry.id, direction, phase).await?;
    }
    let written = book::open_entry(session, errand.target).await?.map_or(0, |entry| entry.written());
    let resumed = resumed.then(|| Resumed { rotated: entry.written(), pass: entry.pass });
    Ok(whole.summary(errand, written, resumed))
}

/// Passes over a target.
pub(super) struct Passes {
    pub(super) tally: Tally,
    pub(super) passes: u32,
    pub(super) complete: bool,
    pub(super) overtaken: u64,
    /// Values that the last look found under the other key.
    pub(super) left: u64,
    /// Whether a pass went over the whole target, and not over the rest of one alone.
    pub(super) counted: bool,
    /// Whether the last pass saw what the ones before it had written.
    pub(super) saw_written: bool,
}

impl Passes {
    /// `rotated`: by the rotation, in all of its runs.
    pub(super) fn summary(self, errand: &Errand<'_>, rotated: u64, resumed: Option<Resumed>) -> TargetSummary {
        let Tally { mut counts, mut failures, held, refused, named, .. } = self.tally;
        // What earlier passes wrote, the last one found to be new.
        if self.saw_written {
            counts.already_new = (counts.already_new + counts.rotated).saturating_sub(rotated);
        }
        counts.rotated = rotated;
        let refused_rows = refused.total;
        failures.merge(refused, named);
        TargetSummary {
            target: errand.target.to_string(),
            table: errand.target.table.clone(),
            columns: errand.target.value_columns(),
            counts,
            written: rotated - resumed.as_ref().map_or(0, |resumed| resumed.rotated.min(rotated)),
            failures,
            overtaken: self.overtaken,
            held,
            refused: refused_rows,
            left: self.left,
            passes: self.passes,
            resumed,
            complete: self.complete,
            nothing_found: false,
        }
    }

    /// Whether all that is left is refused by the database: another pass would find the same.
    fn is_stuck(&self) -> bool {
        self.left > 0 && self.left <= self.tally.refused.total
    }
}

/// Sweeps a target until nothing is left to write: pass, and look at the whole of it in one snapshot. The rest of a pass that
/// another run began comes first.
pub(super) async fn passes(
    leader: &mut Leader,
    work: &Arc<Work>,
    errand: &Errand<'_>,
    entry: &Entry,
    resumed: bool,
    options: &SweepOptions,
) -> Result<Passes> {
    let saw_written = work.unless_prepared.is_none();
    let mut unled = false;
    let mut all = Passes {
        tally: Tally::default(),
        passes: 0,
        complete: false,
        overtaken: 0,
        left: 0,
        counted: false,
        saw_written,
    };
    let mut number = entry.pass;
    let losses = leader.losses();
    if resumed && let Some(parts) = left_over(leader, entry, &errand.relations).await? {
        all.overtaken += pass(work, parts).await?.overtaken;
        settled(leader, work, entry.id, losses).await?;
        all.passes += 1;
        number += 1;
    }
    while !all.complete && !all.is_stuck() && all.passes < options.max_passes {
        leader.alive().await?;
        let relations = relations(leader, errand, unled).await?;
        let session = leader.session()?;
        let parts = divide(session, &relations, work.jobs * PARTS_PER_JOB).await?;
        book::begin_pass(session, entry.id, number, &parts).await?;
        work.own.learn();
        all.tally = pass(work, parts).await?;
        all.counted = true;
        settled(leader, work, entry.id, losses).await?;
        all.passes += 1;
        all.overtaken += all.tally.overtaken;
        number += 1;
        if matches!(work.aim, Aim::Prepare { .. }) {
            // Under a writer there is always something new.
            all.complete = all.passes >= options.max_passes || wrote(leader, errand).await? <= few(work);
        } else if all.passes < options.max_passes {
            let wrote = all.tally.counts.rotated;
            confirmed(leader, work, errand, options, &mut all).await?;
            unled |= all.left > 0 && wrote == 0 && !all.is_stuck();
        }
    }
    if unled {
        work.job.warn(&format!(
            "{}: the order of a key did not lead to every value under the other key: {UNLED}",
            errand.target
        ));
    }
    Ok(all)
}

/// The tables, in the order of their keys; `unled`: as their rows lie, where the server can read them so.
async fn relations(leader: &mut Leader, errand: &Errand<'_>, unled: bool) -> Result<Vec<Arc<Swept>>> {
    let found = leader.relations(errand).await?;
    let placed = |swept: &Arc<Swept>| Arc::new(Swept { order: Order::Place, ..Swept::clone(swept) });
    let can = found.iter().all(|swept| swept.reads_ranges);
    Ok(if unled && can { found.iter().map(placed).collect() } else { found })
}

const UNLED: &str = "others wrote or held some, or its index is broken, which REINDEX TABLE mends";

/// Workers do not wait for the disk. Once this has, the ids of their transactions are theirs for good; a server that crashed
/// before gives lost ones to others.
async fn settled(leader: &mut Leader, work: &Work, rotation: i64, losses: u32) -> Result<()> {
    let written = book::settle(leader.alive().await?, rotation).await;
    if written.is_err() || leader.losses() != losses {
        work.own.distrust();
    }
    if written.is_err() {
        leader.forget();
    }
    Ok(())
}

/// Looks whether anything is left to write.
async fn confirmed(
    leader: &mut Leader,
    work: &Arc<Work>,
    errand: &Errand<'_>,
    options: &SweepOptions,
    all: &mut Passes,
) -> Result<()> {
    work.own.learn();
    let mut found = confirm(leader, work, errand, options).await?;
    all.passes += 1;
    all.left = std::mem::take(&mut found.counts.rotated);
    all.complete = all.left == 0;
    all.tally = Tally { held: all.tally.held, refused: std::mem::take(&mut all.tally.refused), ..found };
    Ok(())
}

/// How many values the pass wrote, by the book: a worker whose connection was lost while it committed does not know.
async fn wrote(leader: &mut Leader, errand: &Errand<'_>) -> Result<u64> {
    let entry = book::open_entry(leader.alive().await?, errand.target).await?;
    Ok(entry.map_or(0, |entry| entry.wrote_in_pass()))
}

/// As many values are re-encrypted in a moment, in which nobody else writes.
fn few(work: &Work) -> u64 {
    if work.keyring.layout().has_salt() { 20 } else { 10_000 }
}

/// What is left of the pass that another run began; nothing when it was over, or a table is another since, or read by another key.
async fn left_over(leader: &mut Leader, entry: &Entry, relations: &[Arc<Swept>]) -> Result<Option<Vec<Part>>> {
    let booked = book::parts(leader.session()?, entry.id).await?;
    let mut parts = Vec::new();
    for part in &booked {
        let same = |swept: &&Arc<Swept>| swept.oid == part.relation && swept.filenode == part.filenode;
        let Some(swept) = relations.iter().find(same) else { return Ok(None) };
        if let Some(position) = part.position()? {
            if !position.leads_on(swept) {
                return Ok(None);
            }
            parts.push(Part { number: part.number, swept: swept.clone(), position });
        }
    }
    Ok(Some(parts).filter(|parts| !parts.is_empty()))
}
