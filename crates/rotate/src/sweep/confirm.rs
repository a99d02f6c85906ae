//! The last look at a target: one moment of the database in which no value is under the old key.

use std::fmt::Write as _;
use std::sync::Arc;

use lifeboat_backup::postgres::sqlstate::LOCK_NOT_AVAILABLE;
use lifeboat_backup::postgres::{Session as _, sqlstate_of};
use lifeboat_core::monitor::Event;
use lifeboat_core::{Error, Kind, Result};

use super::catalog::Swept;
use super::errand::Errand;
use super::in_flight;
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
/// connection is lost, for a snapshot goes with it, and when a change of the table is in the way.
pub(super) async fn confirm(
    leader: &mut Leader,
    work: &Work,
    errand: &Errand<'_>,
    options: &SweepOptions,
) -> Result<Tally> {
    let mut failed = 0;
    loop {
        match Box::pin(confirm_once(leader, work, errand, options)).await {
            Err(error) if is_passing(&error) && failed < MOST_FAILURES => {
                failed += 1;
                let why = error.chain();
                work.job.monitor.event(&Event::Retry { doing: "look at a whole table", attempt: failed, error: &why });
                rest(&work.job, std::time::Duration::from_millis(200)).await?;
                work.own.distrust();
                leader.forget();
            }
            other => return other.map_err(|error| changed_meanwhile(error, "look at a whole table")),
        }
    }
}

/// Whether it may go better with another connection, or after the statement that waits for the locks of this one.
fn is_passing(error: &Error) -> bool {
    matches!(remedy(error), Remedy::Reconnect | Remedy::Smaller)
}

async fn confirm_once(leader: &mut Leader, work: &Work, errand: &Errand<'_>, options: &SweepOptions) -> Result<Tally> {
    if work.back {
        // With this look a rotation back is over, and the new key free to go: no other comes after it.
        let doing = format!("see every value of {}", errand.target);
        in_flight::ended(leader, std::slice::from_ref(errand), &doing, options, &work.job).await?;
    }
    let keyring = work.keyring_again(errand.target)?;
    let mut trial = Work::made(&work.settings, errand.target, keyring, Aim::Try, options, &work.job);
    trial.only_others = work.own.written_by_others();
    trial.quiet = true;
    trial.traffic = work.traffic.clone();
    trial.snapshot = Some(work.job.run(snapshot(leader, std::slice::from_ref(errand))).await?);
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

/// Begins a transaction that sees one moment, for others to see the same. The tables are locked before that moment, until the end:
/// what a change of one that writes it anew, or a `TRUNCATE`, puts there later an older snapshot does not see, and finds no rows.
pub(super) async fn snapshot(leader: &mut Leader, errands: &[Errand<'_>]) -> Result<String> {
    leader.alive().await?;
    let mut locks = String::new();
    for errand in errands {
        for swept in leader.relations(errand).await? {
            let _ = write!(locks, "; LOCK TABLE ONLY {} IN ACCESS SHARE MODE", sql::table(&swept.name));
        }
    }
    let session = leader.session()?;
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0";
    session.execute(&format!("{begin}{locks}")).await?;
    Ok(session.text("SELECT pg_catalog.pg_export_snapshot()").await?.unwrap_or_default())
}

/// A statement that changes a table waits for the look, and the look's other sessions wait for it: the look gives way.
pub(super) fn changed_meanwhile(error: Error, doing: &str) -> Error {
    if sqlstate_of(&error) != Some(LOCK_NOT_AVAILABLE) {
        return error;
    }
    Error::new(Kind::TryAgain, doing)
        .hint("a statement that changes a table was in the way (pg_stat_activity shows it): let it end, then give the same command again")
        .caused_by(error)
}

/// As rows lie, so that none is missed to which an index does not lead. Before Postgres 14 each table is one part then. Looked up after the snapshot was taken, no table is
/// shorter than what it shows.
pub(super) async fn in_place(leader: &mut Leader, errand: &Errand<'_>) -> Result<Vec<Arc<Swept>>> {
    let order = |swept: Arc<Swept>| Arc::new(Swept { order: Order::Place, ..Swept::clone(&swept) });
    Ok(leader.relations(errand).await?.into_iter().map(order).collect())
}

const MOST_FAILURES: u32 = 10;
