//! Reads rows as they were dumped, and adds them up.

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::StreamExt as _;
use lifeboat_core::codec::{Fingerprint, RowLines};
use lifeboat_core::manifest::Method;
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Job, Result};

use super::{CopyOut, READ_AS_PLANNED};
use crate::archive::Archive;
use crate::postgres::{DirectSession, Session as _, quote_literal};

/// The statements that make a session print rows as those of `archive` were printed.
#[must_use]
pub fn set_up(archive: &Archive) -> String {
    let set = |(name, value): (&String, &String)| {
        format!("SELECT pg_catalog.set_config({}, {}, false)", quote_literal(name), quote_literal(value))
    };
    let settings = settings(archive);
    let settings: Vec<_> = settings.iter().map(set).chain([READ_AS_PLANNED.to_owned()]).collect();
    settings.join("; ")
}

/// The settings under which the rows were printed. Backups of before they were all recorded were made by a `pg_dump` that quotes
/// all names, or by sessions that quote none.
fn settings(archive: &Archive) -> BTreeMap<String, String> {
    let mut settings = archive.index.settings.clone();
    let quotes = if archive.manifest.method == Method::Stream { "on" } else { "off" };
    settings.entry("quote_all_identifiers".to_owned()).or_insert_with(|| quotes.to_owned());
    settings
}

/// The fingerprint of the rows that `copy` prints, in a transaction of the caller's.
///
/// # Errors
/// Those of the session.
pub async fn read_rows(session: &mut DirectSession, copy: &CopyOut<'_>, job: &Job) -> Result<Fingerprint> {
    let lines = copied(session, &copy.statement(), job).await?;
    // An error that came after the last row of a COPY shows in the next statement of its transaction only.
    session.execute("SELECT 1").await?;
    Ok(lines)
}

async fn copied(session: &DirectSession, statement: &str, job: &Job) -> Result<Fingerprint> {
    let failed = |error| session.failed("read its rows", error);
    let mut rows = pin!(session.client().copy_out(statement).await.map_err(failed)?);
    let (mut lines, mut counted) = (RowLines::default(), Counted { job, rows: 0 });
    while let Some(row) = rows.next().await {
        lines.push(&row.map_err(failed)?)?;
        counted.row();
    }
    lines.take()
}

/// Rows on their way to the monitor, some at a time.
struct Counted<'a> {
    job: &'a Job,
    rows: u64,
}

impl Counted<'_> {
    fn row(&mut self) {
        self.rows += 1;
        if self.rows == TOLD_ROWS {
            self.job.count(Counter::Rows, std::mem::take(&mut self.rows));
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.job.count(Counter::Rows, self.rows);
    }
}

const TOLD_ROWS: u64 = 8192;
