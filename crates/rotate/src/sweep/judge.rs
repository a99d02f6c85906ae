//! A batch under the keyring: what is to be written, and what did not open.

use std::time::{Duration, Instant};

use lifeboat_core::{Kind, Result, ResultExt as _};

use super::batch::{Batch, texts};
use super::catalog::Swept;
use super::counts::{Counts, Failure, Failures, Why};
use super::wire::Raw;
use super::work::{Aim, Work};
use crate::columns::{Outcome, Stored, Unopened};

use std::sync::Arc;

/// A batch with its outcomes.
pub(super) struct Judged {
    pub(super) batch: Batch,
    /// What is to be written, each with its row.
    pub(super) writes: Vec<(usize, Stored)>,
    /// The outcomes of the others; in a trial, of all.
    pub(super) counts: Counts,
    pub(super) failures: Failures,
    pub(super) took: Duration,
}

/// Opens and re-encrypts a batch on a thread that may take its time.
pub(super) async fn judge(work: &Arc<Work>, swept: &Arc<Swept>, batch: Batch) -> Result<Judged> {
    let (work, swept) = (work.clone(), swept.clone());
    let judged = tokio::task::spawn_blocking(move || judge_here(&work, &swept, batch)).await;
    judged.kind_of(Kind::Failure, || "re-encrypt a batch".to_owned())?
}

/// The same, on this thread.
pub(super) fn judge_here(work: &Work, swept: &Swept, batch: Batch) -> Result<Judged> {
    let began = Instant::now();
    let (mut writes, mut counts, mut failures) = (Vec::new(), Counts::default(), Failures::default());
    for row in 0..batch.len() {
        work.job.check()?;
        match outcome(work, &batch, row)? {
            Outcome::Rotated(stored) if work.aim != Aim::Try => writes.push((row, stored)),
            Outcome::Unopened(why) => {
                counts.add_unopened(why);
                if why != Unopened::Empty {
                    failures.add(failure(work, swept, &batch, row, why)?, work.failures_named);
                }
            }
            other => counts.add(&other),
        }
    }
    Ok(Judged { batch, writes, counts, failures, took: began.elapsed() })
}

fn outcome(work: &Work, batch: &Batch, row: usize) -> Result<Outcome> {
    let value = batch.value(row)?;
    let value: Vec<_> = value.iter().map(|part| part.map(|Raw(bytes)| bytes)).collect();
    let aad = work.aad.render(&texts(&batch.aad(row)?)?)?;
    match work.aim {
        Aim::Prove => Ok(work.keyring.verify(&value, &aad).map_or_else(Outcome::Unopened, |()| Outcome::AlreadyNew)),
        _ => work.keyring.reencrypt(&value, &aad),
    }
}

/// Whether a value that the new key did not open is merely left over.
fn is_under_the_old_key(work: &Work, batch: &Batch, row: usize) -> Result<bool> {
    let Some(old) = &work.old else { return Ok(false) };
    let value = batch.value(row)?;
    let value: Vec<_> = value.iter().map(|part| part.map(|Raw(bytes)| bytes)).collect();
    Ok(old.verify(&value, &work.aad.render(&texts(&batch.aad(row)?)?)?).is_ok())
}

fn failure(work: &Work, swept: &Swept, batch: &Batch, row: usize, why: Unopened) -> Result<Failure> {
    let key = batch.name(row)?;
    let named = [&work.table, &swept.name].iter().any(|table| work.accept.accepts(table, &work.columns, &key));
    // Another row may be shown by the same name, where a key is no UTF-8.
    let named = named && batch.key(row)?.is_some();
    // Whoever named the row did not mean a value that can still be rotated.
    let is_left = is_under_the_old_key(work, batch, row)?;
    let why = if is_left { Why::OldKey } else { Why::Unopened(why) };
    Ok(Failure { table: swept.name.clone(), key, why, accepted: named && !is_left })
}
