//! How much at a time, and when to wait: for others, not for the sweep's own sake.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lifeboat_backup::postgres::Session as _;
use lifeboat_core::{Job, Result};

use super::batch::Room;
use super::catalog::Swept;
use super::lane::Lane;
use super::options::{Limits, SweepOptions};

/// The size of batches, and when the server was last asked how it fares.
#[derive(Debug)]
pub(super) struct Pace {
    rows: AtomicUsize,
    /// The most bytes of a batch.
    bytes: usize,
    fixed: bool,
    /// Whether it is known how long rows are.
    measured: AtomicBool,
    asked: Mutex<Option<Instant>>,
    said: Mutex<Option<Instant>>,
}

impl Pace {
    /// `slow`: each value takes a derivation of its key, which takes long on purpose.
    pub(super) fn new(options: &SweepOptions, slow: bool) -> Self {
        let first = if slow { LEAST } else { FIRST };
        Self {
            rows: AtomicUsize::new(options.batch_rows.unwrap_or(first).max(1)),
            bytes: options.limits.batch_bytes.max(1),
            fixed: options.batch_rows.is_some(),
            measured: AtomicBool::new(false),
            asked: Mutex::new(None),
            said: Mutex::new(None),
        }
    }

    /// Room of the next batch. Of the first ones by what the server says of the table's size, as rows that it reads in vain cost
    /// as much as others.
    pub(super) fn room(&self, swept: &Swept) -> Room {
        let rows = self.rows();
        let guessed = usize::try_from(swept.bytes / swept.rows.max(1)).unwrap_or(usize::MAX);
        match self.fixed || self.measured.load(Ordering::Relaxed) {
            true => Room { rows, bytes: self.bytes },
            false => Room { rows: rows.min(self.most(guessed)), bytes: self.bytes },
        }
    }

    fn rows(&self) -> usize {
        self.rows.load(Ordering::Relaxed)
    }

    /// As many rows of that length as a batch takes.
    fn most(&self, row_bytes: usize) -> usize {
        (self.bytes / row_bytes.max(1)).clamp(1, MOST)
    }

    /// A batch failed, for whatever it held: the next ones are to hold less.
    pub(super) fn halve(&self) {
        if !self.fixed {
            self.rows.store((self.rows() / 2).max(1), Ordering::Relaxed);
        }
    }

    /// Learns from a batch: how long its rows are, and what of its time counts. The next ones are to take `aim`.
    pub(super) fn learn(&self, read: Room, spent: Duration, aim: Duration) {
        let Room { rows, bytes } = read;
        if self.fixed || rows == 0 {
            return;
        }
        let most = self.most(bytes / rows);
        self.measured.store(true, Ordering::Relaxed);
        if rows * 2 < self.rows() {
            self.rows.store(self.rows().min(most), Ordering::Relaxed);
            return;
        }
        let spent = spent.as_secs_f64().max(0.000_1);
        let factor = (aim.as_secs_f64() / spent).clamp(0.5, 2.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "at most MOST"
        )]
        let next = (rows as f64 * factor) as usize;
        self.rows.store(next.clamp(LEAST, MOST).min(most), Ordering::Relaxed);
    }

    /// Waits for what comes before the sweep.
    pub(super) async fn wait(&self, lane: &mut Lane, swept: &Swept, limits: &Limits, job: &Job) -> Result<()> {
        if !limits.pause.is_zero() {
            rest(job, limits.pause).await?;
        }
        if !self.is_time_to_ask() {
            return Ok(());
        }
        let began = Instant::now();
        while let Some(reason) = reason_to_wait(lane, swept, limits, began).await? {
            self.say(job, &format!("the sweep waits: {reason}"));
            rest(job, WAIT).await?;
        }
        Ok(())
    }

    fn is_time_to_ask(&self) -> bool {
        is_over(&self.asked, ASK_AFTER)
    }

    /// Warns, not more often than the operator can read.
    fn say(&self, job: &Job, text: &str) {
        if is_over(&self.said, SAY_AFTER) {
            job.warn(text);
        }
    }
}

/// What counts of a batch that nobody waits for but at its rows: how long they were held, and a tenth of how long it took until
/// then, which only a kill would waste.
pub(super) fn held_or_opened(held: Duration, opened: Duration) -> Duration {
    held.max(opened / 10)
}

/// Sleeps, unless the job is cancelled.
pub(super) async fn rest(job: &Job, time: Duration) -> Result<()> {
    let slept = async {
        tokio::time::sleep(time).await;
        Ok(())
    };
    job.run(slept).await
}

