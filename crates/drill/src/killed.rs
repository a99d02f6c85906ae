//! Drills that were killed: they cannot record how they ended, so whoever removes what they left does.
//!
//! Invariant: an end is written for no drill that may still write its own.

use std::sync::Arc;

use jiff::Timestamp;
use lifeboat_core::clock::Clock;
use lifeboat_core::drill::{DrillStart, Proven, Verdict};
use lifeboat_core::keys::SealKeys;
use lifeboat_core::store::Store;
use lifeboat_core::{DrillId, Job, Kind, Name, Result};

use crate::history::without_end;
use crate::options::DrillOptions;
use crate::record::{Recorder, read_start};
use crate::report::{DrillReport, Rto};

/// Who found what killed drills have left.
#[derive(Clone)]
pub struct Finder {
    /// The machine's name.
    pub host: String,
    /// What the reports are sealed and signed with.
    pub seal: Option<Arc<SealKeys>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Finder {
    /// The one that runs a drill of its own.
    pub(crate) fn of(options: &DrillOptions) -> Self {
        Self { host: options.host.clone(), seal: options.seal.clone(), clock: options.clock.clone() }
    }
}

/// Records that these drills were killed: those that began in this store and have no end there. `killed` are drills whose lease was
/// found without its holder ([`crate::scratch::Collected::killed`]). Gives those that were recorded.
///
/// # Errors
/// Those of the store.
pub async fn end_killed(killed: &[DrillId], finder: &Finder, store: &Store, job: &Job) -> Result<Vec<(Name, DrillId)>> {
    if killed.is_empty() {
        return Ok(Vec::new());
    }
    let store = &store.clone().at_first_contact();
    let mut recorded = Vec::new();
    for (database, drill) in without_end(killed, store, job).await? {
        let start = match read_start(&database, &drill, store, job).await {
            Err(error) if error.kind() == Kind::NotFound => continue,
            other => other?,
        };
        let report = report(&start, finder, finder.clock.now());
        if let Some(why) = Recorder::resume(start, store, finder.seal.clone()).end(&report, job).await? {
            job.warn(&format!("could not keep a report of the killed drill {database}/{drill}: {}", why.chain()));
        }
        recorded.push((database, drill));
    }
    Ok(recorded)
}

fn report(start: &DrillStart, finder: &Finder, finished: Timestamp) -> DrillReport {
    let reason = format!(
        "environment: it was killed, or its machine failed, before it came to an end; what it left on {} was found and removed \
         (run it again)",
        finder.host
    );
    DrillReport {
        format: start.format,
        tool: start.tool.clone(),
        drill: start.drill.clone(),
        run: start.run.clone(),
        database: start.database.clone(),
        host: finder.host.clone(),
        started: start.started,
        finished,
        verdict: Verdict::Inconclusive,
        reasons: vec![reason],
        error_kind: Some(Kind::TryAgain.name().to_owned()),
        backup: None,
        not_opened: None,
        scratch: None,
        rto: Rto::default(),
        rpo: None,
        checks: Vec::new(),
        rows_proven: Proven::None,
        proven: Vec::new(),
        not_proven: Vec::new(),
        tables: Vec::new(),
        warnings: Vec::new(),
    }
}
