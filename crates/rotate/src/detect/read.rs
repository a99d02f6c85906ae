//! Reads some rows of a table: the oldest, the newest, some between, and such as have anything in a column that is mostly
//! empty. Never all of a large table.

use std::collections::BTreeSet;
use std::time::Duration;

use lifeboat_backup::postgres::sqlstate::QUERY_CANCELED;
use lifeboat_backup::postgres::{DirectSession, Session as _, quote_ident, sqlstate_of};
use lifeboat_core::{Error, Job, Result};
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::catalog::{Column, Holds, Table};
use super::sample::{Row, Sample, SampledColumn};
use crate::columns::layout::Content;

/// Reads a sample, and says which columns it says nothing of, and why.
pub(super) async fn sample(
    session: &mut DirectSession,
    table: &Table,
    aad_columns: &[&str],
    limits: &Limits,
    job: &Job,
) -> Result<(Sample, Vec<(String, String)>)> {
    let columns: Vec<&Column> = table.columns.iter().filter(|column| column.readable).collect();
    let of_aad = aad_columns.iter().filter(|name| table.readable.iter().any(|column| column == *name));
    let mut reader = Reader {
        from: format!("{}.{} AS t", quote_ident(&table.schema), quote_ident(&table.name)),
        columns: &columns,
        aad_columns: of_aad.map(|name| (*name).to_owned()).collect(),
        seen: BTreeSet::new(),
        rows: Vec::new(),
        garbled: BTreeSet::new(),
        cut: BTreeSet::new(),
        alone: None,
        limits,
    };
    let mut unread = Vec::new();
    let is_whole = reader.ends(session, &table.primary_key, job).await?;
    if !is_whole {
        reader.between(session, table.pages, job).await?;
    }
    if !is_whole && limits.filled {
        for (at, column) in columns.iter().enumerate() {
            if let Some(why) = reader.filled(session, at, job).await? {
                unread.push((column.name.clone(), why));
            }
        }
    }
    unread.extend(reader.long(session, job).await?);
    unread.extend(reader.garbled_columns());
    let content = |holds| if holds == Holds::Bytes { Content::Bytes } else { Content::Text };
    let sample = Sample {
        schema: table.schema.clone(),
        table: table.name.clone(),
        primary_key: table.primary_key.clone(),
        columns: columns
            .iter()
            .map(|column| SampledColumn {
                name: column.name.clone(),
                content: content(column.holds),
                is_compound: column.holds == Holds::Parts,
            })
            .collect(),
        aad_columns: reader.aad_columns,
        rows: reader.rows,
    };
    Ok((sample, unread))
}

/// How much is read.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Rows of a table.
    pub(super) rows: usize,
    /// How long one query may take.
    pub(super) timeout: Duration,
    /// Whether rows are looked for that have something in columns which are mostly empty: that may read all of a table.
    pub(super) filled: bool,
    /// Whether a value is read of columns in which all are very long.
    pub(super) long: bool,
}

struct Reader<'a> {
    from: String,
    columns: &'a [&'a Column],
    aad_columns: Vec<String>,
    /// Where the rows lie that were read.
    seen: BTreeSet<String>,
    rows: Vec<Row>,
    /// Which of the values in a row were no UTF-8, in some rows.
    garbled: BTreeSet<usize>,
    /// Columns of which some values were left out, as they are very long.
    cut: BTreeSet<usize>,
    /// A column of which longer ones are read.
    alone: Option<usize>,
    limits: &'a Limits,
}

