//! How long each phase of a drill takes.

use std::time::Instant;

use crate::report::Phase;

/// Phases in the order in which they end.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    begun: Instant,
    phases: Vec<Phase>,
}

impl Stopwatch {
    /// A stopwatch that runs from now on.
    pub(crate) fn start() -> Self {
        Self { begun: Instant::now(), phases: Vec::new() }
    }

    /// What `work` returns, and a phase for the time it took; one that goes on is not a second one. It `counts` when the database
    /// cannot be used before its end.
    pub(crate) async fn phase<T>(&mut self, name: &str, counts: bool, work: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let done = work.await;
        let seconds = begun.elapsed().as_secs_f64();
        match self.phases.last_mut() {
            Some(last) if last.name == name => last.seconds += seconds,
            _ => self.phases.push(Phase { name: name.to_owned(), seconds, counts }),
        }
        done
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Every phase that ended.
    pub(crate) fn phases(&self) -> Vec<Phase> {
        self.phases.clone()
    }
}
