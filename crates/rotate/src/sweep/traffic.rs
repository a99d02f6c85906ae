//! Whether others write in the server, and what the sweep does then: one of its sessions works at a time, on few rows, and leaves
//! three quarters of the time to the others.
//!
//! Alone, a sweep takes every core it finds. Beside an application the same sweep would make each of its writes wait for a
//! processor, for what the sweep has to write to the disk at the same commit, and one or two of every hundred for a row. A kernel
//! that lets nothing interrupt a program before its slice of time is over makes a short wait of a short batch only.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lifeboat_core::{Job, Result};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::lane::Lane;
use super::options::Limits;
use super::pace::rest;
use super::transaction::numbers;

/// What is known of others.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Whether the sweep looks for others at all.
    wanted: bool,
    makes_room: AtomicBool,
    /// Transactions of ours that wrote.
    ours: AtomicU64,
    /// The shortest time of a question to the server, in nanoseconds: its way there and back.
    way: AtomicU64,
    looks: Mutex<Looks>,
    turn: Semaphore,
}

#[derive(Debug, Default)]
struct Looks {
    asked: Option<Instant>,
    last: Option<Look>,
    others: Others,
}

/// A moment, the next transaction's id, and how many of those before were ours.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    next: u64,
    ours: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Others {
    /// They may be there: it costs little to find out gently.
    #[default]
    Unknown,
    None,
    /// They wrote so many looks ago.
    Write(u32),
}

impl Traffic {
    /// Nobody else, until [`Traffic::look`] is asked.
    pub(super) fn new(wanted: bool) -> Self {
        Self {
            wanted,
            makes_room: AtomicBool::new(false),
            ours: AtomicU64::new(0),
            way: AtomicU64::new(u64::MAX),
            looks: Mutex::default(),
            turn: Semaphore::new(1),
        }
    }

    /// How long a batch should hold its rows; where room is made, how long it should take from its first row to its commit.
    pub(super) fn batch_time(&self, limits: &Limits) -> Duration {
        if self.makes_room.load(Ordering::Relaxed) { limits.shared_batch_time } else { limits.batch_time }
    }

    /// Notes transactions of ours.
    pub(super) fn note(&self, transactions: usize) {
        self.ours.fetch_add(transactions as u64, Ordering::Relaxed);
    }

    /// Looks at the server, now and then. Of no use in a snapshot, which shows one moment only.
    pub(super) async fn look(&self, lane: &mut Lane, job: &Job) -> Result<()> {
        if !self.wanted || !self.is_due() {
            return Ok(());
        }
        let ours = self.ours.load(Ordering::Relaxed);
        let asked = Instant::now();
        let next = numbers(lane, || "look who else writes".to_owned(), NEXT.to_owned()).await?;
        self.way.fetch_min(u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        let Ok(mut looks) = self.looks.lock() else { return Ok(()) };
        let before = looks.others;
        let after = looks.learn(Look { at: Instant::now(), next, ours });
        self.makes_room.store(after != Others::None, Ordering::Relaxed);
        match (before, after) {
            (Others::Unknown | Others::None, Others::Write(_)) => job.step(ROOM),
            (Others::Write(_), Others::None) => job.step(NO_ROOM),
            _ => {}
        }
        Ok(())
    }

    /// Looks until it is known whether others write: before a snapshot, in which they cannot be seen.
    pub(super) async fn look_ahead(&self, lane: &mut Lane, job: &Job) -> Result<()> {
        if self.wanted {
            self.look(lane, job).await?;
            rest(job, EVERY).await?;
            self.look(lane, job).await?;
        }
        Ok(())
    }

    /// What of a batch's time others may have waited for: neither of its two statements on their way to a server that is far away.
    pub(super) fn without_the_way(&self, took: Duration) -> Duration {
        match self.way.load(Ordering::Relaxed) {
            u64::MAX => took,
            way => took.saturating_sub(2 * Duration::from_nanos(way)),
        }
    }

    /// Waits for the other sessions of this sweep where one is to work at a time.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        if self.makes_room.load(Ordering::Relaxed) { self.turn.acquire().await.ok() } else { None }
    }

    fn is_due(&self) -> bool {
        let Ok(mut looks) = self.looks.lock() else { return false };
        let due = looks.asked.is_none_or(|asked| asked.elapsed() >= EVERY);
        if due {
            looks.asked = Some(Instant::now());
        }
        due
    }
}

/// How long to rest after a batch that took so long. A wait for a row that somebody held counts as ten batches at most.
pub(super) fn rest_after(spent: Duration, limits: &Limits) -> Duration {
    spent.min(limits.shared_batch_time * 10) * RESTS
}

