//! Some of the values of a target, tried with both keys before anything is written.

use std::collections::HashSet;

use lifeboat_backup::postgres::DirectSession;
use lifeboat_core::{Job, Result};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::batch::{Batch, reading};
use super::catalog::Swept;
use super::errand::Errand;
use super::judge::judge;
use super::lane::Lane;
use super::options::SweepOptions;
use super::plan::Sampled;
use super::sql::{self, Span};
use super::work::{Aim, Work};

impl Errand<'_> {
    /// Tries both keys on some of the values of every table; where none opens, on more of them: the first ones may be plaintext.
    pub(super) async fn sample(
        &self,
        session: DirectSession,
        options: &SweepOptions,
        job: &Job,
    ) -> Result<(Sampled, DirectSession)> {
        let keyring = self.target.keyring()?;
        let slow = keyring.layout().has_salt();
        let (limit, rounds) = if slow { (FEW, FEW_ROUNDS) } else { (MANY, ROUNDS) };
        let work = Work::new(session.settings(), self.target, keyring, Aim::Try, options, job);
        let mut lane = Lane::with(session);
        let (mut sampled, mut seen) = (Sampled::default(), HashSet::new());
        for round in 0..=rounds {
            for swept in &self.relations {
                let bytes = options.limits.batch_bytes;
                // Of long values fewer: those beyond the bytes are read in vain.
                let fitting = bytes as u64 / (swept.bytes / swept.rows.max(1)).max(1);
                let limit = limit.min(fitting.max(FEW));
                let mut batch = match round {
                    0 => some_rows(&mut lane, swept, limit, bytes).await?,
                    _ => rows_by_chance(&mut lane, swept, round, limit, bytes).await?,
                };
                // Chance draws many rows of a small table again: what is told is how many there were.
                batch.leave_out(swept, &mut seen)?;
                sampled.rows += batch.len() as u64;
                sampled.counts.merge(&judge(&work, swept, batch).await?.counts);
                if round == 0 && sampled.rows >= MANY {
                    break;
                }
            }
            if sampled.counts.opened() > 0 || sampled.counts.unopened() == 0 {
                break;
            }
        }
        Ok((sampled, lane.session))
    }
}

/// Rows from all over a table; of a small one, and where chance finds none, the first ones.
async fn some_rows(lane: &mut Lane, swept: &Swept, limit: u64, bytes: usize) -> Result<Batch> {
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    #[expect(clippy::cast_possible_truncation, reason = "a percentage needs no precision")]
    let percent = (100.0 * f64::from(SAMPLED_BLOCKS) / f64::from(swept.blocks.max(1))) as f32;
    let mut found = Vec::new();
    for percent in [percent, 100.0].iter().filter(|percent| **percent <= 100.0) {
        found = sampled(lane, swept, &[percent, &rows], bytes).await?;
        if !found.is_empty() {
            break;
        }
    }
    Ok(Batch::new(swept, found))
}

/// Rows of a few blocks anywhere in a table: about half of the limit, which would favour the first ones. How many rows there are is
/// an estimate, which may be far from the truth: some rounds look at fewer blocks.
async fn rows_by_chance(lane: &mut Lane, swept: &Swept, round: u32, limit: u64, bytes: usize) -> Result<Batch> {
    let rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let fewer = f64::from(1 << (round % 4));
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a percentage needs no precision")]
    let percent =
        (50.0 * limit as f64 / swept.rows.max(1) as f64 / fewer).max(100.0 / f64::from(swept.blocks.max(1))) as f32;
    let found = sampled(lane, swept, &[&percent.min(100.0), &rows], bytes).await?;
    Ok(Batch::new(swept, found))
}

async fn sampled(lane: &mut Lane, swept: &Swept, parameters: &[&(dyn ToSql + Sync)], bytes: usize) -> Result<Vec<Row>> {
    let statement = lane.ready(|| reading(swept), sql::read(swept, Span::Sample, None)).await?;
    Ok(lane.some(|| reading(swept), &statement, parameters, bytes).await?.0)
}

/// Blocks that are looked at.
const SAMPLED_BLOCKS: u32 = 100;
const MANY: u64 = 500;
/// Values that each take the derivation of a key, or two.
const FEW: u64 = 16;
/// How often more of them are tried.
const ROUNDS: u32 = 20;
const FEW_ROUNDS: u32 = 4;
