//! Work in one transaction, which nothing else writes beside.

use std::sync::Arc;

use lifeboat_backup::postgres::sqlstate::{INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE};
use lifeboat_backup::postgres::{Session as _, sqlstate_of};
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt as _};

use super::aftermath::refuse_aftermath;
use super::book::{self, Entry};
use super::catalog::Swept;
use super::errand::Errand;
use super::lane::Lane;
use super::leader::Leader;
use super::offline::rewritten;
use super::online::Passes;
use super::options::SweepOptions;
use super::part::{Part, Position};
use super::rollback::put_back;
use super::run::TargetSummary;
use super::session::{abandon, failed};
use super::sql;
use super::staged::put;
use super::status::{Direction, Phase};
use super::tally::Tally;
use super::target::TableName;
use super::work::Work;
use super::worker::sweep;

/// What is done to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Every value is rewritten.
    Rewrite(Direction),
    /// Prepared values are put in place.
    Put,
    /// Old values that were kept are put back, unless the prepared ones never were in place.
    PutBack,
}

impl Deed {
    /// What a rotation is afterwards.
    pub(super) fn after(self) -> (Direction, Phase) {
        match self {
            Self::Rewrite(direction) => (direction, Phase::Swept),
            Self::Put => (Direction::Forward, Phase::Swept),
            Self::PutBack => (Direction::Back, Phase::RolledBack),
        }
    }
}

/// Does it to every target and writes it down: all of it becomes so, or nothing.
pub(super) async fn together(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: Vec<Entry>,
    deed: Deed,
    options: &SweepOptions,
    job: &Job,
) -> Result<Vec<TargetSummary>> {
    let mut lane = Lane::with(leader.lend()?);
    // Its statements may take as long as they like: whoever ends the run does not wait for them.
    let tallies = match job.run(Box::pin(prepared(&mut lane, errands, &entries, deed, options, job))).await {
        Err(error) if error.kind() == Kind::Cancelled => {
            abandon(lane.session, job).await;
            return Err(error);
        }
        prepared => prepared?,
    };
    commit(&mut lane, job).await?;
    leader.give_back(lane.session);
    Ok(errands.iter().zip(tallies).map(|(errand, tally)| summary(errand, tally)).collect())
}

