//! Looks through a database, table by table.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_backup::postgres::sqlstate::{
    CHARACTER_NOT_IN_REPERTOIRE, INSUFFICIENT_PRIVILEGE, LOCK_NOT_AVAILABLE, NOT_IN_PREREQUISITE_STATE, QUERY_CANCELED,
    UNDEFINED_COLUMN, UNDEFINED_TABLE,
};
use lifeboat_backup::postgres::{
    ConnectOptions, ConnectionSettings, DirectSession, Retry, Session as _, connect, sqlstate_of,
};
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt};
use serde::Serialize;

use super::catalog::{self, Table};
use super::read::{self, Limits};
use super::{Examined, Found, Sample, Suspect, TrialKey, Unreached, examine};
use crate::columns::AadTemplate;
use crate::sweep::TableName;

/// What is looked at.
#[derive(Clone, Debug)]
pub struct DetectOptions {
    /// These tables; all when there are none.
    pub tables: Vec<TableName>,
    /// What values may be bound to, beside nothing.
    pub aads: Vec<AadTemplate>,
    /// About so many rows of each table are read.
    pub rows: usize,
    /// How long one query may take; what takes longer is not looked at, and told.
    pub timeout: Duration,
}

impl Default for DetectOptions {
    fn default() -> Self {
        Self { tables: Vec::new(), aads: Vec::new(), rows: ROWS, timeout: TIMEOUT }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Detection {
    /// Tables that were looked at.
    pub tables: u64,
    /// Their columns that may hold ciphertexts.
    pub columns: u64,
    /// Rows that were read.
    pub rows: u64,
    /// Columns that the key opens.
    pub found: Vec<Found>,
    /// What the key opens and no layout reaches.
    pub unreached: Vec<Unreached>,
    /// Columns that look encrypted and did not open.
    pub suspects: Vec<Suspect>,
    /// Materialized views with ciphertexts: they follow their tables when they are refreshed.
    pub copies: Vec<TableName>,
    /// What was not looked at.
    pub not_looked_at: Vec<NotLookedAt>,
}

/// A table or a column that nothing is known of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotLookedAt {
    /// Its name.
    pub what: String,
    /// Why.
    pub why: String,
}

/// Tries keys on a sample of every column of text, bytes or JSON in a database, and of those of other types that may hold such. Reads, and writes nothing.
///
/// # Errors
/// [`Kind::Database`] when the server cannot be asked, [`Kind::NotFound`] for a named table that is not there,
/// [`Kind::Cancelled`].
pub async fn detect(
    settings: &ConnectionSettings,
    keys: Vec<TrialKey>,
    options: &DetectOptions,
    job: &Job,
) -> Result<Detection> {
    let retry = ConnectOptions { retry: Retry::default(), cancel: job.cancel.clone() };
    let mut session = connect(settings, "rotate-detect", &retry, &*job.monitor).await?;
    // A policy would hide rows without a word.
    session.execute("SET row_security = off; SET bytea_output = 'hex'").await?;
    let mut search = Search {
        keys: Arc::new(keys),
        options,
        job,
        detection: Detection::default(),
        aads: Arc::new(options.aads.clone()),
    };
    for table in chosen(catalog::tables(&mut session).await?, &options.tables)? {
        search.look_at(&mut session, &table).await?;
    }
    session.close().await;
    Ok(search.detection)
}

/// Rows of one table, which may be a partition, for other eyes; and which of its columns they say nothing of. None: it has no column of
/// text or bytes. `filled`: rows are looked for that have something in columns which are mostly empty.
pub(crate) async fn sample_of(
    session: &mut DirectSession,
    table: &TableName,
    aad_columns: &[&str],
    filled: bool,
    job: &Job,
) -> Result<Option<(Sample, Vec<(String, String)>)>> {
    let Some(table) = catalog::table(session, table).await? else { return Ok(None) };
    let closed = table.columns.iter().filter(|column| !column.readable);
    let mut unread: Vec<_> = closed.map(|column| (column.name.clone(), "no right to read it".to_owned())).collect();
    let limits = Limits { rows: ROWS, timeout: TIMEOUT, filled, long: filled };
    let (sample, other) = read::sample(session, &table, aad_columns, &limits, job).await?;
    unread.extend(other);
    Ok(Some((sample, unread)))
}

fn chosen(tables: Vec<Table>, wanted: &[TableName]) -> Result<Vec<Table>> {
    if wanted.is_empty() {
        return Ok(tables);
    }
    if let Some(missing) = wanted.iter().find(|name| tables.iter().all(|table| table.table() != **name)) {
        return Err(Error::new(
            Kind::NotFound,
            format!("look at {missing}: there is no such table with text or bytes in it"),
        )
        .hint("write schema.table; a partition is looked at through its table"));
    }
    Ok(tables.into_iter().filter(|table| wanted.contains(&table.table())).collect())
}

struct Search<'a> {
    keys: Arc<Vec<TrialKey>>,
    aads: Arc<Vec<AadTemplate>>,
    options: &'a DetectOptions,
    job: &'a Job,
    detection: Detection,
}

