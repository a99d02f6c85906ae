//! Folders without a manifest: which of them their runs are still writing.
//!
//! Invariant: a folder is given up only when every run that may be writing it has ended.

use jiff::Timestamp;
use lifeboat_core::run::RunEnd;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{BackupPath, MANIFEST};
use lifeboat_core::{Job, Kind, Result};

use super::listed::{BackupState, ListedBackup};
use super::runs::{ListedRun, MAY_RUN, runs_since};

/// Takes what runs left that have ended for what it is. Without a word from their records nobody can tell, and a list of backups is
/// worth having all the same.
pub(super) async fn give_up(
    listed: impl Iterator<Item = &mut ListedBackup>,
    now: Timestamp,
    store: &Store,
    job: &Job,
) -> Result<()> {
    let mut unfinished: Vec<_> = listed.filter(|backup| backup.state == BackupState::InFlight).collect();
    let Some(oldest) = unfinished.iter().map(|backup| backup.started).min() else { return Ok(()) };
    let around = match runs_since(oldest - MAY_RUN, now, store, job).await {
        Ok(runs) => Around(runs),
        Err(error) if error.kind() == Kind::Cancelled => return Err(error),
        Err(error) => {
            job.warn(&format!("could not read how runs ended: {}", error.chain()));
            return Ok(());
        }
    };
    for backup in &mut unfinished {
        if let Some(state) = around.end_of(&backup.path()) {
            backup.state = state;
        }
    }
    Ok(())
}

/// The runs around a backup's folder without a manifest.
struct Around(Vec<ListedRun>);

impl Around {
    /// What became of a backup whose run has ended: nobody will write its manifest any more. A run that has not ended may be an
    /// import, whose backup has the time of its dump: then nobody can tell.
    fn end_of(&self, path: &BackupPath) -> Option<BackupState> {
        let mut of_database = self.0.iter().filter(|run| run.databases.contains(&path.database));
        let mut ends = of_database.clone().filter_map(ListedRun::end);
        let committed = |end: &RunEnd| end.results.iter().any(|result| result.backup.as_ref() == Some(&path.id));
        if ends.clone().any(committed) {
            return Some(BackupState::Damaged(format!("{MANIFEST} is missing, and its run wrote one")));
        }
        let at = path.id.start();
        let covers = |end: &RunEnd| end.start.run.start() <= at && at <= end.finished;
        (ends.any(covers) && of_database.all(|run| run.end().is_some())).then_some(BackupState::Orphan)
    }
}

#[cfg(test)]
mod tests {
    use lifeboat_core::run::{RunEnd, RunStart};
    use lifeboat_core::store::layout::BackupPath;
    use lifeboat_core::{Name, RunId};

    use super::super::runs::RunState;
    use super::{Around, BackupState, ListedRun};

    fn run(id: &str, database: &str, finished: Option<&str>) -> ListedRun {
        let run: RunId = id.parse().unwrap();
        let (started, databases) = (run.start(), vec![database.parse::<Name>().unwrap()]);
        let start = RunStart { format: 1, tool: "t".into(), run: run.clone(), started, databases: databases.clone() };
        let state = match finished {
            None => RunState::Unfinished,
            Some(finished) => RunState::Ended {
                end: Box::new(RunEnd { start, finished: finished.parse().unwrap(), exit_code: 1, results: Vec::new() }),
            },
        };
        ListedRun { run, started, databases, state }
    }

    #[test]
    fn a_folder_is_given_up_when_its_run_has_ended_and_no_other_may_be_writing_it() {
        let path = BackupPath {
            class: "daily".parse().unwrap(),
            database: "shop".parse().unwrap(),
            id: "20261121T021705Z-7f3a9c".parse().unwrap(),
        };
        let ended = run("20261121T021700Z-000001", "shop", Some("2026-11-21T02:18:00.5Z"));
        let earlier = run("20261121T021600Z-000002", "shop", Some("2026-11-21T02:16:30Z"));
        let others = run("20261121T021701Z-000003", "billing", None);
        let running = run("20261121T030000Z-000004", "shop", None);
        let end = |runs: &[&ListedRun]| Around(runs.iter().map(|run| (*run).clone()).collect()).end_of(&path);
        assert_eq!(end(&[&ended]), Some(BackupState::Orphan));
        assert_eq!(end(&[&earlier, &ended, &others]), Some(BackupState::Orphan));
        for unclear in [&[][..], &[&earlier], &[&others]] {
            assert_eq!(end(unclear), None);
        }
        assert_eq!(end(&[&ended, &running]), None, "an import's backup has an earlier time than its run");
    }
}