/// All of it but the commit.
async fn prepared(
    lane: &mut Lane,
    errands: &[Errand<'_>],
    entries: &[Entry],
    deed: Deed,
    options: &SweepOptions,
    job: &Job,
) -> Result<Vec<Tally>> {
    begin(lane, errands, options).await?;
    let mut tallies = Vec::new();
    for (errand, entry) in errands.iter().zip(entries) {
        let tally = match deed {
            Deed::Rewrite(direction) => rewritten(lane, errand, entry, direction, options, job).await?,
            Deed::Put => put(lane, errand, entry, options, job).await?,
            Deed::PutBack => put_back(lane, errand, entry, options, job).await?,
        };
        refuse_unwritten(errand, &tally)?;
        tallies.push(tally);
    }
    // What is put in place is counted afterwards.
    if deed != Deed::Put {
        refuse_aftermath(lane, errands, entries, &tallies, deed, options, job).await?;
    }
    for (entry, tally) in entries.iter().zip(&tallies) {
        note(lane, entry, deed, tally).await?;
    }
    Ok(tallies)
}

/// Writes down what became of one target.
async fn note(lane: &mut Lane, entry: &Entry, deed: Deed, tally: &Tally) -> Result<()> {
    let (direction, phase) = deed.after();
    // Given again, it wrote what it had written before as well.
    let before = if deed == Deed::Rewrite(entry.direction) { entry.written() } else { 0 };
    let session = &mut lane.session;
    book::set_rotated(session, entry.id, before + tally.counts.rotated, &tally.counts).await?;
    if phase == Phase::RolledBack {
        book::drop_values(session, entry.id).await?;
    }
    book::set_phase(session, entry.id, direction, phase).await
}

/// Begins, and keeps out of every table who writes it, and who holds rows to write them: what this transaction may not touch would
/// stay under the other key. Readers go on. What triggers and constraints put off until the commit would be seen by nobody: they do it
/// at once.
async fn begin(lane: &mut Lane, errands: &[Errand<'_>], options: &SweepOptions) -> Result<()> {
    let wait = options.limits.lock_timeout.as_millis();
    let limits = format!("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {wait}");
    lane.session.execute(&format!("BEGIN; SET CONSTRAINTS ALL IMMEDIATE; {limits}")).await?;
    for errand in errands {
        let table = &errand.target.table;
        let lock = format!("LOCK TABLE {} IN EXCLUSIVE MODE", sql::table(table));
        lane.session.execute(&lock).await.map_err(|error| not_alone(error, table))?;
    }
    Ok(())
}

fn not_alone(error: Error, table: &TableName) -> Error {
    let doing = format!("keep writers out of {table}");
    match sqlstate_of(&error) {
        Some(LOCK_NOT_AVAILABLE) => {}
        Some(INSUFFICIENT_PRIVILEGE) => {
            return Error::new(Kind::Policy, doing)
                .hint(format!(
                    "nothing was changed: GRANT UPDATE ON {table} TO the role; no right to single columns is enough"
                ))
                .caused_by(error);
        }
        _ => return error.while_doing(doing),
    }
    Error::new(Kind::TryAgain, doing)
        .hint("nothing was changed: a transaction of another session writes the table or holds rows of it, or a maintenance command is at work on it (VACUUM, ANALYZE, CREATE INDEX; autovacuum, too); pg_stat_activity shows it: let it end, then give the same command again")
        .caused_by(error)
}

/// Nobody writes beside the transaction: a row that it did not write keeps the other key, and all of it is undone.
fn refuse_unwritten(errand: &Errand<'_>, tally: &Tally) -> Result<()> {
    let Tally { overtaken, held, .. } = tally;
    if overtaken + held == 0 {
        return Ok(());
    }
    let doing = format!("write all values of {} at once: {} were not written", errand.target, overtaken + held);
    Err(Error::new(Kind::Policy, doing)
        .hint("nothing was changed: look for a trigger that keeps rows from being written, or waits for what another session holds")
        .caused_by(format!("{held} wait for another session, {overtaken} are left out, though nobody changed them")))
}

/// Makes it so, unless the job was cancelled: from here on there is no way back but a rollback.
async fn commit(lane: &mut Lane, job: &Job) -> Result<()> {
    job.check()?;
    lane.session.execute("COMMIT").await
}

/// Sweeps all of a table as it lies: nobody looks afterwards whether an index of its key led to every row. Rows without a value stay
/// where they are, and are counted.
pub(super) async fn sweep_whole(
    lane: &mut Lane,
    work: &Arc<Work>,
    swept: &Arc<Swept>,
    tally: &mut Tally,
) -> Result<()> {
    let part = Part { number: 0, swept: swept.clone(), position: Position::Whole { taken: 0 } };
    sweep(lane, work, part, tally).await?;
    let empty =
        numbers(lane, || format!("count rows of {} without a value", swept.name), sql::count_empty(swept)).await?;
    tally.counts.empty += empty;
    if !work.quiet {
        work.job.count(Counter::Rows, empty);
    }
    Ok(())
}

/// A number that a query gives.
pub(super) async fn numbers(lane: &mut Lane, doing: impl Fn() -> String, sql: String) -> Result<u64> {
    let found = lane.query(&doing, sql, &[]).await?;
    let number = found.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0)).kind_of(Kind::Failure, doing)?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// How many rows a statement wrote.
pub(super) async fn execute(lane: &mut Lane, doing: impl Fn() -> String, sql: &str) -> Result<u64> {
    let written = lane.session.client().execute(sql, &[]).await;
    written.map_err(|error| failed(&lane.session, doing(), error))
}

/// What one pass did that nothing was beside.
pub(super) fn summary(errand: &Errand<'_>, tally: Tally) -> TargetSummary {
    let written = tally.counts.rotated;
    Passes { tally, passes: 1, complete: true, overtaken: 0, left: 0, counted: true, saw_written: false }
        .summary(errand, written, None)
}
