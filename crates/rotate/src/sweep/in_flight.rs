//! Transactions of others that have written a table and have not ended: what they wrote is in no snapshot, and comes to light
//! later. One that was prepared (`PREPARE TRANSACTION`) may wait for days.

use std::time::Instant;

use lifeboat_backup::postgres::{DirectSession, rows};
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Deserialize;

use super::errand::Errand;
use super::leader::Leader;
use super::options::SweepOptions;
use super::pace::rest;

/// Waits until whoever has written a target by now has committed or not: a snapshot that is taken afterwards shows what they wrote.
/// Others may have begun since.
///
/// # Errors
/// [`Kind::TryAgain`] when one of them goes on for longer than a lock is waited for; as with locks, no time at all is no limit.
pub(super) async fn ended(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    doing: &str,
    options: &SweepOptions,
    job: &Job,
) -> Result<()> {
    leader.alive().await?;
    let mut tables = Vec::new();
    for errand in errands {
        tables.extend(leader.relations(errand).await?.iter().map(|swept| swept.oid.to_string()));
    }
    let (began, limit) = (Instant::now(), options.limits.lock_timeout);
    let mut left = writers(leader.session()?, &tables).await?;
    if !left.is_empty() {
        job.step(&format!("wait for {} transactions that have written a table", left.len()));
    }
    while !left.is_empty() {
        if !limit.is_zero() && began.elapsed() >= limit {
            return Err(in_flight(doing, &left));
        }
        rest(job, LOOK_EVERY).await?;
        left = still(&left, writers(leader.session()?, &tables).await?);
    }
    Ok(())
}

/// Who of those that were waited for is not over. One that is prepared meanwhile has another name from then on: where one is gone,
/// each that is prepared may be it.
fn still(left: &[Writer], now: Vec<Writer>) -> Vec<Writer> {
    let one_is_gone = left.iter().any(|writer| writer.pid.is_some() && !now.contains(writer));
    let may_be = |writer: &Writer| left.contains(writer) || (one_is_gone && writer.pid.is_none());
    now.into_iter().filter(may_be).collect()
}

/// A transaction. One that was prepared has no process.
#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Writer {
    transaction: String,
    pid: Option<i32>,
}

/// Whoever writes a table keeps this lock until the end, a prepared transaction too. Every role may see it.
async fn writers(session: &mut DirectSession, tables: &[String]) -> Result<Vec<Writer>> {
    let query = format!(
        "SELECT DISTINCT virtualtransaction AS transaction, pid FROM pg_catalog.pg_locks \
         WHERE locktype = 'relation' AND granted AND mode = 'RowExclusiveLock' \
         AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
         AND relation = ANY ('{{{}}}'::pg_catalog.oid[]) AND pid IS DISTINCT FROM pg_catalog.pg_backend_pid()",
        tables.join(",")
    );
    rows(session, &query).await
}

fn in_flight(doing: &str, left: &[Writer]) -> Error {
    let pids: Vec<_> = left.iter().filter_map(|writer| writer.pid).map(|pid| pid.to_string()).collect();
    let mut who = Vec::new();
    if left.iter().any(|writer| writer.pid.is_none()) {
        who.push(
            "prepared transactions (pg_prepared_xacts shows them: COMMIT PREPARED, or ROLLBACK PREPARED)".to_owned(),
        );
    }
    if !pids.is_empty() {
        who.push(format!("the processes {} (pg_stat_activity shows them)", pids.join(", ")));
    }
    let why = format!("{} transactions that have written a table are not over", left.len());
    Error::new(Kind::TryAgain, doing)
        .hint(format!(
            "what they wrote is not to be seen before they end: let them end, then give the same command again. They are of {}",
            who.join(" and ")
        ))
        .caused_by(why)
}

const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(50);
