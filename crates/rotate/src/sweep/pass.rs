//! A pass: every part of a target, by several workers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use lifeboat_core::{Kind, Result, ResultExt as _};
use tokio::task::JoinSet;

use super::part::Part;
use super::tally::Tally;
use super::work::Work;
use super::worker::worker;

/// Sweeps all parts. The first worker that fails ends the others, wherever they are.
pub(super) async fn pass(work: &Arc<Work>, parts: Vec<Part>) -> Result<Tally> {
    let workers = work.jobs.min(parts.len());
    let queue = Arc::new(Mutex::new(VecDeque::from(parts)));
    let mut set = JoinSet::new();
    for _ in 0..workers {
        set.spawn(worker(work.clone(), queue.clone()));
    }
    let (mut tally, mut cancelled) = (Tally::naming(work.failures_named), None);
    while let Some(joined) = set.join_next().await {
        match joined.kind_of(Kind::Failure, || "sweep a part".to_owned())? {
            Ok(found) => tally.merge(found),
            // All of them hear it, and each ends what it has at work in the server.
            Err(error) if error.kind() == Kind::Cancelled => cancelled = Some(error),
            Err(error) => return Err(error),
        }
    }
    cancelled.map_or(Ok(tally), Err)
}

/// So many parts for each worker, that none waits long for the last one.
pub(super) const PARTS_PER_JOB: usize = 8;
