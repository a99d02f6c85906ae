//! The chunks that are still to be read, and how the tables ended that were read.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lifeboat_backup::rows::Chunk;
use lifeboat_core::codec::Fingerprint;

use super::coverage::{ALWAYS, Coverage};

/// How the comparison of a relation ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ended {
    /// All its rows were read; this is their fingerprint.
    Read(Fingerprint),
    /// It cannot be read because it is another table.
    Differs(String),
    /// Something else kept it from being read.
    Unknown(String),
    /// There was no time for it.
    Left,
}

/// What all workers share.
pub(super) struct Queue {
    state: Mutex<State>,
    coverage: Coverage,
    begun: Instant,
}

struct State {
    /// Relations and chunks of them, in the order in which they are read.
    chunks: VecDeque<(usize, Chunk)>,
    relations: Vec<Relation>,
}

#[derive(Clone, Default)]
struct Relation {
    /// Chunks whose rows are not in `sum`.
    open: usize,
    /// Whether a chunk of it was taken.
    is_begun: bool,
    sum: Fingerprint,
    ended: Option<Ended>,
}

impl Queue {
    /// All chunks, each with its relation, in the order in which they are read; `missing` are relations that have none. The
    /// budget runs from `begun` on.
    pub(super) fn new(
        chunks: VecDeque<(usize, Chunk)>,
        missing: &HashSet<usize>,
        coverage: Coverage,
        begun: Instant,
    ) -> Self {
        let ended = |relation| missing.contains(&relation).then(|| Ended::Differs(MISSING.to_owned()));
        let relation = |relation| Relation { ended: ended(relation), ..Relation::default() };
        let mut relations: Vec<_> = coverage.all().map(relation).collect();
        chunks.iter().for_each(|(relation, _)| relations[*relation].open += 1);
        Self { state: Mutex::new(State { chunks, relations }), coverage, begun }
    }

    /// How many workers have something to do.
    pub(super) fn useful_workers(&self, wanted: usize) -> usize {
        wanted.min(self.state().chunks.len())
    }

    /// The next chunk and its relation. A table that was begun is read to its end, whatever the budget says.
    pub(super) fn take(&self) -> Option<(usize, Chunk)> {
        let is_spent = self.coverage.budget.is_some_and(|budget| self.begun.elapsed() >= budget);
        let mut state = self.state();
        while let Some((position, chunk)) = state.chunks.pop_front() {
            let relation = &mut state.relations[position];
            if relation.ended.is_some() {
                continue;
            }
            if is_spent && !relation.is_begun && self.coverage.turn(position) != ALWAYS {
                relation.ended = Some(Ended::Left);
                continue;
            }
            relation.is_begun = true;
            return Some((position, chunk));
        }
        None
    }

    /// The rows of a chunk were read.
    pub(super) fn read(&self, relation: usize, rows: Fingerprint) {
        let relation = &mut self.state().relations[relation];
        relation.sum += rows;
        relation.open -= 1;
    }

    /// A relation cannot be read: its other chunks need not be.
    pub(super) fn end(&self, relation: usize, how: Ended) {
        self.state().relations[relation].ended = Some(how);
    }

    /// How every relation ended, when all workers are gone.
    pub(super) fn ended(&self) -> BTreeMap<usize, Ended> {
        let ended = |relation: &Relation| match &relation.ended {
            Some(ended) => ended.clone(),
            None if relation.open == 0 => Ended::Read(relation.sum),
            None => Ended::Unknown(LOST.to_owned()),
        };
        self.state().relations.iter().map(ended).enumerate().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MISSING: &str = "there is no such table";
const LOST: &str = "all connections were lost before it was read";

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use lifeboat_backup::rows::Chunk;
    use lifeboat_core::codec::Fingerprint;

    use super::super::super::RowsOptions;
    use super::super::coverage::Coverage;
    use super::{Ended, Queue};

    fn queue(chunks: &[usize], missing: &[usize], budget: Option<Duration>) -> Queue {
        let names = [("public", "a"), ("public", "b"), ("public", "c")];
        let chunk = |table: &usize| (*table, Chunk { table: *table, pages: None, bytes: 1, tries: 0 });
        let coverage = Coverage::plan(&names, &[], RowsOptions { budget, within: None });
        let missing = missing.iter().copied().collect();
        Queue::new(chunks.iter().map(chunk).collect(), &missing, coverage, Instant::now())
    }

    fn rows(rows: u64) -> Fingerprint {
        Fingerprint { rows, ..Fingerprint::default() }
    }

    #[test]
    fn the_parts_of_a_table_add_up_and_a_missing_one_differs() {
        let queue = queue(&[0, 1, 0], &[2], None);
        while let Some((relation, _)) = queue.take() {
            queue.read(relation, rows(5));
        }
        let ended = queue.ended();
        assert_eq!((&ended[&0], &ended[&1]), (&Ended::Read(rows(10)), &Ended::Read(rows(5))));
        assert!(matches!(ended[&2], Ended::Differs(_)));
    }

    #[test]
    fn when_the_budget_is_spent_nothing_is_begun_and_what_was_begun_is_ended() {
        let mut queue = queue(&[0, 1, 0, 2], &[], Some(Duration::from_secs(3600)));
        let (first, _) = queue.take().unwrap();
        queue.read(first, rows(1));
        queue.coverage.budget = Some(Duration::ZERO);
        assert_eq!(queue.take().unwrap().0, 0);
        queue.read(0, rows(1));
        assert!(queue.take().is_none());
        let ended = queue.ended();
        assert_eq!((&ended[&0], &ended[&1], &ended[&2]), (&Ended::Read(rows(2)), &Ended::Left, &Ended::Left));
    }

    #[test]
    fn a_table_whose_parts_were_not_all_read_is_not_compared() {
        let queue = queue(&[0, 0, 1], &[], None);
        let (relation, _) = queue.take().unwrap();
        queue.read(relation, rows(1));
        queue.end(1, Ended::Unknown("no".into()));
        let ended = queue.ended();
        assert!(matches!(ended[&0], Ended::Unknown(_)) && matches!(ended[&1], Ended::Unknown(_)));
        assert_eq!(ended[&2], Ended::Read(rows(0)));
    }
}
