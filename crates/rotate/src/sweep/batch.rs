//! A batch of rows as they were read, and where the next one begins.

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

    pub(super) fn place(&self, row: usize) -> Result<Place> {
        self.rows[row].try_get(0).kind_of(Kind::Failure, unreadable)
    }

    /// The key as Postgres prints it; no columns when the table has none.
    pub(super) fn key(&self, row: usize) -> Result<Vec<String>> {
        (1..=self.keys).map(|column| self.text(row, column)).collect()
    }

    /// By what a report names the row.
    pub(super) fn name(&self, row: usize) -> Result<Vec<String>> {
        if self.keys > 0 { self.key(row) } else { Ok(vec![self.place(row)?.to_string()]) }
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

    fn text(&self, row: usize, column: usize) -> Result<String> {
        let raw: Raw<'_> = self.rows[row].try_get(column).kind_of(Kind::Failure, unreadable)?;
        Ok(String::from_utf8_lossy(raw.0).into_owned())
    }
}

/// The next rows of a part, about so many, and what is left of it afterwards.
pub(super) async fn next(
    lane: &mut Lane,
    swept: &Swept,
    position: &Position,
    rows: usize,
    only: Option<&str>,
) -> Result<(Batch, Option<Position>)> {
    match position {
        Position::Blocks { next, end } => by_blocks(lane, swept, (*next, *end), rows, only).await,
        Position::Keys { after, until } => by_keys(lane, swept, (after, until), rows, only).await,
    }
}

async fn by_blocks(
    lane: &mut Lane,
    swept: &Swept,
    (next, end): (u32, u32),
    rows: usize,
    only: Option<&str>,
) -> Result<(Batch, Option<Position>)> {
    let per_block = (swept.rows / u64::from(swept.blocks.max(1))).max(1);
    let blocks = u32::try_from(rows as u64 / per_block).unwrap_or(u32::MAX).max(1);
    let until = next.saturating_add(blocks).min(end);
    let (from, to) = (Place { block: next, line: 0 }, Place { block: until, line: 0 });
    let found = lane.query(|| reading(swept), sql::read(swept, Span::Places, only), &[&from, &to]).await?;
    let left = (until < end).then_some(Position::Blocks { next: until, end });
    Ok((Batch::new(swept, found), left))
}

async fn by_keys(
    lane: &mut Lane,
    swept: &Swept,
    (after, until): (&Option<Vec<String>>, &Option<Vec<String>>),
    rows: usize,
    only: Option<&str>,
) -> Result<(Batch, Option<Position>)> {
    let span = Span::Keys { after: after.is_some(), until: until.is_some() };
    let limit = i64::try_from(rows).unwrap_or(i64::MAX);
    let bounds = after.iter().chain(until).flatten();
    let mut parameters: Vec<&(dyn ToSql + Sync)> = bounds.map(|text| text as &(dyn ToSql + Sync)).collect();
    parameters.push(&limit);
    let batch = Batch::new(swept, lane.query(|| reading(swept), sql::read(swept, span, only), &parameters).await?);
    let left = match batch.len() {
        full if full >= rows => {
            let last = Some(batch.key(full - 1)?);
            if last == *after {
                return Err(Error::new(Kind::Failure, format!("{}: its key does not lead on", reading(swept)))
                    .hint("name another key of the table; this one's type is not read as it is printed"));
            }
            Some(Position::Keys { after: last, until: until.clone() })
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
