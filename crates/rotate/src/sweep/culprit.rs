//! Which row it was, when one statement writes all of a table and the database refuses one.

use lifeboat_backup::postgres::Session as _;
use lifeboat_core::Result;

use super::batch::{Batch, reading};
use super::catalog::Swept;
use super::counts::key_text;
use super::lane::Lane;
use super::session::{Remedy, remedy};
use super::sql::{self, Span};
use super::transaction::execute;
use super::wire::Place;

/// The first row, as it lies, that is refused, by halves of the table: about as long again as the statement that failed. None when
/// it is no matter of rows. Leaves the transaction as it was.
pub(super) async fn culprit(lane: &mut Lane, swept: &Swept, rotation: i64, back: bool) -> Result<Option<String>> {
    let put = sql::put(swept, rotation, back);
    let (mut from, mut until) = (0, swept.blocks);
    if !takes(lane, swept, &put, &between(0, 0)).await? {
        return Ok(None);
    }
    while until.saturating_sub(from) > 1 {
        let middle = from + (until - from) / 2;
        match takes(lane, swept, &put, &between(from, middle)).await? {
            true => from = middle,
            false => until = middle,
        }
    }
    let (first, end) = (Place { block: from, line: 0 }, Place { block: until, line: 0 });
    let rows = lane.query(|| reading(swept), sql::read(swept, Span::Places, None), &[&first, &end]).await?;
    let batch = Batch::new(swept, rows);
    for row in 0..batch.len() {
        if !takes(lane, swept, &put, &format!("t.ctid = '{}'::pg_catalog.tid", batch.place(row)?)).await? {
            return Ok(Some(format!("{} {}", swept.name, key_text(&batch.name(row)?))));
        }
    }
    Ok(None)
}

/// Whether the statement goes through for some of the rows. What it wrote is undone.
async fn takes(lane: &mut Lane, swept: &Swept, put: &str, condition: &str) -> Result<bool> {
    lane.session.execute("SAVEPOINT attempt").await?;
    let doing = || format!("find the row of {} that is refused", swept.name);
    let written = execute(lane, doing, &format!("{put} AND {condition}")).await;
    lane.session.execute("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt").await?;
    match written {
        Ok(_) => Ok(true),
        Err(error) if remedy(&error) == Remedy::Apart => Ok(false),
        Err(error) => Err(error),
    }
}

fn between(from: u32, until: u32) -> String {
    format!("t.ctid >= '({from},0)'::pg_catalog.tid AND t.ctid < '({until},0)'::pg_catalog.tid")
}
