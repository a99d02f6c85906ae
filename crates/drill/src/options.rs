//! How a drill is run.

use std::sync::Arc;
use std::time::Duration;

use lifeboat_core::RunId;
use lifeboat_core::clock::{Clock, SystemClock};
use lifeboat_core::keys::{OpenKeys, SealKeys};
use tokio_util::sync::CancellationToken;

use crate::check::{CheckOptions, Smoke};
use crate::scratch::ScratchOptions;

/// How a drill is run.
#[derive(Clone)]
pub struct DrillOptions {
    /// Where the backup is restored.
    pub scratch: ScratchOptions,
    /// What is checked.
    pub checks: CheckOptions,
    /// The operator's program, run last.
    pub smoke: Option<Smoke>,
    /// Sessions that restore.
    pub jobs: usize,
    /// Until when the database has to be usable; later is a failed drill.
    pub rto: Option<Duration>,
    /// How long everything may take; longer is an inconclusive drill.
    pub timeout: Option<Duration>,
    /// What opens the backup and earlier reports, and what is demanded of the backup.
    pub keys: OpenKeys,
    /// What the report is sealed and signed with; without it the report of an encrypted backup is not kept.
    pub seal: Option<Arc<SealKeys>>,
    /// The machine's name, for the report.
    pub host: String,
    /// Groups the drills of one run; a run of its own without it.
    pub run: Option<RunId>,
    /// Whether the database is known to be backed up: having no backup is then a failed drill, whatever the store knows of it.
    pub is_expected: bool,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ends the drill early.
    pub cancel: CancellationToken,
}

impl DrillOptions {
    /// A drill in `scratch` with no demands of the operator's own.
    #[must_use]
    pub fn new(scratch: ScratchOptions, host: impl Into<String>) -> Self {
        Self {
            scratch,
            checks: CheckOptions::default(),
            smoke: None,
            jobs: 2,
            rto: None,
            timeout: None,
            keys: OpenKeys::default(),
            seal: None,
            host: host.into(),
            run: None,
            is_expected: false,
            clock: Arc::new(SystemClock),
            cancel: CancellationToken::new(),
        }
    }
}
