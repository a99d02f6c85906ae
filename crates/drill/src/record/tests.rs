//! Records in a store of memory, and what the history makes of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use lifeboat_core::clock::SystemClock;
use lifeboat_core::drill::Verdict;
use lifeboat_core::keys::{OpenKeys, SealKeys, Secret, Signer, SymmetricKey};
use lifeboat_core::monitor::{Event, Monitor, Silent};
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::store::{Store, create};
use lifeboat_core::{Job, Kind, Name};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{Recorder, read_evidence, read_report, read_report_bytes};
use crate::evidence::verify;
use crate::history::{DrillRef, DrillState, drills, earlier_reports, find, proofs};
use crate::killed::{Finder, end_killed};
use crate::report::DrillReport;
use crate::report::tests::example;

fn store() -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    let url = format!("file://{}", folder.path().display()).parse().unwrap();
    let store = create(&url, &BTreeMap::new()).unwrap();
    (folder, store)
}

fn job() -> Job {
    Job::new(Arc::new(Silent), CancellationToken::new())
}

fn seal() -> (Arc<SealKeys>, OpenKeys, Signer) {
    let key = Arc::new(SymmetricKey::new("2026-11".parse().unwrap(), Secret::copied(&[3; 32])));
    let signer = || Signer::new(&Secret::copied(&[7; 32]));
    let seal = SealKeys::new(vec![key.clone()], Some(Arc::new(signer()))).unwrap();
    (Arc::new(seal), OpenKeys { keys: vec![key], required: true, ..OpenKeys::default() }, signer())
}

/// A report of a backup that is not encrypted, with this id and verdict.
fn report(drill: &str, verdict: Verdict) -> DrillReport {
    let mut report = DrillReport { verdict, drill: drill.parse().unwrap(), ..example() };
    report.backup.as_mut().unwrap().encrypted = false;
    report
}

async fn recorded(report: &DrillReport, seal: Option<Arc<SealKeys>>, store: &Store) {
    let recorder = Recorder::begin(report.start(), store, seal, &job()).await.unwrap();
    recorder.end(report, &job()).await.unwrap();
}

fn names(folder: &TempDir) -> Vec<String> {
    fn below(folder: &std::path::Path, within: &str, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = format!("{within}{}", entry.file_name().display());
            if entry.path().is_dir() { below(&entry.path(), &format!("{name}/"), names) } else { names.push(name) }
        }
    }
    let mut names = Vec::new();
    below(folder.path(), "", &mut names);
    names.sort();
    names
}

#[tokio::test]
async fn a_drill_is_recorded_from_begin_to_end_and_read_back() {
    let (folder, store) = store();
    let report = report("20261201T040000Z-7f3a9c", Verdict::Passed);
    recorded(&report, None, &store).await;
    let (drills, id) = ("drills/shop/", "20261201T040000Z-7f3a9c");
    let expected = [".end.json", ".start.json", "/report.json"].map(|rest| format!("{drills}{id}{rest}"));
    assert_eq!(names(&folder), expected);
    let read = read_report(&report.database, &report.drill, &store, &OpenKeys::default(), &job()).await.unwrap();
    assert_eq!(read, report);
    let unsigned = read_evidence(&report.database, &report.drill, &store, &OpenKeys::default(), &job()).await;
    assert_eq!(unsigned.unwrap_err().kind(), Kind::NotFound);
}

#[tokio::test]
async fn what_is_sealed_tells_no_name_and_is_read_with_the_keys_alone() {
    let (folder, store) = store();
    let ((seal, open, signer), report) = (seal(), example());
    recorded(&report, Some(seal), &store).await;
    for name in names(&folder) {
        let bytes = std::fs::read(folder.path().join(&name)).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("orders"), "{name}");
    }
    let (database, drill) = (&report.database, &report.drill);
    let read = read_report(database, drill, &store, &open, &job()).await.unwrap();
    assert_eq!(read, report);
    let envelope = read_evidence(database, drill, &store, &open, &job()).await.unwrap();
    let evidence = verify(&envelope, &[signer.public().clone()]).unwrap();
    let bytes = read_report_bytes(database, drill, &store, &open, &job()).await.unwrap();
    let digest = lifeboat_core::codec::Sha256::of(&bytes).to_string();
    assert_eq!(evidence.statement.predicate.report.digest.sha256, digest);
    let closed = read_report(database, drill, &store, &OpenKeys::default(), &job()).await;
    assert_eq!(closed.unwrap_err().kind(), Kind::WrongKey);
}

