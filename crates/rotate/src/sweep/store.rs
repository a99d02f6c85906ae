//! From re-encrypted values to the table, with the checkpoint in the same statement.

use std::ops::Range;
use std::time::{Duration, Instant};

use lifeboat_backup::postgres::{Session as _, server_error_of, sqlstate_of};
use lifeboat_core::{Error, Kind, Result, ResultExt as _};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::batch::Batch;
use super::catalog::Swept;
use super::claim::{Claim, lost};
use super::lane::Lane;
use super::part::Position;
use super::session::{Remedy, remedy};
use super::sql;
use super::wire::{Place, Raw};
use super::work::Aim;
use crate::columns::Stored;

/// What became of the values that were to be written.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) rows: u64,
    /// Rows, by their number in the batch, whose value was another meanwhile.
    pub(super) overtaken: Vec<usize>,
    /// Rows that another session holds.
    pub(super) held: u64,
    /// Rows, by their number in the batch, that the database refused, and by what.
    pub(super) refused: Vec<(usize, String)>,
    /// Statements, each of which takes a transaction's id, also where it fails.
    pub(super) attempts: usize,
    /// The transactions that wrote.
    pub(super) transactions: Vec<u64>,
    /// The longest statement.
    pub(super) took: Duration,
}

/// Where a checkpoint is written, and what it says when all rows are.
pub(super) struct Mark<'m> {
    pub(super) aim: &'m Aim,
    /// The rotation in the book; none where there are no checkpoints.
    pub(super) claim: Option<Claim>,
    pub(super) number: i32,
    /// None: the part is at its end.
    pub(super) left: Option<&'m Position>,
    /// Rows seen since the last checkpoint.
    pub(super) seen: u64,
    /// Whether the position moves at all.
    pub(super) moves: bool,
}

/// Writes values. When another session holds one of their rows for too long, or the database refuses one, the others are written
/// without it.
pub(super) async fn store(
    lane: &mut Lane,
    swept: &Swept,
    batch: &Batch,
    writes: &[(usize, Stored)],
    mark: &Mark<'_>,
) -> Result<Written> {
    let mut written = Written::default();
    let mut marked = false;
    let mut ranges = Vec::new();
    ranges.push(0..writes.len());
    while let Some(range) = ranges.pop() {
        let began = Instant::now();
        let last = ranges.is_empty();
        written.attempts += 1;
        match attempt(lane, swept, batch, &writes[range.clone()], mark, last).await {
            Ok((numbers, transaction)) => {
                count(&mut written, &writes[range], &numbers);
                written.transactions.extend(transaction);
                marked |= last;
            }
            Err(error) => match (remedy(&error), range.len()) {
                (Remedy::Smaller, 1) => written.held += 1,
                (Remedy::Apart, 1) if written.refused.len() < MOST_REFUSED => {
                    written.refused.push((writes[range.start].0, refused_by(&error)));
                }
                (Remedy::Smaller | Remedy::Apart, 2..) => ranges.extend(halves(range)),
                _ => return Err(error),
            },
        }
        written.took = written.took.max(began.elapsed());
    }
    // What is read again says nothing of how far the part is.
    if !marked && mark.moves {
        checkpoint(lane, mark).await?;
    }
    Ok(written)
}

/// A write that leaves the lane as it was when it fails, also inside a transaction.
async fn attempt(
    lane: &mut Lane,
    swept: &Swept,
    batch: &Batch,
    writes: &[(usize, Stored)],
    mark: &Mark<'_>,
    last: bool,
) -> Result<(Vec<usize>, Option<u64>)> {
    if mark.claim.is_some() {
        return write(lane, swept, batch, writes, mark, last).await;
    }
    lane.session.execute("SAVEPOINT batch").await?;
    let written = write(lane, swept, batch, writes, mark, last).await;
    let undo = if written.is_err() { "ROLLBACK TO SAVEPOINT batch; " } else { "" };
    let ended = lane.session.execute(&format!("{undo}RELEASE SAVEPOINT batch")).await;
    // Why it failed matters more than that its end did.
    let written = written?;
    ended?;
    Ok(written)
}

/// What refused a row. The server's message may repeat a value; the name of a constraint does not.
fn refused_by(error: &Error) -> String {
    match server_error_of(error).and_then(|server| server.constraint.as_deref()) {
        Some(constraint) => format!("constraint {constraint}"),
        None => format!("SQLSTATE {}", sqlstate_of(error).unwrap_or_default()),
    }
}

/// More of them in one batch are no matter of rows: whatever refuses them is to be looked at first.
const MOST_REFUSED: usize = 100;

/// The second half first: it is taken from the end.
fn halves(range: Range<usize>) -> [Range<usize>; 2] {
    let middle = range.start + range.len() / 2;
    [middle..range.end, range.start..middle]
}

fn count(written: &mut Written, writes: &[(usize, Stored)], numbers: &[usize]) {
    written.rows += numbers.len() as u64;
    let mut found = vec![false; writes.len()];
    for number in numbers {
        if let Some(found) = found.get_mut(number.wrapping_sub(1)) {
            *found = true;
        }
    }
    written.overtaken.extend(writes.iter().zip(found).filter(|(_, found)| !found).map(|((row, _), _)| *row));
}

