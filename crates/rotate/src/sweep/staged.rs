//! The mode staged.

use lifeboat_core::{Error, Job, Kind, Result};

use super::book::Entry;
use super::errand::Errand;
use super::leader::Leader;
use super::options::SweepOptions;
use super::run::TargetSummary;

pub(super) async fn staged(
    _leader: &mut Leader,
    _errands: &[Errand<'_>],
    _entries: Vec<(Entry, bool)>,
    _options: &SweepOptions,
    _job: &Job,
) -> Result<Vec<TargetSummary>> {
    Err(Error::new(Kind::Failure, "rotate in the mode staged"))
}
