//! The proof: every value, in one snapshot, by the new key alone.

use std::sync::Arc;

use lifeboat_backup::postgres::{ConnectionSettings, DirectSession, Session as _};
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Job, Result};
use serde::Serialize;

use super::catalog::{Swept, TID_RANGES_SINCE, Use};
use super::counts::{Counts, Failures};
use super::errand::{Errand, errands};
use super::leader::Leader;
use super::options::{Order, SweepOptions};
use super::part::divide;
use super::pass::{PARTS_PER_JOB, pass};
use super::tally::Tally;
use super::target::{TableName, Target};
use super::work::{Aim, Work};

/// What the new key opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// One for each target, in their order.
    pub targets: Vec<TargetVerification>,
}

impl Verification {
    /// Whether the new key opens every value that is not accepted.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.targets.iter().all(|target| target.failures.unaccepted() == 0)
    }
}

/// What the new key opens of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetVerification {
    /// The target, as `schema.table.column`.
    pub target: String,
    /// The table.
    pub table: TableName,
    /// The fingerprint of the key.
    pub key: String,
    /// What became of the values; those it opens are `already_new`.
    pub counts: Counts,
    /// Rows that it does not open.
    pub failures: Failures,
}

/// Opens every value of every target with its new key and no other, in one snapshot of the database. Writes nothing.
///
/// # Errors
/// As [`run`](super::run), for what it is not allowed to read.
pub async fn verify(
    settings: &ConnectionSettings,
    targets: &[Target],
    options: &SweepOptions,
    job: &Job,
) -> Result<Verification> {
    let mut leader = Leader::open(settings, options, job).await?;
    let errands = errands(leader.session()?, targets, options).await?;
    for errand in &errands {
        errand.refuse(Use::Read)?;
    }
    let verification = proven(&mut leader, &errands, options, job).await?;
    leader.close().await;
    Ok(verification)
}

/// The proof of every target, in one snapshot.
pub(super) async fn proven(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    options: &SweepOptions,
    job: &Job,
) -> Result<Verification> {
    job.expect(Counter::Rows, errands.iter().map(Errand::estimated_rows).sum());
    let session = leader.alive().await?;
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let snapshot = session.text("SELECT pg_catalog.pg_export_snapshot()").await?;
    let mut targets = Vec::new();
    for errand in errands {
        job.step(&format!("verify {}", errand.target));
        let keyring = errand.target.keyring_new()?;
        let mut work = Work::made(session.settings(), errand.target, keyring, Aim::Prove, options, job);
        work.snapshot.clone_from(&snapshot);
        let parts = divide(session, &in_place(session, errand), work.jobs * PARTS_PER_JOB).await?;
        targets.push(told(errand, pass(&Arc::new(work), parts).await?));
    }
    leader.session()?.execute("COMMIT").await?;
    Ok(Verification { targets })
}

/// In one snapshot no row moves: the fastest order is as good as any.
fn in_place(session: &DirectSession, errand: &Errand<'_>) -> Vec<Arc<Swept>> {
    let order = |swept: &Arc<Swept>| {
        let order = if session.server().version_num < TID_RANGES_SINCE { swept.order } else { Order::Place };
        Arc::new(Swept { order, ..Swept::clone(swept) })
    };
    errand.relations.iter().map(order).collect()
}

fn told(errand: &Errand<'_>, tally: Tally) -> TargetVerification {
    TargetVerification {
        target: errand.target.to_string(),
        table: errand.target.table.clone(),
        key: errand.new_key.clone(),
        counts: tally.counts,
        failures: tally.failures,
    }
}
