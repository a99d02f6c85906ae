//! `encrypted columns`: the columns that are declared as encrypted open with the keys of today.
//!
//! A backup whose secrets nobody can open is worth little, and everything else in it may be as it was. Rows are named by their
//! primary keys; nothing of what they hold is told.

use std::sync::Arc;

use lifeboat_backup::postgres::{DirectSession, Session as _, quote_ident, quote_literal, rows, sqlstate_of};
use lifeboat_core::{Error, Job, Kind, Result, ResultExt as _};
use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::layout::Content;
use lifeboat_rotate::columns::{Aad, AadTemplate, Unopened};
use lifeboat_rotate::sweep::{AcceptList, TableName};
use serde::Deserialize;
use tokio_postgres::SimpleQueryMessage;

use super::said::{Check, Said, many, thousands};
use super::session::open_reading;
use super::{Checked, Subject};

/// Which columns have to open, and how much of each.
#[derive(Clone, Debug, Default)]
pub struct EncryptedColumns {
    /// The columns.
    pub columns: Vec<EncryptedColumn>,
    /// So many rows of each; all without.
    pub rows: Option<u32>,
    /// Rows that were given up.
    pub accept: AcceptList,
}

/// An encrypted column.
#[derive(Clone, Debug)]
pub struct EncryptedColumn {
    /// Its table.
    pub table: TableName,
    /// The column, or those that a value is spread over, in the layout's order.
    pub columns: Vec<String>,
    /// The columns by which rows are named; the primary key without.
    pub key_columns: Option<Vec<String>>,
    /// What else is authenticated.
    pub aad: AadTemplate,
    /// The keys of today, or why they are not here.
    pub keyring: Result<Arc<Keyring>, String>,
}

/// Opens the declared columns. Where none is declared there is no such check, and where they hold nothing it is told.
///
/// # Errors
/// [`Kind::Cancelled`], and nothing else.
pub(super) async fn check(subject: &Subject<'_>, checked: &mut Checked, job: &Job) -> Result<()> {
    if subject.options.encrypted.columns.is_empty() {
        return Ok(());
    }
    job.step("open encrypted columns");
    let check = Check::new("encrypted columns", "the declared columns open with the keys of today");
    let report = check.run(job.run(Box::pin(all(subject)))).await?;
    if report.summary == NOTHING {
        checked.leave_open("the keys of encrypted columns", NOTHING);
    } else {
        checked.reports.push(report);
    }
    Ok(())
}

async fn all(subject: &Subject<'_>) -> Result<Said> {
    let options = &subject.options.encrypted;
    let (mut found, mut unread) = (Tally::default(), Vec::new());
    for column in &options.columns {
        match &column.keyring {
            Err(why) => unread.push(format!("{}: {why}", column.name())),
            Ok(keyring) => match one(subject, column, keyring, options).await {
                Ok(tally) => found.add(tally),
                Err(error) if sqlstate_of(&error).is_some_and(|state| ABSENT.contains(&state)) => {
                    found.findings.push(format!("{}: it is not there", column.name()));
                }
                Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                Err(error) => unread.push(format!("{}: {}", column.name(), error.chain())),
            },
        }
    }
    Ok(judge(found, unread))
}

fn judge(found: Tally, unread: Vec<String>) -> Said {
    let by_old = if found.by_old > 0 {
        format!(", {} of them with the old key", thousands(found.by_old))
    } else {
        String::new()
    };
    let accepted =
        if found.accepted > 0 { format!("; {} rows were given up", thousands(found.accepted)) } else { String::new() };
    let opened = format!("{} opened{by_old}{accepted}", many(found.opened, "value"));
    if !found.findings.is_empty() {
        let closed = found.findings.len() as u64 + found.unnamed;
        let said = Said::failed(format!("{opened}; {} did not", thousands(closed)));
        return said.with(found.findings).with(unread);
    }
    if !unread.is_empty() {
        return Said::inconclusive(format!(
            "{opened}; {} not be tried",
            if unread.len() == 1 { "a column could" } else { "columns could" }
        ))
        .with(unread);
    }
    if found.opened + found.accepted == 0 { Said::inconclusive(NOTHING) } else { Said::passed(opened) }
}

/// What became of values.
#[derive(Default)]
struct Tally {
    opened: u64,
    by_old: u64,
    accepted: u64,
    findings: Vec<String>,
    /// Rows that did not open beyond those that are named.
    unnamed: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.opened += other.opened;
        self.by_old += other.by_old;
        self.accepted += other.accepted;
        self.unnamed += other.unnamed;
        self.findings.extend(other.findings);
    }
}

impl EncryptedColumn {
    fn name(&self) -> String {
        format!("{}.{}", self.table, self.columns.join("+"))
    }
}

