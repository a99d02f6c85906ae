//! `encrypted columns`: the columns that are declared as encrypted open with the keys of today.
//!
//! A backup whose secrets nobody can open is worth little, and everything else in it may be as it was. Rows are named by their
//! primary keys; nothing of what they hold is told.

mod reader;
mod share;

use std::sync::Arc;

use lifeboat_backup::postgres::sqlstate::{UNDEFINED_COLUMN, UNDEFINED_SCHEMA, UNDEFINED_TABLE};
use lifeboat_backup::postgres::{DirectSession, Session as _, quote_ident, sqlstate_of};
use lifeboat_core::{Job, Kind, Result, ResultExt as _};
use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::AadTemplate;
use lifeboat_rotate::columns::layout::Content;
use lifeboat_rotate::sweep::{AcceptList, Holder, TableName, holders};
use tokio_postgres::SimpleQueryMessage;

use self::reader::Reader;
use self::share::{Share, from, shares};
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
    let (mut found, mut unread, mut empty, mut astray) = (Tally::default(), Vec::new(), Vec::new(), Vec::new());
    for column in &options.columns {
        match &column.keyring {
            Err(why) => unread.push(format!("{}: {why}", column.name())),
            Ok(keyring) => match one(subject, column, keyring, options).await {
                Ok(tally) if tally.is_nothing() && tally.elsewhere > 0 => {
                    let (rows, layout) = (many(tally.elsewhere, "row"), keyring.layout());
                    astray.push(format!(
                        "{}: something is in {rows}, and nothing where the layout {layout} looks",
                        column.name()
                    ));
                }
                Ok(tally) if tally.is_nothing() => empty.push(format!("{}: it holds no values", column.name())),
                Ok(tally) => found.add(tally),
                Err(error) if sqlstate_of(&error).is_some_and(|state| ABSENT.contains(&state)) => {
                    found.findings.push(format!("{}: it is not there", column.name()));
                }
                Err(error) if error.kind() == Kind::Cancelled => return Err(error),
                Err(error) => unread.push(format!("{}: {}", column.name(), error.chain())),
            },
        }
    }
    // A member that nobody has set yet is as rightly nowhere as one that is misspelt is wrongly: only where nothing opened at all does
    // that leave everything open.
    if found.opened > 0 {
        empty.extend(astray);
    } else {
        unread.extend(astray);
    }
    Ok(judge(found, unread, empty))
}

fn judge(found: Tally, unread: Vec<String>, empty: Vec<String>) -> Said {
    let by_old = if found.by_old > 0 {
        format!(", {} of them with the old key", thousands(found.by_old))
    } else {
        String::new()
    };
    let accepted = match found.accepted {
        0 => String::new(),
        1 => "; 1 row was given up".to_owned(),
        rows => format!("; {} were given up", many(rows, "row")),
    };
    let opened = format!("{} opened{by_old}{accepted}", many(found.opened, "value"));
    if !found.findings.is_empty() {
        let closed = found.findings.len() as u64 + found.unnamed;
        let said = Said::failed(format!("{opened}; {} did not", thousands(closed)));
        return said.with(found.findings).with(unread).with(empty);
    }
    if !unread.is_empty() {
        return Said::inconclusive(format!(
            "{opened}; {} not be tried",
            if unread.len() == 1 { "a column could" } else { "columns could" }
        ))
        .with(unread)
        .with(empty);
    }
    if found.is_nothing() { Said::inconclusive(NOTHING) } else { Said::passed(opened).with(empty) }
}

/// What became of values.
#[derive(Default)]
struct Tally {
    opened: u64,
    by_old: u64,
    accepted: u64,
    /// Rows that hold something, and nothing where the layout looks.
    elsewhere: u64,
    findings: Vec<String>,
    /// Rows that did not open beyond those that are named.
    unnamed: u64,
}

