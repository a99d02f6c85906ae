//! COPY of rows into a table: its statement, and the rows that are sent.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::SinkExt as _;
use lifeboat_core::index::Relation;
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Job, Result};
use tokio_postgres::CopyInSink;

use crate::postgres::{DirectSession, quote_ident, quote_literal};

/// The name of a relation, as SQL.
pub(super) fn qualified(relation: &Relation) -> String {
    format!("{}.{}", quote_ident(&relation.schema), quote_ident(&relation.name))
}

/// A table without columns has no list of them.
pub(super) fn copy_statement(relation: &Relation, encoding: &str, frozen: bool) -> String {
    let columns: Vec<_> = relation.columns.iter().map(|column| quote_ident(column)).collect();
    let columns = if columns.is_empty() { String::new() } else { format!("({}) ", columns.join(", ")) };
    let freeze = if frozen { "FREEZE true, " } else { "" };
    format!("COPY {} {columns}FROM STDIN ({freeze}ENCODING {})", qualified(relation), quote_literal(encoding))
}

/// Sends rows, and counts them.
pub(super) async fn feed(
    session: &DirectSession,
    job: &Job,
    mut sink: Pin<&mut CopyInSink<Bytes>>,
    sql: Vec<u8>,
) -> Result<()> {
    if sql.is_empty() {
        return Ok(());
    }
    let length = sql.len() as u64;
    sink.send(Bytes::from(sql)).await.map_err(|error| session.failed("send rows", error))?;
    job.count(Counter::SqlBytes, length);
    Ok(())
}