impl Search<'_> {
    async fn look_at(&mut self, session: &mut DirectSession, table: &Table) -> Result<()> {
        let name = table.table();
        self.job.step(&format!("look at {name}"));
        for column in table.columns.iter().filter(|column| !column.readable) {
            self.leave_out(format!("{name}.{}", column.name), "no right to read it");
        }
        let aads = self.aads.clone();
        let aad_columns: Vec<&str> = aads.iter().flat_map(AadTemplate::key_columns).collect();
        let limits = Limits { rows: self.options.rows, timeout: self.options.timeout, filled: true, long: false };
        match read::sample(session, table, &aad_columns, &limits, self.job).await {
            Ok((sample, unread)) => {
                for (column, why) in unread {
                    self.leave_out(format!("{name}.{column}"), why);
                }
                self.examine(table, sample).await
            }
            // The next table may be one that can be read.
            Err(error) if sqlstate_of(&error).is_some_and(|state| PASSING.contains(&state)) => {
                self.leave_out(name.to_string(), error.chain());
                Ok(())
            }
            Err(error) => Err(error.while_doing(format!("look at {name}"))),
        }
    }

    async fn examine(&mut self, table: &Table, sample: Sample) -> Result<()> {
        self.detection.tables += 1;
        self.detection.columns += sample.columns.len() as u64;
        self.detection.rows += sample.rows.len() as u64;
        self.job.count(Counter::Rows, sample.rows.len() as u64);
        let (keys, aads) = (self.keys.clone(), self.aads.clone());
        let examined = tokio::task::spawn_blocking(move || examine(&sample, &keys, &aads)).await;
        let examined = examined.kind_of(Kind::Failure, || format!("try keys on {}", table.table()))?;
        let Examined { found, unreached, suspects } = examined;
        if table.is_copy {
            let is_empty = found.is_empty() && unreached.is_empty();
            self.detection.copies.extend((!is_empty).then(|| table.table()));
        } else {
            self.detection.found.extend(found);
            self.detection.unreached.extend(unreached);
            self.detection.suspects.extend(suspects);
        }
        self.job.check()
    }

    fn leave_out(&mut self, what: String, why: impl Into<String>) {
        self.detection.not_looked_at.push(NotLookedAt { what, why: why.into() });
    }
}

const ROWS: usize = 300;
const TIMEOUT: Duration = Duration::from_secs(10);

/// No right, a policy, too slow, held by another session, dropped meanwhile, a view that was never filled, bytes of
/// no encoding.
const PASSING: [&str; 7] = [
    INSUFFICIENT_PRIVILEGE,
    QUERY_CANCELED,
    LOCK_NOT_AVAILABLE,
    UNDEFINED_TABLE,
    NOT_IN_PREREQUISITE_STATE,
    UNDEFINED_COLUMN,
    CHARACTER_NOT_IN_REPERTOIRE,
];
