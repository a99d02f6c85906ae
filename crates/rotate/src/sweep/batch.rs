//! A batch of rows as they were read, and where the next one begins.

use std::collections::HashSet;

use lifeboat_backup::postgres::Session as _;
use lifeboat_core::{Error, Kind, Result, ResultExt as _};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::catalog::Swept;
use super::lane::Lane;
use super::part::Position;
use super::sql::{self, Span};
use super::wire::{Place, Raw};

/// Rows of one table.
pub(super) struct Batch {
    rows: Vec<Row>,
    /// How many columns their key has, and how many the AAD takes.
    keys: usize,
    aads: usize,
}

impl Batch {
    pub(super) fn new(swept: &Swept, rows: Vec<Row>) -> Self {
        Self { rows, keys: swept.key.len(), aads: swept.aad.len() }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Leaves out the rows that were seen before, and notes the others, as far as there is room for that.
    pub(super) fn leave_out(&mut self, swept: &Swept, seen: &mut HashSet<(u32, Place)>) -> Result<()> {
        let mut are_new = Vec::new();
        for row in 0..self.rows.len() {
            let place = (swept.oid, self.place(row)?);
            are_new.push(if seen.len() < NOTED { seen.insert(place) } else { !seen.contains(&place) });
        }
        let mut are_new = are_new.into_iter();
        self.rows.retain(|_| are_new.next().unwrap_or(true));
        Ok(())
    }

    /// What they took to read.
    pub(super) fn bytes(&self) -> usize {
        self.rows.iter().map(Row::raw_size_bytes).sum()
    }

    pub(super) fn place(&self, row: usize) -> Result<Place> {
        self.rows[row].try_get(0).kind_of(Kind::Failure, unreadable)
    }

    /// The key as Postgres prints it; no columns when the table has none. None: it is no UTF-8, and a text that was made of it would
    /// be another key.
    pub(super) fn key(&self, row: usize) -> Result<Option<Vec<String>>> {
        (1..=self.keys).map(|column| Ok(str::from_utf8(self.text(row, column)?).ok().map(str::to_owned))).collect()
    }

    /// By what a report names the row.
    pub(super) fn name(&self, row: usize) -> Result<Vec<String>> {
        if self.keys == 0 {
            return Ok(vec![self.place(row)?.to_string()]);
        }
        (1..=self.keys).map(|column| Ok(String::from_utf8_lossy(self.text(row, column)?).into_owned())).collect()
    }

    /// The columns that the AAD takes; NULL is none.
    pub(super) fn aad(&self, row: usize) -> Result<Vec<Option<Raw<'_>>>> {
        self.raw(row, 1 + self.keys, 1 + self.keys + self.aads)
    }

    /// The value, one part for each column.
    pub(super) fn value(&self, row: usize) -> Result<Vec<Option<Raw<'_>>>> {
        self.raw(row, 1 + self.keys + self.aads, self.rows[row].len())
    }

    fn raw(&self, row: usize, from: usize, to: usize) -> Result<Vec<Option<Raw<'_>>>> {
        (from..to)
            .map(|column| self.rows[row].try_get(column))
            .collect::<Result<_, _>>()
            .kind_of(Kind::Failure, unreadable)
    }

    fn text(&self, row: usize, column: usize) -> Result<&[u8]> {
        let raw: Raw<'_> = self.rows[row].try_get(column).kind_of(Kind::Failure, unreadable)?;
        Ok(raw.0)
    }
}

/// Rows of a sample that are told from each other: a table that has more is hardly drawn twice.
const NOTED: usize = 100_000;

/// What a batch takes: about so many rows, and no more once they have that many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

/// The next rows of a part, and what is left of it afterwards.
pub(super) async fn next(
    lane: &mut Lane,
    swept: &Swept,
    position: &Position,
    room: Room,
    only: Option<&str>,
) -> Result<(Batch, Option<Position>)> {
    match position {
        Position::Blocks { next, line, end } => {
            by_blocks(lane, swept, (Place { block: *next, line: *line }, *end), room, only).await
        }
        Position::Keys { by, after, until } => by_keys(lane, swept, by, (after, until), room, only).await,
        Position::Whole { taken } => whole(lane, swept, *taken, room, only).await,
    }
}

async fn by_blocks(
    lane: &mut Lane,
    swept: &Swept,
    (from, end): (Place, u32),
    room: Room,
    only: Option<&str>,
) -> Result<(Batch, Option<Position>)> {
    let per_block = (swept.rows / u64::from(swept.blocks.max(1))).max(1);
    let blocks = u32::try_from(room.rows as u64 / per_block).unwrap_or(u32::MAX).max(1);
    let until = from.block.saturating_add(blocks).min(end);
    let to = Place { block: until, line: 0 };
    let statement = lane.ready(|| reading(swept), sql::read(swept, Span::Places, only)).await?;
    let (found, more) = lane.some(|| reading(swept), &statement, &[&from, &to], room.bytes).await?;
    let batch = Batch::new(swept, found);
    let left = match batch.len().checked_sub(1).filter(|_| more) {
        // They come as they lie.
        Some(last) => {
            let Place { block, line } = batch.place(last)?;
            Some(Position::Blocks { next: block, line: line.saturating_add(1), end })
        }
        None => (until < end).then_some(Position::Blocks { next: until, line: 0, end }),
    };
    Ok((batch, left))
}