async fn one(
    subject: &Subject<'_>,
    column: &EncryptedColumn,
    keyring: &Arc<Keyring>,
    options: &EncryptedColumns,
) -> Result<Tally> {
    // The check as a whole is what a cancelled job drops.
    let quiet = Job::new(Arc::new(lifeboat_core::monitor::Silent), tokio_util::sync::CancellationToken::new());
    let mut session = open_reading(subject.target, &quiet).await?;
    let key = match &column.key_columns {
        Some(columns) => columns.clone(),
        None => primary_key(&mut session, &column.table).await?,
    };
    let from = format!("{}.{} AS t", quote_ident(&column.table.schema), quote_ident(&column.table.name));
    let sampled = sampled(&mut session, &from, options.rows).await?;
    let list = list(column, keyring, &key);
    session
        .execute(&format!("DECLARE lifeboat_encrypted NO SCROLL CURSOR FOR SELECT {list} FROM {from}{sampled}"))
        .await?;
    let reader = Arc::new(Reader {
        name: column.name(),
        table: column.table.clone(),
        keyring: keyring.clone(),
        content: keyring.layout().columns().map(|(_, content)| content).collect(),
        keys: key.len().max(1),
        aad: column.aad.of(&column.table.schema, &column.table.name, column.columns.first().map_or("", String::as_str)),
        accept: options.accept.clone(),
    });
    let mut tally = Tally::default();
    loop {
        let fetched = session.client().simple_query("FETCH 1000 FROM lifeboat_encrypted").await;
        let fetched = fetched.map_err(|error| session.failed(format!("read {}", reader.name), error))?;
        let is_row = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
        let last = !fetched.iter().any(is_row);
        let reader = reader.clone();
        let opened = tokio::task::spawn_blocking(move || reader.open(&fetched)).await;
        tally.add(opened.kind_of(Kind::Failure, || format!("open {}", column.name()))?);
        if tally.findings.len() > NAMED {
            tally.unnamed += (tally.findings.len() - NAMED) as u64;
            tally.findings.truncate(NAMED);
        }
        if last {
            session.close().await;
            return Ok(tally);
        }
    }
}

/// The primary key's columns.
async fn primary_key(session: &mut DirectSession, table: &TableName) -> Result<Vec<String>> {
    let query = format!(
        "SELECT a.attname AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary \
         CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place) \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number \
         WHERE n.nspname = {} AND c.relname = {} ORDER BY k.place",
        quote_literal(&table.schema),
        quote_literal(&table.name)
    );
    let found: Vec<KeyColumn> = rows(session, &query).await?;
    Ok(found.into_iter().map(|column| column.name).collect())
}

#[derive(Deserialize)]
struct KeyColumn {
    name: String,
}

/// Rows by chance, spread over the table; all where there are not more.
async fn sampled(session: &mut DirectSession, from: &str, wanted: Option<u32>) -> Result<String> {
    let Some(wanted) = wanted else { return Ok(String::new()) };
    let count = session.text(&format!("SELECT count(*) FROM {from}")).await?;
    let count: f64 = count.and_then(|count| count.parse().ok()).unwrap_or(0.0);
    if count <= f64::from(wanted) {
        return Ok(String::new());
    }
    let percent = (f64::from(wanted) * 120.0 / count).clamp(0.000_1, 100.0);
    Ok(format!(" TABLESAMPLE BERNOULLI ({percent:.6}) LIMIT {wanted}"))
}

/// The key, what the AAD takes, and the value.
fn list(column: &EncryptedColumn, keyring: &Keyring, key: &[String]) -> String {
    let text = |name: &String| format!("t.{}::text", quote_ident(name));
    let place = "t.tableoid::pg_catalog.regclass::text || ' ' || t.ctid::text".to_owned();
    let key: Vec<String> = if key.is_empty() { vec![place] } else { key.iter().map(text).collect() };
    let aad = column.aad.key_columns().into_iter().map(|name| text(&name.to_owned()));
    let values = column.columns.iter().zip(keyring.layout().columns()).map(|(name, (_, content))| match content {
        Content::Bytes => format!("pg_catalog.encode(t.{}, 'hex')", quote_ident(name)),
        Content::Text => text(name),
    });
    key.into_iter().chain(aad).chain(values).collect::<Vec<_>>().join(", ")
}

struct Reader {
    name: String,
    table: TableName,
    keyring: Arc<Keyring>,
    content: Vec<Content>,
    /// How many columns name a row.
    keys: usize,
    aad: Aad,
    accept: AcceptList,
}

impl Reader {
    fn open(&self, messages: &[SimpleQueryMessage]) -> Tally {
        let mut tally = Tally::default();
        for message in messages {
            let SimpleQueryMessage::Row(row) = message else { continue };
            let texts: Vec<Option<&str>> = (0..row.len()).map(|at| row.get(at)).collect();
            let key: Vec<String> = texts[..self.keys].iter().map(|text| text.unwrap_or_default().to_owned()).collect();
            match self.opened(&texts[self.keys..]) {
                Ok(by_primary) => {
                    tally.opened += 1;
                    tally.by_old += u64::from(!by_primary);
                }
                Err(Unopened::Empty) => {}
                Err(_) if self.accept.accepts(&self.table, &key) => tally.accepted += 1,
                Err(why) => tally.findings.push(format!("{} {}: {why}", self.name, key.join(", "))),
            }
        }
        tally
    }

    /// Whether the new key opened it, rather than the old one.
    fn opened(&self, texts: &[Option<&str>]) -> Result<bool, Unopened> {
        let (aad, values) = texts.split_at(texts.len() - self.content.len());
        let bytes: Vec<Option<Vec<u8>>> = values
            .iter()
            .zip(&self.content)
            .map(|(text, content)| match content {
                Content::Bytes => text.and_then(|text| hex::decode(text).ok()),
                Content::Text => text.map(|text| text.as_bytes().to_vec()),
            })
            .collect();
        let parts: Vec<Option<&[u8]>> = bytes.iter().map(Option::as_deref).collect();
        let keys: Vec<&str> = aad.iter().map(|text| text.unwrap_or_default()).collect();
        let aad = self.aad.render(&keys).map_err(|_: Error| Unopened::FailedAuthentication)?;
        self.keyring.open(&parts, &aad).map(|opened| opened.by_primary())
    }
}

const NOTHING: &str = "they hold no values";
/// No such schema, table or column.
const ABSENT: [&str; 3] = ["3F000", "42P01", "42703"];
/// Rows of a column that are named.
const NAMED: usize = 50;
