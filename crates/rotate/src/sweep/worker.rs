//! A worker: part after part, batch after batch, on through lost connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lifeboat_core::monitor::{Counter, Event};
use lifeboat_core::{Error, Kind, Result};

use super::batch::{self, Batch, Room};
use super::book;
use super::counts::{Failure, Why};
use super::judge::{Judged, judge};
use super::lane::Lane;
use super::pace::{held_or_opened, rest};
use super::part::{Part, Position};
use super::session::{Remedy, abandon, remedy};
use super::store::{Mark, Written, checkpoint, store};
use super::tally::Tally;
use super::traffic::rest_after;
use super::work::Work;

/// Sweeps parts until there are no more.
pub(super) async fn worker(work: Arc<Work>, queue: Arc<Mutex<VecDeque<Part>>>) -> Result<Tally> {
    let mut tally = Tally::naming(work.failures_named);
    let mut lane = work.job.run(Box::pin(Lane::open(&work))).await?;
    while let Some(part) = queue.lock().ok().and_then(|mut queue| queue.pop_front()) {
        if let Err(error) = sweep(&mut lane, &work, part, &mut tally).await {
            if error.kind() == Kind::Cancelled {
                abandon(lane.session, &work.job).await;
            }
            return Err(error);
        }
    }
    lane.session.close().await;
    Ok(tally)
}

/// Sweeps a part to its end.
pub(super) async fn sweep(lane: &mut Lane, work: &Arc<Work>, mut part: Part, tally: &mut Tally) -> Result<()> {
    let mut unsaved = Unsaved { rows: 0, since: Instant::now() };
    let mut failed = 0;
    loop {
        match work.job.run(Box::pin(step(lane, work, &part, &mut unsaved, tally))).await {
            Ok(None) => return Ok(()),
            Ok(Some(left)) => {
                part.position = left;
                failed = 0;
            }
            Err(error) => {
                failed += 1;
                match Box::pin(recovered(lane, work, &part, failed, error)).await? {
                    Some(position) => part.position = position,
                    None => return Ok(()),
                }
            }
        }
    }
}

/// Rows that were seen since the last checkpoint.
struct Unsaved {
    rows: u64,
    since: Instant,
}

/// One batch. Gives what is left of the part.
async fn step(
    lane: &mut Lane,
    work: &Arc<Work>,
    part: &Part,
    unsaved: &mut Unsaved,
    tally: &mut Tally,
) -> Result<Option<Position>> {
    // A snapshot keeps vacuum from its work for as long as it is held.
    if work.outlives_failures() {
        work.pace.wait(lane, &part.swept, &work.limits, &work.job).await?;
        work.traffic.look(lane, &work.job).await?;
    }
    let turn = work.traffic.turn().await;
    let began = Instant::now();
    let only = work.only(&part.swept);
    let room = work.pace.room(&part.swept);
    let (batch, left) = batch::next(lane, &part.swept, &part.position, room, only.as_deref()).await?;
    let (rows, bytes) = (batch.len(), batch.bytes());
    let judged = judge(work, &part.swept, batch).await?;
    let seen = unsaved.rows + rows as u64;
    let (aim, claim) = (&work.aim, work.checkpoints());
    let mark = Mark { aim, claim, number: part.number, left: left.as_ref(), seen, moves: true };
    let mut found = Tally::naming(work.failures_named);
    let opened = judged.took;
    let held = written(lane, work, part, judged, &mark, unsaved, &mut found).await?;
    let makes_room = turn.is_some() && work.outlives_failures();
    let spent = if makes_room { work.traffic.without_the_way(began.elapsed()) } else { held_or_opened(held, opened) };
    work.pace.learn(Room { rows, bytes }, spent, work.traffic.batch_time(&work.limits));
    if !work.quiet {
        work.job.count(Counter::Rows, rows as u64);
    }
    tally.merge(found);
    if makes_room {
        // With the turn in hand: three quarters of the time are the others'.
        rest(&work.job, rest_after(spent, &work.limits)).await?;
    }
    Ok(left)
}