/// By a cursor: rows as they lie, each once, also such as no index leads to. What the transaction writes meanwhile is not among them.
async fn whole(
    lane: &mut Lane,
    swept: &Swept,
    taken: u64,
    room: Room,
    only: Option<&str>,
) -> Result<(Batch, Option<Position>)> {
    if taken == 0 {
        let read = sql::read(swept, Span::All, only);
        let declare = format!("SET LOCAL cursor_tuple_fraction = 1; DECLARE {CURSOR} SCROLL CURSOR FOR {read}");
        lane.session.execute(&declare).await?;
    }
    // Each cursor has other columns: prepared anew.
    let fetch = lane.prepared(|| reading(swept), &format!("FETCH {} FROM {CURSOR}", room.rows)).await?;
    let (found, more) = lane.some(|| reading(swept), &fetch, &[], room.bytes).await?;
    let batch = Batch::new(swept, found);
    let taken = taken + batch.len() as u64;
    if more {
        lane.session.execute(&format!("MOVE ABSOLUTE {taken} IN {CURSOR}")).await?;
    } else if batch.len() < room.rows {
        lane.session.execute(&format!("CLOSE {CURSOR}")).await?;
        return Ok((batch, None));
    }
    Ok((batch, Some(Position::Whole { taken })))
}

const CURSOR: &str = "lifeboat_rows";

async fn by_keys(
    lane: &mut Lane,
    swept: &Swept,
    by: &[String],
    (after, until): (&Option<Vec<String>>, &Option<Vec<String>>),
    room: Room,
    only: Option<&str>,
) -> Result<(Batch, Option<Position>)> {
    let span = Span::Keys { after: after.is_some(), until: until.is_some() };
    let limit = i64::try_from(room.rows).unwrap_or(i64::MAX);
    let bounds = after.iter().chain(until).flatten();
    let mut parameters: Vec<&(dyn ToSql + Sync)> = bounds.map(|text| text as &(dyn ToSql + Sync)).collect();
    parameters.push(&limit);
    let statement = lane.ready(|| reading(swept), sql::read(swept, span, only)).await?;
    let (found, more) = lane.some(|| reading(swept), &statement, &parameters, room.bytes).await?;
    let batch = Batch::new(swept, found);
    let left = match batch.len() {
        full if more || full >= room.rows => {
            let last = Some(batch.key(full - 1)?.ok_or_else(|| no_position(swept))?);
            if last == *after {
                return Err(Error::new(Kind::Failure, format!("{}: its key does not lead on", reading(swept)))
                    .hint("name another key of the table; this one's type is not read as it is printed"));
            }
            Some(Position::Keys { by: by.to_vec(), after: last, until: until.clone() })
        }
        _ => None,
    };
    Ok((batch, left))
}

/// The rows of these keys, as they are now.
pub(super) async fn these(lane: &mut Lane, swept: &Swept, keys: &[Vec<String>], only: Option<&str>) -> Result<Batch> {
    let columns: Vec<Vec<&String>> =
        (0..swept.key.len()).map(|column| keys.iter().map(|key| &key[column]).collect()).collect();
    let parameters: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| column as &(dyn ToSql + Sync)).collect();
    let found = lane.query(|| reading(swept), sql::read(swept, Span::These, only), &parameters).await?;
    Ok(Batch::new(swept, found))
}

pub(super) fn reading(swept: &Swept) -> String {
    format!("read rows of {}", swept.name)
}

/// A key that is no UTF-8 cannot be written down, so that a sweep could go on behind it.
pub(super) fn no_position(swept: &Swept) -> Error {
    let keys: Vec<_> = swept.key.iter().map(|key| key.name.as_str()).collect();
    let doing = format!("{} in the order of {}, which is not UTF-8 in some of them", reading(swept), keys.join(", "));
    Error::new(Kind::Policy, doing).hint(format!(
        "nothing is lost, and what was written stays: name another key of the table, or give it one (ALTER TABLE {} ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY UNIQUE) and name that by --key-column",
        swept.name
    ))
}

fn unreadable() -> String {
    "read the columns of a row".to_owned()
}

/// The columns of an AAD as texts.
pub(super) fn texts<'r>(columns: &[Option<Raw<'r>>]) -> Result<Vec<&'r str>> {
    let text = |column: &Option<Raw<'r>>| {
        let Some(raw) = column else { return Ok("") };
        str::from_utf8(raw.0).map_err(|error| Error::new(Kind::Failure, "make the AAD of a row").caused_by(error))
    };
    columns.iter().map(text).collect()
}
