//! Work in one transaction, which nothing else writes beside.

use std::sync::Arc;

use lifeboat_backup::postgres::Session as _;
use lifeboat_core::{Job, Kind, Result, ResultExt as _};

use super::catalog::Swept;
use super::errand::Errand;
use super::lane::Lane;
use super::online::Passes;
use super::options::{Order, SweepOptions};
use super::part::{Part, Position};
use super::run::TargetSummary;
use super::session::failed;
use super::sql;
use super::tally::Tally;

/// Begins, and keeps writers out of every table. Readers go on.
pub(super) async fn begin(lane: &mut Lane, errands: &[Errand<'_>], options: &SweepOptions) -> Result<()> {
    let wait = options.limits.lock_timeout.as_millis();
    lane.session.execute(&format!("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {wait}")).await?;
    for errand in errands {
        let table = &errand.target.table;
        let lock = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", sql::table(table));
        lane.session.execute(&lock).await.map_err(|error| error.while_doing(format!("keep writers out of {table}")))?;
    }
    Ok(())
}

/// Makes it so, unless the job was cancelled: from here on there is no way back but a rollback.
pub(super) async fn commit(lane: &mut Lane, job: &Job) -> Result<()> {
    job.check()?;
    lane.session.execute("COMMIT").await
}

/// All of a table, as one part.
pub(super) fn one_part(swept: &Arc<Swept>) -> Part {
    let position = match swept.order {
        Order::Place => Position::Blocks { next: 0, end: swept.blocks },
        Order::Key => Position::Keys { after: None, until: None },
    };
    Part { number: 0, swept: swept.clone(), position }
}

/// A number that a query gives.
pub(super) async fn numbers(lane: &mut Lane, doing: impl Fn() -> String, sql: String) -> Result<u64> {
    let found = lane.query(&doing, sql, &[]).await?;
    let number = found.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0)).kind_of(Kind::Failure, doing)?;
    Ok(u64::try_from(number).unwrap_or_default())
}

/// How many rows a statement wrote.
pub(super) async fn execute(lane: &mut Lane, doing: impl Fn() -> String, sql: &str) -> Result<u64> {
    let written = lane.session.client().execute(sql, &[]).await;
    written.map_err(|error| failed(&lane.session, doing(), error))
}

/// What one pass did that nothing was beside.
pub(super) fn summary(errand: &Errand<'_>, tally: Tally) -> TargetSummary {
    let written = tally.counts.rotated;
    Passes { tally, passes: 1, complete: true, overtaken: 0, saw_written: false }.summary(errand, written, None)
}