#[tokio::test]
async fn the_report_of_an_encrypted_backup_is_never_kept_open() {
    let (folder, store) = store();
    let report = example();
    assert!(report.backup.as_ref().unwrap().encrypted);
    let recorder = Recorder::begin(report.start(), &store, None, &job()).await.unwrap();
    let why = recorder.end(&report, &job()).await.unwrap().expect("it says why");
    assert_eq!(why.kind(), Kind::Config);
    let names = names(&folder);
    assert_eq!(names.len(), 2, "the records of begin and end alone: {names:?}");
}

#[tokio::test]
async fn a_report_that_is_not_sealed_is_refused_where_encryption_is_configured() {
    let (_folder, store) = store();
    let report = report("20261201T040000Z-7f3a9c", Verdict::Passed);
    recorded(&report, None, &store).await;
    let (_, open, _) = seal();
    let refused = read_report(&report.database, &report.drill, &store, &open, &job()).await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Policy);
}

#[tokio::test]
async fn a_cancelled_drill_still_records_its_end() {
    let (folder, store) = store();
    let report = DrillReport {
        error_kind: Some("cancelled".to_owned()),
        ..report("20261201T040000Z-7f3a9c", Verdict::Inconclusive)
    };
    let recorder = Recorder::begin(report.start(), &store, None, &job()).await.unwrap();
    let cancelled = job();
    cancelled.cancel.cancel();
    assert!(recorder.end(&report, &cancelled).await.unwrap().is_none(), "the report is kept, too");
    assert_eq!(names(&folder).len(), 3);
    let listed = drills(None, report.finished, &store, &job()).await.unwrap();
    assert_eq!(listed[0].end().unwrap().exit_code, 143);
}

#[tokio::test]
async fn a_begin_that_could_not_be_recorded_is_when_the_drill_ends() {
    let (folder, store) = store();
    let report = report("20261201T040000Z-7f3a9c", Verdict::Passed);
    let cancelled = job();
    cancelled.cancel.cancel();
    let recorder = Recorder::begin_late(report.start(), &store, None, &cancelled).await.unwrap();
    recorder.end(&report, &cancelled).await.unwrap();
    assert_eq!(names(&folder).len(), 3);
}

#[tokio::test]
async fn nobody_waits_for_a_store_that_is_gone_without_bounds() {
    let (folder, store) = store();
    let report = report("20261201T040000Z-7f3a9c", Verdict::Passed);
    let recorder = Recorder::begin(report.start(), &store, None, &job()).await.unwrap();
    // A file where the folder of drills was: every write fails from now on.
    std::fs::remove_dir_all(folder.path()).unwrap();
    std::fs::write(folder.path(), "").unwrap();
    let cancelled = job();
    cancelled.cancel.cancel();
    let ended = tokio::time::timeout(3 * super::LAST_TRY, recorder.end(&report, &cancelled)).await;
    assert!(ended.expect("within bounds").is_err());
    std::fs::remove_file(folder.path()).unwrap();
}

#[tokio::test]
async fn a_drill_without_an_end_is_lost_a_day_later() {
    let (_folder, store) = store();
    let report = report("20261201T040000Z-7f3a9c", Verdict::Passed);
    Recorder::begin(report.start(), &store, None, &job()).await.unwrap();
    for (now, expected) in
        [("2026-12-01T05:00:00Z", DrillState::Unfinished), ("2026-12-02T05:00:00Z", DrillState::Lost)]
    {
        let listed = drills(None, now.parse().unwrap(), &store, &job()).await.unwrap();
        assert_eq!(listed[0].state, expected, "{now}");
    }
}