/// Whether that much time is over since this was last true.
fn is_over(since: &Mutex<Option<Instant>>, time: Duration) -> bool {
    let Ok(mut since) = since.lock() else { return false };
    let over = since.is_none_or(|since| since.elapsed() >= time);
    if over {
        *since = Some(Instant::now());
    }
    over
}

/// Standbys whose lag this role may not see do not count.
async fn reason_to_wait(lane: &mut Lane, swept: &Swept, limits: &Limits, began: Instant) -> Result<Option<String>> {
    if let Some(limit) = limits.replication_lag {
        let query = "SELECT extract(epoch FROM pg_catalog.max(replay_lag)) FROM pg_catalog.pg_stat_replication \
                     WHERE state = 'streaming'";
        let lag: f64 = lane.session.text(query).await?.and_then(|text| text.parse().ok()).unwrap_or_default();
        if lag > limit.as_secs_f64() {
            return Ok(Some(format!("a standby is {lag:.1} s behind")));
        }
    }
    if began.elapsed() < limits.autovacuum {
        let query = format!(
            "SELECT pid FROM pg_catalog.pg_stat_progress_vacuum WHERE datname = current_database() AND relid = {} LIMIT 1",
            swept.oid
        );
        if lane.session.text(&query).await?.is_some() {
            return Ok(Some(format!("vacuum is at work on {}", swept.name)));
        }
    }
    Ok(None)
}

const FIRST: usize = 1000;
const LEAST: usize = 20;
/// What more of them would gain is not to be measured.
const MOST: usize = 10_000;
const ASK_AFTER: Duration = Duration::from_secs(1);
const SAY_AFTER: Duration = Duration::from_secs(10);
const WAIT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{FIRST, LEAST, MOST, Pace, Room, held_or_opened};
    use crate::sweep::SweepOptions;

    const AIM: Duration = Duration::from_millis(100);

    /// A batch of so many short rows.
    fn small(rows: usize) -> Room {
        Room { rows, bytes: 100 * rows }
    }

    #[test]
    fn batches_of_long_rows_are_small_also_where_they_are_quick_and_where_others_were_cut_short() {
        let pace = Pace::new(&SweepOptions::default(), false);
        let quick = Duration::from_millis(1);
        pace.learn(Room { rows: 20, bytes: 20 << 20 }, quick, AIM);
        assert_eq!(pace.rows(), 16, "sixteen rows of a megabyte");
        pace.learn(Room { rows: 16, bytes: 16 << 26 }, quick, AIM);
        assert_eq!(pace.rows(), 1);
        pace.learn(small(1), quick, AIM);
        assert_eq!(pace.rows(), LEAST, "it grows again");
    }

    #[test]
    fn a_batch_that_failed_makes_the_next_ones_smaller() {
        let pace = Pace::new(&SweepOptions::default(), false);
        pace.halve();
        assert_eq!(pace.rows(), FIRST / 2);
        (0..20).for_each(|_| pace.halve());
        assert_eq!(pace.rows(), 1);
    }

    #[test]
    fn batches_grow_and_shrink_to_their_time_within_bounds() {
        let pace = Pace::new(&SweepOptions::default(), false);
        let learn = |millis| pace.learn(small(pace.rows()), Duration::from_millis(millis), AIM);
        learn(50);
        assert_eq!(pace.rows(), 2 * FIRST);
        (0..10).for_each(|_| learn(1));
        assert_eq!(pace.rows(), MOST);
        learn(125);
        assert_eq!(pace.rows(), MOST * 4 / 5);
        (0..20).for_each(|_| learn(10_000));
        assert_eq!(pace.rows(), LEAST);
    }

    #[test]
    fn a_batch_that_was_cut_short_teaches_nothing_and_a_fixed_size_stays() {
        let pace = Pace::new(&SweepOptions::default(), false);
        pace.learn(small(3), Duration::from_micros(1), AIM);
        assert_eq!(pace.rows(), FIRST);
        let fixed = Pace::new(&SweepOptions { batch_rows: Some(7), ..SweepOptions::default() }, false);
        fixed.learn(small(7), Duration::from_secs(9), AIM);
        assert_eq!(fixed.rows(), 7);
    }

    #[test]
    fn keys_that_are_derived_for_each_value_begin_with_small_batches_and_stay_there() {
        let pace = Pace::new(&SweepOptions::default(), true);
        pace.learn(small(LEAST), held_or_opened(Duration::from_millis(1), Duration::from_secs(2)), AIM);
        assert_eq!(pace.rows(), LEAST);
    }
}