/// The numbers, from 1, of those that were written, and the transaction that did.
async fn write(
    lane: &mut Lane,
    swept: &Swept,
    batch: &Batch,
    writes: &[(usize, Stored)],
    mark: &Mark<'_>,
    last: bool,
) -> Result<(Vec<usize>, Option<u64>)> {
    let columns = Columns::of(swept, batch, writes)?;
    let mut parameters = columns.parameters();
    let position = mark.left.map(Position::text).transpose()?;
    let moves = mark.moves && last;
    let seen = if moves { i64::try_from(mark.seen).unwrap_or_default() } else { 0 };
    let fence = if mark.claim.is_some() { sql::FENCE } else { "" };
    let update = match mark.aim {
        Aim::Prepare { rotation } => sql::prepare(swept, *rotation, fence),
        _ => sql::write(swept, fence),
    };
    let sql = match mark.claim {
        Some(claim) => {
            let statement = sql::with_checkpoint(&update, parameters.len(), claim);
            parameters.extend::<[&(dyn ToSql + Sync); 4]>([&position, &moves, &seen, &mark.number]);
            statement
        }
        None => update,
    };
    let written = lane.query(|| format!("write rows of {}", swept.name), sql, &parameters).await;
    let written = written.map_err(|error| explained(error, swept))?;
    if mark.claim.is_some() && written.is_empty() {
        return Err(lost());
    }
    let unreadable = || "read what was written".to_owned();
    let number =
        |row: &Row| row.try_get::<_, Option<i64>>(0).map(|number| number.and_then(|n| usize::try_from(n).ok()));
    let numbers: Vec<_> = written.iter().map(number).collect::<Result<_, _>>().kind_of(Kind::Failure, unreadable)?;
    let numbers: Vec<_> = numbers.into_iter().flatten().collect();
    let own = written.first().filter(|row| row.len() > 1 && !numbers.is_empty());
    let transaction = own.map(|row| row.try_get::<_, i64>(1)).transpose().kind_of(Kind::Failure, unreadable)?;
    Ok((numbers, transaction.and_then(|id| u64::try_from(id).ok())))
}

/// Writes down how far a part has come, where nothing else is to be written.
pub(super) async fn checkpoint(lane: &mut Lane, mark: &Mark<'_>) -> Result<()> {
    let Some(claim) = mark.claim else { return Ok(()) };
    let position = mark.left.map(Position::text).transpose()?;
    let seen = i64::try_from(mark.seen).unwrap_or_default();
    let parameters: [&(dyn ToSql + Sync); 3] = [&position, &seen, &mark.number];
    let written = lane.query(|| "write a checkpoint".to_owned(), sql::checkpoint(claim), &parameters).await?;
    if written.is_empty() { Err(lost()) } else { Ok(()) }
}

/// What the server says of a value that a column does not take is not what the operator needs.
fn explained(error: Error, swept: &Swept) -> Error {
    let table = &swept.name;
    let hint = match sqlstate_of(&error) {
        Some("22001") => "the id of the new key is longer than the old one's: widen the column, or choose a shorter id",
        Some("22P02") if error.chain().contains(sql::TRIGGERED) => {
            let bound = if swept.aad.is_empty() { "" } else { ", or a column of the AAD" };
            let doing = format!("write rows of {table}: a trigger changes what is written{bound}");
            return Error::new(Kind::Policy, doing)
                .hint("disable the trigger for the time of the rotation, or let it leave these columns as they are");
        }
        Some("23505" | "23514" | "23503") => "a constraint of the table does not take the new value",
        _ => return error,
    };
    Error::new(error.kind(), format!("write rows of {table}")).hint(hint).caused_by(error)
}

/// The arrays of a statement.
struct Columns<'c> {
    places: Vec<Place>,
    old: Vec<Vec<Option<Raw<'c>>>>,
    new: Vec<Vec<Raw<'c>>>,
    aad: Vec<Vec<Option<Raw<'c>>>>,
}

impl<'c> Columns<'c> {
    fn of(swept: &Swept, batch: &'c Batch, writes: &'c [(usize, Stored)]) -> Result<Self> {
        let (values, aads) = (swept.values.len(), swept.aad.len());
        let mut all = Self {
            places: Vec::with_capacity(writes.len()),
            old: vec![Vec::with_capacity(writes.len()); values],
            new: vec![Vec::with_capacity(writes.len()); values],
            aad: vec![Vec::with_capacity(writes.len()); aads],
        };
        for (row, stored) in writes {
            all.places.push(batch.place(*row)?);
            for (column, old) in all.old.iter_mut().zip(batch.value(*row)?) {
                column.push(old);
            }
            for (column, new) in all.new.iter_mut().zip(stored.columns()) {
                column.push(Raw(new));
            }
            for (column, aad) in all.aad.iter_mut().zip(batch.aad(*row)?) {
                column.push(aad);
            }
        }
        Ok(all)
    }

    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&self.places];
        for (old, new) in self.old.iter().zip(&self.new) {
            parameters.extend::<[&(dyn ToSql + Sync); 2]>([old, new]);
        }
        parameters.extend(self.aad.iter().map(|aad| aad as &(dyn ToSql + Sync)));
        parameters
    }
}