#[tokio::test]
async fn an_end_that_is_damaged_or_lies_elsewhere_proves_nothing() {
    let (folder, store) = store();
    let report = report("20261201T040000Z-7f3a9c", Verdict::Passed);
    recorded(&report, None, &store).await;
    let drills_folder = folder.path().join("drills/shop");
    let end = drills_folder.join("20261201T040000Z-7f3a9c.end.json");
    let moved = drills_folder.join("20261202T040000Z-7f3a9c.end.json");
    std::fs::rename(&end, &moved).unwrap();
    let backup = path(&report);
    for _ in 0..2 {
        let listed = drills(None, "2027-01-01T00:00:00Z".parse().unwrap(), &store, &job()).await.unwrap();
        assert!(matches!(listed[0].state, DrillState::Unreadable { .. }), "{listed:?}");
        assert_eq!(listed[1].state, DrillState::Lost);
        let proven = proofs(std::slice::from_ref(&backup), &store, &job()).await.unwrap();
        assert_eq!(proven.of(&backup), None);
        std::fs::write(&moved, "{\"format\": 1}").unwrap();
    }
}

fn path(report: &DrillReport) -> BackupPath {
    let backup = report.backup.as_ref().unwrap();
    BackupPath { class: backup.class.clone(), database: report.database.clone(), id: backup.id.clone() }
}