impl Looks {
    fn learn(&mut self, look: Look) -> Others {
        let Some(last) = self.last.replace(look) else { return self.others };
        let all = look.next.saturating_sub(last.next);
        let others = all.saturating_sub(look.ours.saturating_sub(last.ours));
        let enough = (look.at - last.at).as_millis() * FEW_PER_SECOND / 1000;
        self.others = match self.others {
            _ if u128::from(others) >= enough.max(1) => Others::Write(0),
            Others::Write(ago) if ago + 1 < GONE_AFTER => Others::Write(ago + 1),
            _ => Others::None,
        };
        self.others
    }
}

const ROOM: &str = "make room: others write in this server, so that one session of the sweep works at a time";
const NO_ROOM: &str = "go on with every session: others write no more";
/// Every transaction that writes takes the next id of the whole server.
const NEXT: &str = "SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())";
const EVERY: Duration = Duration::from_millis(500);
/// The rest after a batch, in times of the batch. Of an application's writes, one in two hundred takes over 2 ms by itself; one in
/// twenty did beside batches of 3 ms with as long a rest, and one in a hundred beside half as long batches and this one.
const RESTS: u32 = 3;
/// Fewer are no application: monitoring, autovacuum, what of ours was counted late.
const FEW_PER_SECOND: u128 = 20;
/// After so many looks at nobody, others have gone.
const GONE_AFTER: u32 = 4;

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::{Duration, Instant};

    use super::{Limits, Look, Looks, Others, Traffic, rest_after};

    /// Looks half a second apart, at so many transactions of ours and of others between them.
    fn learned(counts: &[(u64, u64)]) -> Vec<Others> {
        let (mut looks, began) = (Looks::default(), Instant::now());
        let (mut next, mut all) = (1000, 0);
        let mut look = |at: u32, ours, others| {
            all += ours;
            next += ours + others;
            looks.learn(Look { at: began + Duration::from_millis(500) * at, next, ours: all })
        };
        assert_eq!(look(0, 0, 0), Others::Unknown, "one look tells nothing");
        (1..).zip(counts).map(|(at, (ours, others))| look(at, *ours, *others)).collect()
    }

    #[test]
    fn the_sweeps_own_transactions_are_nobody_elses() {
        assert_eq!(learned(&[(300, 0), (1000, 3)]), [Others::None, Others::None]);
    }

    #[test]
    fn an_application_is_found_at_any_time_and_missed_only_after_a_while() {
        use Others::{None, Write};
        assert_eq!(learned(&[(300, 0), (300, 10), (50, 0), (50, 250)]), [None, Write(0), Write(1), Write(0)]);
        let gone = learned(&[(50, 250), (50, 0), (50, 0), (50, 0), (50, 0)]);
        assert_eq!(gone, [Write(0), Write(1), Write(2), Write(3), None]);
    }

    #[tokio::test]
    async fn one_session_works_at_a_time_where_room_is_made_and_holds_rows_for_less() {
        let (traffic, limits) = (Traffic::new(true), Limits::default());
        assert_eq!(traffic.batch_time(&limits), limits.batch_time);
        assert!(traffic.turn().await.is_none(), "every session works");
        traffic.makes_room.store(true, Ordering::Relaxed);
        assert_eq!(traffic.batch_time(&limits), limits.shared_batch_time);
        let first = traffic.turn().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(10), traffic.turn()).await.is_err(), "two at once");
        drop(first);
        assert!(traffic.turn().await.is_some());
    }

    #[test]
    fn a_rest_is_three_times_as_long_as_the_server_worked_and_has_an_end() {
        let (traffic, limits, ms) = (Traffic::new(true), Limits::default(), Duration::from_millis);
        assert_eq!(traffic.without_the_way(ms(9)), ms(9), "nobody has looked");
        traffic.way.store(4_000_000, Ordering::Relaxed);
        assert_eq!(traffic.without_the_way(ms(9)), ms(1), "two questions are 8 ms on their way");
        assert_eq!(traffic.without_the_way(ms(5)), ms(0));
        assert_eq!(rest_after(ms(2), &limits), ms(6));
        assert_eq!(rest_after(Duration::from_secs(2), &limits), ms(45), "a row was held");
    }

    #[test]
    fn a_server_that_was_replaced_counts_from_where_it_is() {
        let mut looks = Looks::default();
        let at = Instant::now();
        looks.learn(Look { at, next: 5000, ours: 7 });
        assert_eq!(looks.learn(Look { at: at + Duration::from_secs(1), next: 12, ours: 7 }), Others::None);
    }
}
