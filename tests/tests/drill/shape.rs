//! A backup of data that somebody destroyed restores like any other: it shows against the backup before.

use lifeboat_drill::check::Checked;
use lifeboat_drill::{DrillReport, Verdict};
use lifeboat_tests::{Major, Postgres, Way};

use crate::restored::{How, Restored, named, not_passed};

const WAY: Way = Way { method: "parallel", sealed: true, compression: "gzip" };

#[test]
fn encrypted_columns_and_lost_rows_show_against_the_backup_before() {
    let database = Postgres::shared(Major::V15).database("diary");
    database.psql(
        "CREATE TABLE notes (id int PRIMARY KEY, body text);
         INSERT INTO notes SELECT i, 'On day ' || i || ' we wrote that all was well, and went to bed at ' || i % 24
             || repeat('; nothing else happened', 5) FROM generate_series(1, 20000) i;
         CREATE TABLE visits (id int, what text);
         INSERT INTO visits SELECT i, 'somebody came by and looked at page ' || i FROM generate_series(1, 40000) i",
    );
    let restored = Restored::of(&database, WAY, Major::V15);
    let checked = restored.check(&restored.database, &How::default());
    assert!(checked.reports.iter().all(|report| report.name != "shape"), "there is nothing to compare with");
    assert!(checked.not_proven.iter().any(|open| open.why.contains("no backup before this one")));

    let same = shape_after(&restored, "SELECT 1");
    assert_eq!((same.0, same.1.as_slice()), (Verdict::Passed, &[][..]));
    let noise = "md5(random()::text) || md5(random()::text) || md5(random()::text) || md5(random()::text)";
    let (outcome, findings) = shape_after(&restored, &format!("UPDATE notes SET body = {noise}"));
    assert_eq!(outcome, Verdict::Failed);
    assert!(findings[0].starts_with("the rows of public.notes compressed"), "{findings:?}");
    let (outcome, findings) = shape_after(&restored, "DELETE FROM visits WHERE id > 10000");
    assert_eq!(outcome, Verdict::Failed);
    assert_eq!(findings[0], "public.visits shrank from 40,000 rows to 10,000 rows");

    // Destroyed the night before last: the backup before is no better.
    let destroyed = restored.copy();
    destroyed.psql("DELETE FROM visits WHERE id > 10000");
    let before = restored.next(&destroyed, WAY, Major::V15);
    let after = before.next(&destroyed, WAY, Major::V15);
    let drills = vec![passed(&restored, &checked)];
    let checked = after.check(&after.database, &How { earlier: Some(&before.archive), drills, ..How::default() });
    assert_eq!(not_passed(&checked.reports), ["shape since the last drill"], "{:#?}", checked.reports);
}

/// The report of a drill of this backup that found this.
fn passed(drilled: &Restored, checked: &Checked) -> DrillReport {
    let mut report: DrillReport = serde_json::from_str(EXAMPLE).unwrap();
    (report.verdict, report.tables) = (Verdict::Passed, checked.tables.clone());
    report.backup.as_mut().unwrap().id = drilled.archive.path.id.clone();
    report
}

const EXAMPLE: &str = include_str!("../../../docs/schema/drill-report.example.json");

/// What the check says of a backup that is taken after this change, against the one before.
fn shape_after(before: &Restored, change: &str) -> (Verdict, Vec<String>) {
    let changed = before.copy();
    changed.psql(change);
    let after = before.next(&changed, WAY, Major::V15);
    let checked = after.check(&after.database, &How { earlier: Some(&before.archive), ..How::default() });
    assert!(not_passed(&checked.reports).iter().all(|name| *name == "shape"), "{:#?}", checked.reports);
    let shape = named(&checked.reports, "shape");
    (shape.outcome, shape.findings.clone())
}