/// Writes what is to be written, and tells how long its rows were held.
async fn written(
    lane: &mut Lane,
    work: &Arc<Work>,
    part: &Part,
    mut judged: Judged,
    mark: &Mark<'_>,
    unsaved: &mut Unsaved,
    found: &mut Tally,
) -> Result<Duration> {
    found.add(&mut judged);
    if judged.writes.is_empty() {
        if mark.left.is_none() || unsaved.since.elapsed() > SAVED_EVERY {
            checkpoint(lane, mark).await?;
            work.traffic.note(1);
            *unsaved = Unsaved { rows: 0, since: Instant::now() };
        } else {
            unsaved.rows = mark.seen;
        }
        return Ok(Duration::ZERO);
    }
    let written = store(lane, &part.swept, &judged.batch, &judged.writes, mark).await?;
    *unsaved = Unsaved { rows: 0, since: Instant::now() };
    note_own(work, &written);
    found.counts.rotated += written.rows;
    found.held += written.held;
    note_refused(work, part, &judged.batch, written.refused, found)?;
    let mut overtaken = written.overtaken.len();
    if overtaken > 0 && !part.swept.key.is_empty() {
        let left = again(lane, work, part, &judged.batch, &written.overtaken, found).await?;
        // By a trigger that touches other rows: in a transaction nobody else does.
        overtaken = if work.in_transaction { left } else { overtaken };
    }
    found.overtaken += overtaken as u64;
    Ok(written.took)
}

/// Rows whose value was another when it was to be written are read once more; who changes them even now has the next pass. Gives
/// how many were not met again, or changed again.
async fn again(
    lane: &mut Lane,
    work: &Arc<Work>,
    part: &Part,
    batch: &Batch,
    rows: &[usize],
    found: &mut Tally,
) -> Result<usize> {
    let keys: Vec<_> = rows.iter().filter_map(|row| batch.key(*row).transpose()).collect::<Result<_>>()?;
    let batch = batch::these(lane, &part.swept, &keys, work.only(&part.swept).as_deref()).await?;
    let gone = rows.len().saturating_sub(batch.len());
    let mut judged = judge(work, &part.swept, batch).await?;
    found.add(&mut judged);
    if judged.writes.is_empty() {
        return Ok(gone);
    }
    let (aim, claim) = (&work.aim, work.checkpoints());
    let mark = Mark { aim, claim, number: part.number, left: None, seen: 0, moves: false };
    let written = store(lane, &part.swept, &judged.batch, &judged.writes, &mark).await?;
    note_own(work, &written);
    found.counts.rotated += written.rows;
    found.held += written.held;
    note_refused(work, part, &judged.batch, written.refused, found)?;
    Ok(gone + written.overtaken.len())
}

fn note_own(work: &Work, written: &Written) {
    work.traffic.note(written.attempts);
    written.transactions.iter().for_each(|id| work.own.note(*id));
}

/// Rows that the database refused stay as they are. Where all is one transaction, none may.
fn note_refused(
    work: &Work,
    part: &Part,
    batch: &Batch,
    refused: Vec<(usize, String)>,
    found: &mut Tally,
) -> Result<()> {
    let into = if work.in_transaction { &mut found.failures } else { &mut found.refused };
    for (row, by) in refused {
        let (table, key) = (part.swept.name.clone(), batch.name(row)?);
        into.add(Failure { table, key, why: Why::Refused(by), accepted: false }, work.failures_named);
    }
    Ok(())
}

/// Where to go on after a failed batch, of which nothing or everything was written. None: the part is at its end.
async fn recovered(
    lane: &mut Lane,
    work: &Arc<Work>,
    part: &Part,
    failed: u32,
    error: Error,
) -> Result<Option<Position>> {
    let remedy = remedy(&error);
    if remedy == Remedy::GiveUp || failed > MOST_FAILURES || !work.outlives_failures() {
        return Err(error);
    }
    work.job.monitor.event(&Event::Retry { doing: "sweep a batch", attempt: failed, error: &error.chain() });
    work.pace.halve();
    rest(&work.job, WAIT * failed).await?;
    if remedy != Remedy::Reconnect {
        return Ok(Some(part.position.clone()));
    }
    // The server may be another now, whose transactions have the same ids.
    work.own.distrust();
    *lane = work.job.run(Box::pin(Lane::open(work))).await?;
    match work.checkpoints() {
        Some(claim) => book::position(&mut lane.session, claim, part.number).await,
        None => Ok(Some(part.position.clone())),
    }
}

/// A batch without anything to write costs no commit, so that only so often is written down how far the part is.
const SAVED_EVERY: Duration = Duration::from_secs(1);
const MOST_FAILURES: u32 = 20;
const WAIT: Duration = Duration::from_millis(25);
