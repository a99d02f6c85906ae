//! The proof: every value, in one snapshot, by the new key alone.

use std::sync::Arc;

use lifeboat_backup::postgres::{ConnectionSettings, Session as _};
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Job, Result};
use serde::Serialize;

use super::catalog::Use;
use super::confirm::{changed_meanwhile, in_place, snapshot};
use super::counts::{Counts, Failures};
use super::errand::{Errand, errands};
use super::lane::Lane;
use super::leader::Leader;
use super::options::SweepOptions;
use super::part::divide;
use super::pass::{PARTS_PER_JOB, pass};
use super::tally::Tally;
use super::target::{TableName, Target};
use super::traffic::Traffic;
use super::work::{Aim, Work};

/// What the new key opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// One for each target, in their order.
    pub targets: Vec<TargetVerification>,
}

impl Verification {
    /// Whether the new key opens every value that is not accepted, and values were found where there is something.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.targets.iter().all(|target| target.failures.unaccepted() == 0 && !target.nothing_found)
    }
}

/// What the new key opens of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetVerification {
    /// The target, as `schema.table.column`.
    pub target: String,
    /// The table.
    pub table: TableName,
    /// Its columns.
    #[serde(skip)]
    pub columns: Vec<String>,
    /// The fingerprint of the key.
    pub key: String,
    /// What became of the values; those it opens are `already_new`.
    pub counts: Counts,
    /// Rows that it does not open.
    pub failures: Failures,
    /// Whether the column holds something, and nothing where the layout looks for values.
    pub nothing_found: bool,
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
    let proof = prove(leader, errands, options, job).await;
    proof.map_err(|error| changed_meanwhile(error, "open every value in one snapshot"))
}

async fn prove(leader: &mut Leader, errands: &[Errand<'_>], options: &SweepOptions, job: &Job) -> Result<Verification> {
    job.expect(Counter::Rows, errands.iter().map(Errand::estimated_rows).sum());
    let settings = leader.alive().await?.settings().clone();
    let traffic = Arc::new(Traffic::new(!options.limits.shared_batch_time.is_zero()));
    let mut lane = Lane::with(leader.lend()?);
    traffic.look_ahead(&mut lane, job).await?;
    leader.give_back(lane.session);
    let snapshot = job.run(snapshot(leader, errands)).await?;
    let mut targets = Vec::new();
    for errand in errands {
        job.step(&format!("verify {}", errand.target));
        let keyring = errand.target.keyring_new()?;
        let mut work = Work::made(&settings, errand.target, keyring, Aim::Prove, options, job);
        work.snapshot = Some(snapshot.clone());
        work.traffic = traffic.clone();
        work.old = Some(errand.target.keyring_back()?);
        let relations = in_place(leader, errand).await?;
        let parts = divide(leader.session()?, &relations, work.jobs * PARTS_PER_JOB).await?;
        targets.push(told(errand, pass(&Arc::new(work), parts).await?));
    }
    // In the same moment.
    for (errand, target) in errands.iter().zip(&mut targets) {
        let has_none = target.counts.opened() + target.counts.unopened() == 0;
        target.nothing_found = has_none && errand.holds_something(leader.session()?).await?.is_some();
    }
    leader.session()?.execute("COMMIT").await?;
    Ok(Verification { targets })
}

fn told(errand: &Errand<'_>, tally: Tally) -> TargetVerification {
    TargetVerification {
        target: errand.target.to_string(),
        table: errand.target.table.clone(),
        columns: errand.target.value_columns(),
        key: errand.new_key.clone(),
        counts: tally.counts,
        failures: tally.failures,
        nothing_found: false,
    }
}
