//! What a pass found and did, added up.

use super::counts::{Counts, Failures};
use super::judge::Judged;

/// What a pass, or a part of one, found and did.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) failures: Failures,
    /// Values that another session changed between reading and writing.
    pub(super) overtaken: u64,
    /// Rows that another session held for too long.
    pub(super) held: u64,
    /// Rows that the database refused.
    pub(super) refused: Failures,
    /// The most failures that are named.
    pub(super) named: usize,
}

impl Tally {
    pub(super) fn naming(named: usize) -> Self {
        Self { named, ..Self::default() }
    }

    pub(super) fn add(&mut self, judged: &mut Judged) {
        self.counts.merge(&judged.counts);
        self.failures.merge(std::mem::take(&mut judged.failures), self.named);
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.counts.merge(&other.counts);
        self.failures.merge(other.failures, self.named);
        self.overtaken += other.overtaken;
        self.held += other.held;
        self.refused.merge(other.refused, self.named);
    }
}
