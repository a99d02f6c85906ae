//! The last look at a target: one moment of the database in which no value is under the old key.

use std::sync::Arc;

use lifeboat_backup::postgres::{DirectSession, Session as _};
use lifeboat_core::Result;
use lifeboat_core::monitor::Event;

use super::catalog::{Swept, TID_RANGES_SINCE};
use super::errand::Errand;
use super::lane::Lane;
use super::leader::Leader;
use super::options::{Order, SweepOptions};
use super::pace::rest;
use super::part::divide;
use super::pass::{PARTS_PER_JOB, pass};
use super::session::{Remedy, remedy};
use super::sql;
use super::tally::Tally;
use super::transaction::numbers;
use super::work::{Aim, Work};

/// Opens what others have written in one snapshot; what this run wrote itself is counted as new. Begun again when a
/// connection is lost: a snapshot goes with it.
pub(super) async fn confirm(
    leader: &mut Leader,
    work: &Work,
    errand: &Errand<'_>,
    options: &SweepOptions,
) -> Result<Tally> {
    let mut failed = 0;
    loop {
        match Box::pin(confirm_once(leader, work, errand, options)).await {
            Err(error) if remedy(&error) == Remedy::Reconnect && failed < MOST_FAILURES => {
                failed += 1;
                let why = error.chain();
                work.job.monitor.event(&Event::Retry { doing: "look at a whole table", attempt: failed, error: &why });
                rest(&work.job, std::time::Duration::from_millis(200)).await?;
                work.own.distrust();
                leader.forget();
            }
            other => return other,
        }
    }
}

async fn confirm_once(leader: &mut Leader, work: &Work, errand: &Errand<'_>, options: &SweepOptions) -> Result<Tally> {
    let keyring = work.keyring_again(errand.target)?;
    let mut trial = Work::made(&work.settings, errand.target, keyring, Aim::Try, options, &work.job);
    trial.only_others = work.own.written_by_others();
    trial.quiet = true;
    trial.traffic = work.traffic.clone();
    let session = leader.alive().await?;
    trial.snapshot = Some(snapshot(session).await?);
    let relations = in_place(leader, errand).await?;
    let session = leader.session()?;
    let parts = divide(session, &relations, trial.jobs * PARTS_PER_JOB).await?;
    let mut tally = pass(&Arc::new(trial), parts).await?;
    if let Some(ours) = work.own.written_by_us() {
        let mut lane = Lane::with(leader.lend()?);
        for swept in &relations {
            let count = sql::count_where(swept, &ours);
            tally.counts.already_new += numbers(&mut lane, || "count what was written".to_owned(), count).await?;
        }
        leader.give_back(lane.session);
    }
    leader.session()?.execute("COMMIT").await?;
    Ok(tally)
}

/// Begins a transaction that sees one moment, for others to see the same.
pub(super) async fn snapshot(session: &mut DirectSession) -> Result<String> {
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0").await?;
    Ok(session.text("SELECT pg_catalog.pg_export_snapshot()").await?.unwrap_or_default())
}

/// In one snapshot no row moves: the fastest order is as good as any. Looked up after the snapshot was taken, no table is
/// shorter than what it shows.
pub(super) async fn in_place(leader: &mut Leader, errand: &Errand<'_>) -> Result<Vec<Arc<Swept>>> {
    let old_server = leader.session()?.server().version_num < TID_RANGES_SINCE;
    let order = |swept: Arc<Swept>| {
        let order = if old_server { swept.order } else { Order::Place };
        Arc::new(Swept { order, ..Swept::clone(&swept) })
    };
    Ok(leader.relations(errand).await?.into_iter().map(order).collect())
}

const MOST_FAILURES: u32 = 10;