impl Reader<'_> {
    /// The oldest and the newest rows; whether these are all.
    async fn ends(&mut self, session: &mut DirectSession, key: &[String], job: &Job) -> Result<bool> {
        let third = self.limits.rows.div_ceil(3);
        let order = |direction: &str| {
            let columns: Vec<_> = key.iter().map(|column| format!("t.{} {direction}", quote_ident(column))).collect();
            if columns.is_empty() { String::new() } else { format!(" ORDER BY {}", columns.join(", ")) }
        };
        let first = self.read(session, "", &format!("{} LIMIT {third}", order("")), job).await?;
        if first < third {
            return Ok(true);
        }
        if !key.is_empty() {
            self.read(session, "", &format!("{} LIMIT {third}", order("DESC")), job).await?;
        }
        Ok(false)
    }

    /// Some pages between.
    async fn between(&mut self, session: &mut DirectSession, pages: f64, job: &Job) -> Result<()> {
        let percent = (PAGES / pages.max(PAGES) * 100.0).clamp(0.000_1, 100.0);
        let sampled = format!(" TABLESAMPLE SYSTEM ({percent:.6})");
        let limit = format!(" LIMIT {}", self.limits.rows.div_ceil(3));
        // It takes time on a table of many partitions, and is only more of the same.
        match self.read(session, &sampled, &limit, job).await {
            Err(error) if is_too_long(&error) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Rows that have something in a column of which nothing has been seen yet. Why not, when it takes too long.
    async fn filled(&mut self, session: &mut DirectSession, at: usize, job: &Job) -> Result<Option<String>> {
        if self.has_seen(at) {
            return Ok(None);
        }
        let length = length(self.columns[at]);
        match self.read(session, "", &format!(" WHERE {length} >= {LEAST} LIMIT {FILLED}"), job).await {
            Ok(_) => Ok(None),
            Err(error) if is_too_long(&error) => {
                Ok(Some(format!("it is short or empty in all of the {} rows that were read", self.rows.len())))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a row gave something of a column that is long enough to be tried.
    fn has_seen(&self, at: usize) -> bool {
        self.rows.iter().any(|row| row.cells[at].as_ref().is_some_and(|cell| cell.len() >= LEAST))
    }

    /// A value of each column in which all were too long to be read with the others. Gives the columns of which there is none, and why.
    async fn long(&mut self, session: &mut DirectSession, job: &Job) -> Result<Vec<(String, String)>> {
        let mut unread = Vec::new();
        for at in std::mem::take(&mut self.cut) {
            if self.limits.long && !self.has_seen(at) {
                self.one_of(session, at, job).await?;
            }
            if !self.has_seen(at) {
                unread.push((self.columns[at].name.clone(), TOO_LONG.to_owned()));
            }
        }
        Ok(unread)
    }

    /// Its row may have been read before, without it. Where only some rows are tried, it is the first one.
    async fn one_of(&mut self, session: &mut DirectSession, at: usize, job: &Job) -> Result<()> {
        let before = self.rows.len();
        self.seen.clear();
        self.alone = Some(at);
        let length = length(self.columns[at]);
        let one = format!(" WHERE {length} > {LONGEST} AND {length} <= {LONGEST_ALONE} LIMIT 1");
        let read = self.read(session, "", &one, job).await;
        self.alone = None;
        self.rows.rotate_left(before);
        match read {
            Err(error) if is_too_long(&error) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Reads rows, twenty at a time, until there are no more or they are many bytes. Gives their number.
    async fn read(&mut self, session: &mut DirectSession, sampled: &str, rest: &str, job: &Job) -> Result<usize> {
        let query = format!("SELECT {} FROM {}{sampled}{rest}", self.list(), self.from);
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL bytea_output = 'hex'; \
             DECLARE lifeboat_detect NO SCROLL CURSOR FOR {query}",
            self.limits.timeout.as_millis().max(1)
        );
        let read = job.run(self.fetch(session, &begin)).await;
        job.check()?;
        // After an error the transaction is to be ended as well; that of a lost session is.
        let ended = session.execute("ROLLBACK").await;
        let read = read?;
        ended.map(|()| read)
    }

    async fn fetch(&mut self, session: &mut DirectSession, begin: &str) -> Result<usize> {
        session.execute(begin).await?;
        let (mut count, mut bytes) = (0, 0);
        loop {
            let fetched = session.client().simple_query("FETCH 20 FROM lifeboat_detect").await;
            let fetched = fetched.map_err(|error| session.failed("read rows", error))?;
            let mut rows = 0;
            for message in &fetched {
                let SimpleQueryMessage::Row(row) = message else { continue };
                let texts: Vec<_> = (0..row.len()).map(|at| self.text(row, at)).collect();
                bytes += texts.iter().flatten().map(|text| text.len()).sum::<usize>();
                rows += 1;
                self.keep(&texts);
            }
            count += rows;
            if rows == 0 || bytes > BYTES {
                return Ok(count);
            }
        }
    }

    /// A value; none where it is no UTF-8, which a database in no encoding may send.
    fn text<'r>(&mut self, row: &'r SimpleQueryRow, at: usize) -> Option<&'r str> {
        row.try_get(at).unwrap_or_else(|_| {
            self.garbled.insert(at);
            None
        })
    }

    /// The columns of which some values could not be read.
    fn garbled_columns(&self) -> impl Iterator<Item = (String, String)> {
        let names: Vec<_> = self.columns.iter().map(|column| &column.name).chain(&self.aad_columns).collect();
        let name = move |at: &usize| names.get(at.checked_sub(BEFORE_VALUES)?).map(|name| (*name).clone());
        self.garbled.iter().filter_map(name).map(|name| (name, "some of what it holds is no UTF-8".to_owned()))
    }

    fn keep(&mut self, texts: &[Option<&str>]) {
        let [place, cut, values @ ..] = texts else { return };
        self.cut.extend(cut.unwrap_or_default().split(',').filter_map(|at| at.parse::<usize>().ok()));
        if !self.seen.insert(place.unwrap_or_default().to_owned()) {
            return;
        }
        let (cells, aad) = values.split_at(self.columns.len());
        let cell = |(column, text): (&&Column, &Option<&str>)| {
            text.and_then(|text| match column.holds {
                Holds::Bytes => hex::decode(text).ok(),
                Holds::Text | Holds::Parts => Some(text.as_bytes().to_vec()),
            })
        };
        self.rows.push(Row {
            cells: self.columns.iter().zip(cells).map(cell).collect(),
            aad: aad.iter().map(|text| text.map(str::to_owned)).collect(),
        });
    }

    /// Where the row lies, then which of its values are left out, as they are very long, then its values.
    fn list(&self) -> String {
        let value = |(at, column): (usize, &&Column)| {
            let name = format!("t.{}", quote_ident(&column.name));
            let shown = match column.holds {
                Holds::Bytes => format!("encode({name}, 'hex')"),
                Holds::Text => format!("{name}::text"),
                Holds::Parts => printed(&name),
            };
            format!("CASE WHEN {} <= {} THEN {shown} END", length(column), self.longest(at))
        };
        let cut = |(at, column): (usize, &&Column)| format!("CASE WHEN {} > {LONGEST} THEN {at} END", length(column));
        let cut: Vec<_> = self.columns.iter().enumerate().map(cut).collect();
        let aad = self.aad_columns.iter().map(|name| format!("t.{}::text", quote_ident(name)));
        let before = [
            "t.tableoid::text || t.ctid::text".to_owned(),
            format!("array_to_string(ARRAY[{}]::int4[], ',')", cut.join(", ")),
        ];
        let values = self.columns.iter().enumerate().map(value);
        before.into_iter().chain(values).chain(aad).collect::<Vec<_>>().join(", ")
    }

    /// How long a value of a column may be to be read.
    fn longest(&self, at: usize) -> usize {
        if self.alone == Some(at) { LONGEST_ALONE } else { LONGEST }
    }
}

fn length(column: &Column) -> String {
    let name = format!("t.{}", quote_ident(&column.name));
    match column.holds {
        Holds::Bytes => format!("octet_length({name})"),
        Holds::Text => format!("octet_length({name}::text)"),
        Holds::Parts => format!("octet_length({})", printed(&name)),
    }
}

/// Not a cast: the owner of a composite type may have made one, which would run with this role's rights.
fn printed(name: &str) -> String {
    format!("pg_catalog.format('%s', {name})")
}

fn is_too_long(error: &Error) -> bool {
    sqlstate_of(error) == Some(QUERY_CANCELED)
}

/// The shortest value that can be a ciphertext: IV and tag.
const LEAST: usize = 28;
/// Rows that are read for a column that is mostly empty.
const FILLED: usize = 50;
/// About as many pages are sampled.
const PAGES: f64 = 20.0;
/// The longest value that is tried, and how much of one query is kept.
const LONGEST: usize = 256 << 10;
const BYTES: usize = 16 << 20;
/// The longest one where its column has no shorter ones, and what is said where it has not even these.
const LONGEST_ALONE: usize = 16 << 20;
const TOO_LONG: &str = "all of its values that were read are too long to be tried";
/// What stands before a row's values.
const BEFORE_VALUES: usize = 2;
