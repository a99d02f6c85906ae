//! Keeps what was warned of while a dump ran, for the backup's index: the operator of a restore reads it there.

use std::sync::{Arc, Mutex, PoisonError};

use lifeboat_core::Job;
use lifeboat_core::monitor::{Event, Monitor};

/// The warnings of a job, on their way to the operator's monitor.
pub(super) struct Warned {
    monitor: Arc<dyn Monitor>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lines: Vec<String>,
    left_out: usize,
}

impl Monitor for Warned {
    fn event(&self, event: &Event<'_>) {
        if let Event::Warning(text) = event {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.lines.len() < LINES_MAX { kept.lines.push((*text).to_owned()) } else { kept.left_out += 1 }
        }
        self.monitor.event(event);
    }
}

impl Warned {
    /// A job that is `job`, its warnings kept.
    pub(super) fn keep(job: &Job) -> (Job, Arc<Self>) {
        let warned = Arc::new(Self { monitor: job.monitor.clone(), kept: Mutex::default() });
        (Job::new(warned.clone(), job.cancel.clone()), warned)
    }

    /// The first of them, and how many more there were.
    pub(super) fn take(&self) -> Vec<String> {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        let rest = (kept.left_out > 0).then(|| format!("and {} more warnings", kept.left_out));
        kept.lines.into_iter().chain(rest).collect()
    }
}

const LINES_MAX: usize = 100;
