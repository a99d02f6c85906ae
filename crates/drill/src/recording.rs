//! When a drill's records are written, and what their failure means for it.
//!
//! Invariant: a proof that could not be recorded is none.

use lifeboat_backup::archive::Chosen;
use lifeboat_core::drill::DrillStart;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result};

use crate::findings::Findings;
use crate::options::DrillOptions;
use crate::record::Recorder;
use crate::report::DrillReport;
use crate::verdict;

/// Records that a drill begins. A store that does not answer is asked again when the drill ends.
pub(crate) async fn recorder(
    start: &DrillStart,
    chosen: &Result<Chosen>,
    store: &Store,
    options: &DrillOptions,
    job: &Job,
    findings: &mut Findings,
) -> Option<Recorder> {
    if chosen.as_ref().is_err_and(|error| error.kind() != Kind::NotFound) {
        return None;
    }
    match Recorder::begin(start.clone(), store, options.seal.clone(), job).await {
        Ok(recorder) => Some(recorder),
        Err(error) => {
            let later = "it is tried again when the drill ends";
            findings.warn(format!("{}; {later}", told("could not record that the drill began", &error)), job);
            None
        }
    }
}

/// Records how a drill ended; a proof that nobody else will know of is none.
pub(crate) async fn recorded(
    mut report: DrillReport,
    recorder: Option<Recorder>,
    withheld: Option<Error>,
    store: &Store,
    options: &DrillOptions,
    job: &Job,
) -> DrillReport {
    let recorder = match recorder {
        Some(recorder) => Ok(recorder),
        None => Recorder::begin_late(report.start(), store, options.seal.clone(), job).await,
    };
    let recorder = recorder.map(|recorder| match withheld {
        Some(why) => recorder.without_report(why),
        None => recorder,
    });
    let ended = match recorder {
        Ok(recorder) => recorder.end(&report, job).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(None) => {}
        Ok(Some(why)) => warn(&mut report, told("could not keep the report of the drill", &why), job),
        Err(error) => {
            let why = told("could not record how the drill ended", &error);
            verdict::unrecorded(&mut report, &why);
            warn(&mut report, why, job);
        }
    }
    report
}

fn told(what: &str, error: &Error) -> String {
    let help = error.help().map_or_else(String::new, |help| format!(" ({help})"));
    format!("{what}: {}{help}", error.chain())
}

fn warn(report: &mut DrillReport, text: String, job: &Job) {
    job.warn(&text);
    report.warnings.push(text);
}