impl Tally {
    /// Whether no value was met with.
    fn is_nothing(&self) -> bool {
        self.opened + self.accepted + self.unnamed == 0 && self.findings.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.opened += other.opened;
        self.by_old += other.by_old;
        self.accepted += other.accepted;
        self.elsewhere += other.elsewhere;
        self.unnamed += other.unnamed;
        self.findings.extend(other.findings);
    }

    fn name_no_more_than(&mut self, most: usize) {
        self.unnamed += self.findings.len().saturating_sub(most) as u64;
        self.findings.truncate(most);
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
    let holders = holders(&mut session, &column.table, &column.columns, column.key_columns.as_deref()).await?;
    if holders.is_empty() {
        let findings = vec![format!("{}: it is not there", column.name())];
        return Ok(Tally { findings, ..Tally::default() });
    }
    let mut tally = Tally::default();
    for (holder, wanted) in shares(&mut session, holders, options.rows).await? {
        let found = opened(&mut session, column, keyring, options, &holder, wanted).await?;
        tally.add(found);
        tally.name_no_more_than(NAMED);
    }
    session.close().await;
    Ok(tally)
}

/// The rows of one table, each on its own as the rotation names it.
async fn opened(
    session: &mut DirectSession,
    column: &EncryptedColumn,
    keyring: &Arc<Keyring>,
    options: &EncryptedColumns,
    holder: &Holder,
    wanted: Option<Share>,
) -> Result<Tally> {
    let list = list(column, keyring, &holder.key);
    let (from, sampled) = (from(holder), wanted.map(|share| share.sql()).unwrap_or_default());
    session
        .execute(&format!("DECLARE lifeboat_encrypted NO SCROLL CURSOR FOR SELECT {list} FROM {from}{sampled}"))
        .await?;
    let reader = Arc::new(Reader {
        columns: column.columns.join("+"),
        table: column.table.clone(),
        holder: holder.table.clone(),
        keyring: keyring.clone(),
        content: keyring.layout().columns().map(|(_, content)| content).collect(),
        keys: holder.key.len().max(1),
        aad: column.aad.of(&column.table.schema, &column.table.name, column.columns.first().map_or("", String::as_str)),
        accept: options.accept.clone(),
        named: column.columns.clone(),
    });
    let mut tally = Tally::default();
    loop {
        let fetched = session.client().simple_query("FETCH 1000 FROM lifeboat_encrypted").await;
        let fetched = fetched.map_err(|error| session.failed(format!("read {}", holder.table), error))?;
        let is_row = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
        let last = !fetched.iter().any(is_row);
        let reader = reader.clone();
        let opened = tokio::task::spawn_blocking(move || reader.open(&fetched)).await;
        tally.add(opened.kind_of(Kind::Failure, || format!("open {}", column.name()))?);
        tally.name_no_more_than(NAMED);
        if last {
            session.execute("CLOSE lifeboat_encrypted").await?;
            return Ok(tally);
        }
    }
}

/// The key, what the AAD takes, and the value.
fn list(column: &EncryptedColumn, keyring: &Keyring, key: &[String]) -> String {
    let text = |name: &String| format!("t.{}::text", quote_ident(name));
    let place = "t.ctid::text".to_owned();
    let key: Vec<String> = if key.is_empty() { vec![place] } else { key.iter().map(text).collect() };
    let aad = column.aad.key_columns().into_iter().map(|name| text(&name.to_owned()));
    let values = column.columns.iter().zip(keyring.layout().columns()).map(|(name, (_, content))| match content {
        Content::Bytes => format!("pg_catalog.encode(t.{}, 'hex')", quote_ident(name)),
        Content::Text => text(name),
    });
    key.into_iter().chain(aad).chain(values).collect::<Vec<_>>().join(", ")
}

const NOTHING: &str = "they hold no values";
/// No such schema, table or column.
const ABSENT: [&str; 3] = [UNDEFINED_SCHEMA, UNDEFINED_TABLE, UNDEFINED_COLUMN];
/// Rows of a column that are named.
const NAMED: usize = 50;