#[tokio::test]
async fn the_newest_drill_that_found_something_out_decides_what_is_proven() {
    let (_folder, store) = store();
    let (passed, failed) = (Verdict::Passed, Verdict::Failed);
    let older = "20261101T021700Z-aabbcc";
    for (drill, verdict, backup) in [
        ("20261101T040000Z-000001", passed, older),
        ("20261102T040000Z-000002", failed, older),
        ("20261103T040000Z-000006", Verdict::Inconclusive, older),
        ("20261201T040000Z-000003", passed, "20261201T021700Z-aabbcc"),
        ("20261202T040000Z-000004", passed, "20261201T021700Z-aabbcc"),
        ("20261203T040000Z-000005", Verdict::Inconclusive, "20261203T021700Z-aabbcc"),
    ] {
        let mut report = report(drill, verdict);
        report.backup.as_mut().unwrap().id = backup.parse().unwrap();
        if drill.starts_with("20261203") {
            report.checks.clear();
        }
        recorded(&report, None, &store).await;
    }
    let shop: Name = "shop".parse().unwrap();
    let of = |id: &str| BackupPath { class: "daily".parse().unwrap(), database: shop.clone(), id: id.parse().unwrap() };
    let backups = [of(older), of("20261201T021700Z-aabbcc"), of("20261203T021700Z-aabbcc")];
    let proven = proofs(&backups, &store, &job()).await.unwrap();
    let drill = |path| proven.of(path).map(|proof| proof.drill.as_str());
    assert_eq!(drill(&backups[0]), None, "a later drill failed");
    let failed = |path| proven.failure_of(path).map(|failure| failure.drill.as_str());
    assert_eq!(failed(&backups[0]), Some("20261102T040000Z-000002"));
    assert_eq!((failed(&backups[1]), failed(&backups[2])), (None, None));
    assert_eq!(drill(&backups[1]), Some("20261202T040000Z-000004"));
    assert_eq!(drill(&backups[2]), None);
    assert_eq!(proven.newest(&shop).unwrap().0, &backups[1]);
    assert_eq!(proven.newest(&"crm".parse().unwrap()), None);
    let gone = proofs(&backups[..1], &store, &job()).await.unwrap();
    assert_eq!(gone.newest(&shop), None, "a backup that is gone is not the one to keep");

    let earlier = earlier_reports(&shop, 2, &store, &OpenKeys::default(), &job()).await.unwrap();
    let ids: Vec<_> = earlier.iter().map(|report| report.drill.as_str()).collect();
    let two_that_compared_rows = ["20261203T040000Z-000005", "20261202T040000Z-000004", "20261201T040000Z-000003"];
    assert_eq!(ids, two_that_compared_rows);
}

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Monitor for Warnings {
    fn event(&self, event: &Event<'_>) {
        if let Event::Warning(text) = event {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}

#[tokio::test]
async fn reports_that_no_key_opens_are_told_of_in_one_line() {
    let (_folder, store) = store();
    for drill in ["20261101T040000Z-000001", "20261102T040000Z-000002", "20261103T040000Z-000003"] {
        recorded(&report(drill, Verdict::Passed), Some(seal().0), &store).await;
    }
    let warnings = Arc::new(Warnings::default());
    let job = Job::new(warnings.clone(), CancellationToken::new());
    let shop: Name = "shop".parse().unwrap();
    assert_eq!(earlier_reports(&shop, 2, &store, &OpenKeys::default(), &job).await.unwrap(), []);
    let warnings = warnings.0.lock().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("3 earlier drills are passed over"), "{warnings:?}");
}

#[tokio::test]
async fn a_killed_drill_is_ended_in_its_stead_and_no_other_is() {
    let (_folder, store) = store();
    let (killed, alive) = (report("20261201T040000Z-000001", Verdict::Passed), "20261202T040000Z-000002");
    Recorder::begin(killed.start(), &store, None, &job()).await.unwrap();
    Recorder::begin(report(alive, Verdict::Passed).start(), &store, None, &job()).await.unwrap();
    let ended = report("20261203T040000Z-000003", Verdict::Passed);
    recorded(&ended, None, &store).await;
    let finder = Finder { host: "drills".to_owned(), seal: Some(seal().0), clock: Arc::new(SystemClock) };
    let dead = [killed.drill.clone(), ended.drill, "20261204T040000Z-000004".parse().unwrap()];
    for expected in [vec![(killed.database.clone(), killed.drill.clone())], vec![]] {
        assert_eq!(end_killed(&dead, &finder, &store, &job()).await.unwrap(), expected);
    }
    let listed = drills(None, "2026-12-02T05:00:00Z".parse().unwrap(), &store, &job()).await.unwrap();
    let verdicts: Vec<_> = listed.iter().map(|drill| drill.end().map(|end| (end.verdict, end.exit_code))).collect();
    assert_eq!(verdicts, [Some((Verdict::Passed, 0)), None, Some((Verdict::Inconclusive, 32))]);
    let told = read_report(&killed.database, &killed.drill, &store, &seal().1, &job()).await.unwrap();
    assert_eq!((told.started, &told.run), (killed.started, &killed.run));
    assert!(told.reasons[0].contains("it was killed"), "{told:?}");
}

#[tokio::test]
async fn a_drill_is_found_by_latest_and_by_the_beginning_of_its_id() {
    let (_folder, store) = store();
    for drill in ["20261101T040000Z-000001", "20261201T040000Z-000003"] {
        recorded(&report(drill, Verdict::Passed), None, &store).await;
    }
    for (name, expected) in [
        ("latest", Ok("20261201T040000Z-000003")),
        ("shop/latest", Ok("20261201T040000Z-000003")),
        ("202611", Ok("20261101T040000Z-000001")),
        ("2026", Err(Kind::Usage)),
        ("crm/latest", Err(Kind::NotFound)),
        ("2027", Err(Kind::NotFound)),
    ] {
        let reference: DrillRef = name.parse().unwrap();
        let found = find(&reference, &store, &job()).await.map(|(_, drill)| drill.to_string());
        assert_eq!(found.map_err(|error| error.kind()), expected.map(str::to_owned), "{name}");
    }
    assert_eq!("shop".parse::<DrillRef>().unwrap_err().kind(), Kind::Usage);
}
