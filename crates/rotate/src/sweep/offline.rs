//! The mode offline.

use lifeboat_core::{Error, Job, Kind, Result};

use super::book::Entry;
use super::errand::Errand;
use super::leader::Leader;
use super::options::SweepOptions;
use super::run::TargetSummary;
use super::status::Direction;

pub(super) async fn offline(
    _leader: &mut Leader,
    _errands: &[Errand<'_>],
    _entries: Vec<(Entry, bool)>,
    _direction: Direction,
    _options: &SweepOptions,
    _job: &Job,
) -> Result<Vec<TargetSummary>> {
    Err(Error::new(Kind::Failure, "rotate in the mode offline"))
}
