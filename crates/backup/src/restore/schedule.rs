//! Decides which job a session does next. Knows no database: jobs have costs, gates that must be open before they start,
//! and tables that they hold.
//!
//! Invariants: every job is given out exactly once; none before its gates are open; and no two at once that would wait for
//! each other's table locks, for then a session would stand idle. The longest way to the end goes first: a job is worth its
//! own cost and that of the longest job behind the gates it helps to open, so that the biggest index begins early and
//! not last.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// A job and what a schedule has to know of it.
#[derive(Clone, Debug)]
pub(super) struct Job<T> {
    /// What there is to do.
    pub(super) what: T,
    /// How long it will take, in whatever unit all jobs share.
    pub(super) cost: u64,
    /// What its place in the order is decided by beside what lies behind its gates: `cost`, or more for a part of something.
    pub(super) weight: u64,
    /// The gates that must be open.
    pub(super) needs: Vec<Gate>,
    /// The gates that stay shut until it is done.
    pub(super) opens: Vec<Gate>,
    /// The tables it locks.
    pub(super) holds: Vec<(Table, Hold)>,
}

/// Open as soon as every job that opens it is done; one that none opens is open.
pub(super) type Gate = usize;

/// A table, by whatever number.
pub(super) type Table = usize;

/// How a job locks a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// Beside others that share it.
    Shared,
    /// Alone.
    Alone,
}

/// What a session does next.
#[derive(Debug)]
pub(super) enum Next<T> {
    /// This job; tell [`Schedule::done`] its number when it is done.
    Do(usize, T),
    /// Nothing now: ask again when any job is done.
    Wait,
    /// Nothing any more.
    Nothing,
}

/// The jobs that are left.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    jobs: Vec<Option<T>>,
    facts: Vec<Facts>,
    /// Jobs that open it and are not done, and jobs that wait for it.
    gates: HashMap<Gate, (usize, Vec<usize>)>,
    /// The worthiest first, then the first given.
    ready: BTreeSet<(Reverse<u64>, usize)>,
    held: HashMap<Table, (usize, bool)>,
    left: usize,
}

#[derive(Debug)]
struct Facts {
    worth: u64,
    shut: usize,
    opens: Vec<Gate>,
    holds: Vec<(Table, Hold)>,
}

impl<T> Schedule<T> {
    pub(super) fn new(jobs: Vec<Job<T>>) -> Self {
        let mut gates: HashMap<Gate, (usize, Vec<usize>)> = HashMap::new();
        let mut longest_behind: HashMap<Gate, u64> = HashMap::new();
        for (id, job) in jobs.iter().enumerate() {
            job.opens.iter().for_each(|gate| gates.entry(*gate).or_default().0 += 1);
            for gate in &job.needs {
                gates.entry(*gate).or_default().1.push(id);
                let longest = longest_behind.entry(*gate).or_default();
                *longest = job.cost.max(*longest);
            }
        }
        let left = jobs.len();
        let mut schedule = Self {
            jobs: Vec::with_capacity(left),
            facts: Vec::with_capacity(left),
            gates,
            ready: BTreeSet::new(),
            held: HashMap::new(),
            left,
        };
        for job in jobs {
            let behind = job.opens.iter().filter_map(|gate| longest_behind.get(gate)).max();
            schedule.add(job, behind.copied().unwrap_or_default());
        }
        schedule
    }

    fn add(&mut self, job: Job<T>, behind: u64) {
        let shut = job.needs.iter().filter(|gate| self.gates[gate].0 > 0).count();
        let worth = job.weight.saturating_add(behind);
        let id = self.jobs.len();
        self.jobs.push(Some(job.what));
        self.facts.push(Facts { worth, shut, opens: job.opens, holds: job.holds });
        if shut == 0 {
            self.ready.insert((Reverse(worth), id));
        }
    }

    /// The next job for a session that is idle.
    pub(super) fn next(&mut self) -> Next<T> {
        let found = self.ready.iter().take(LOOKED_AT).find(|(_, id)| self.may_hold(*id)).copied();
        let Some((worth, id)) = found else {
            return if self.left == 0 { Next::Nothing } else { Next::Wait };
        };
        self.ready.remove(&(worth, id));
        self.hold(id);
        self.left -= 1;
        match self.jobs[id].take() {
            Some(what) => Next::Do(id, what),
            None => Next::Wait,
        }
    }

    /// A job is done: its tables are free, and gates may open.
    pub(super) fn done(&mut self, id: usize) {
        self.release(id);
        for gate in std::mem::take(&mut self.facts[id].opens) {
            let Some((openers, waiting)) = self.gates.get_mut(&gate) else { continue };
            *openers -= 1;
            if *openers > 0 {
                continue;
            }
            for waiting in std::mem::take(waiting) {
                self.facts[waiting].shut -= 1;
                if self.facts[waiting].shut == 0 {
                    self.ready.insert((Reverse(self.facts[waiting].worth), waiting));
                }
            }
        }
    }

    fn may_hold(&self, id: usize) -> bool {
        self.facts[id].holds.iter().all(|(table, hold)| match self.held.get(table) {
            None => true,
            Some((_, alone)) => !alone && *hold == Hold::Shared,
        })
    }

    fn hold(&mut self, id: usize) {
        for (table, hold) in &self.facts[id].holds {
            let held = self.held.entry(*table).or_insert((0, false));
            *held = (held.0 + 1, *hold == Hold::Alone);
        }
    }

    fn release(&mut self, id: usize) {
        for (table, _) in &self.facts[id].holds {
            let Some(held) = self.held.get_mut(table) else { continue };
            held.0 -= 1;
            if held.0 == 0 {
                self.held.remove(table);
            }
        }
    }
}

/// Among so many jobs one is looked for whose tables are free. While any job runs there will be another look; while none
/// does, the first is free.
const LOOKED_AT: usize = 256;

#[cfg(test)]
mod tests;
