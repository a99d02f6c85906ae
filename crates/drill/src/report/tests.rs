//! Every form says the same, and none of them is steered by what is in the backup.

use lifeboat_core::drill::{DrillEnd, Proven, Verdict};
use serde_json::json;

use super::{DrillReport, FoundBackup, html, junit, markdown, text};

/// The example beside the published schema.
pub(crate) const EXAMPLE: &str = include_str!("../../../../docs/schema/drill-report.example.json");

/// A report of everything: a check of each outcome, phases, tables.
pub(crate) fn example() -> DrillReport {
    serde_json::from_str(EXAMPLE).unwrap()
}

/// The report of a drill that passed.
fn passed() -> DrillReport {
    let mut report = example();
    report.verdict = Verdict::Passed;
    report.rows_proven = Proven::All;
    report.reasons.clear();
    report.not_proven.clear();
    for check in &mut report.checks {
        check.outcome = Verdict::Passed;
        check.findings.clear();
    }
    report.tables.iter_mut().for_each(|table| table.proven = true);
    report
}

/// A report whose texts are markup of every form, and steer terminals.
fn hostile() -> DrillReport {
    let mut report = example();
    report.tables[1].name = HOSTILE.to_owned();
    report.checks[0].findings = vec![HOSTILE.to_owned()];
    report.checks[1].name = HOSTILE.to_owned();
    report.checks[2].summary = HOSTILE.to_owned();
    report.host = HOSTILE.to_owned();
    report.reasons = vec![HOSTILE.to_owned()];
    report.proven = vec![HOSTILE.to_owned()];
    report.not_proven[0].what = HOSTILE.to_owned();
    report.warnings = vec![HOSTILE.to_owned()];
    report
}

const HOSTILE: &str = "<script>alert(1)</script>\" onload='x' &amp; ]]> |`*_[a](b) \u{1b}[31m\0\u{202e} a\nb";

fn ends() -> Vec<DrillEnd> {
    let end = |month: u32, verdict: &str, rto: Option<f64>| {
        let id = format!("2026{month:02}01T040000Z-7f3a9c");
        serde_json::from_value(json!({
            "format": 1, "tool": "lifeboat 0.1.0", "drill": id, "run": id, "database": "shop",
            "started": format!("2026-{month:02}-01T04:00:00Z"), "finished": format!("2026-{month:02}-01T04:02:00Z"),
            "class": "daily", "backup": id, "verdict": verdict, "exit_code": 0, "proven": "all", "rto_seconds": rto,
            "stored_bytes": u64::from(month) << 26, "sql_bytes": 1, "rows": 10,
        }))
        .unwrap()
    };
    vec![end(10, "passed", Some(40.0)), end(11, "inconclusive", None), end(12, "failed", Some(74.2))]
}

fn forms(report: &DrillReport) -> [(&'static str, String); 4] {
    [("text", text(report)), ("markdown", markdown(report)), ("junit", junit(report)), ("html", html(report, &ends()))]
}

#[test]
fn every_form_tells_verdict_times_checks_and_what_is_not_proven() {
    for (form, written) in forms(&example()) {
        for said in [
            "1m 14s",
            "within the target of 2h 00m",
            "1h 42m",
            "catalog",
            "412 definitions of 17 classes",
            "public.orders: 1 row is missing",
            "20261201T021700Z-aabbcc",
            "15.14",
            "clean up",
            "every byte that was restored is the one that was stored",
            "its rows are not those that were dumped",
            "the role reporting is not there",
            "drills.example.org",
        ] {
            assert!(written.contains(said), "{form} does not say {said}:\n{written}");
        }
        assert!(written.to_lowercase().contains("failed"), "{form}");
    }
}

#[test]
fn a_missed_target_is_said() {
    let mut report = passed();
    report.rto.target_seconds = Some(60.0);
    for (form, written) in forms(&report) {
        assert!(written.contains("MORE than the target of 1m 00s"), "{form}:\n{written}");
    }
}

#[test]
fn a_drill_that_found_no_backup_has_every_form() {
    let report: DrillReport = serde_json::from_value(json!({
        "format": 1, "tool": "lifeboat 0.1.0", "drill": "20261201T040000Z-7f3a9c", "run": "20261201T040000Z-7f3a9c",
        "database": "shop", "host": "h", "started": "2026-12-01T04:00:00Z", "finished": "2026-12-01T04:00:01Z",
        "verdict": "failed", "reasons": ["there is no backup of shop"], "error_kind": "not_found", "backup": null,
        "scratch": null, "rto": {"seconds": null, "target_seconds": null, "phases": []}, "rpo": null, "checks": [],
        "rows_proven": "none", "proven": [], "not_proven": [], "tables": [], "warnings": [],
    }))
    .unwrap();
    for (form, written) in forms(&report) {
        assert!(written.contains("there is no backup of shop") && written.contains("never could be used"), "{form}");
    }
    assert!(junit(&report).contains("tests=\"1\" failures=\"1\" errors=\"0\""), "{}", junit(&report));
}

#[test]
fn nothing_in_a_backup_steers_a_form() {
    let report = hostile();
    for (form, written) in forms(&report) {
        assert!(!written.contains(['\u{1b}', '\0', '\u{202e}']), "{form}");
    }
    for written in [html(&report, &ends()), junit(&report)] {
        assert!(!written.contains("<script") && !written.contains("onload='"), "{written}");
    }
    assert!(!markdown(&report).contains("<script"));
    let table = markdown(&report);
    let rows = table.lines().filter(|line| line.starts_with("| assert"));
    // As many cells as the head has: three, between four bars that are not escaped.
    assert!(rows.map(|row| row.replace("\\|", "").matches('|').count()).all(|bars| bars == 4), "{table}");
    assert!(!table.contains("[a](b)"), "{table}");
}

#[test]
fn the_page_needs_nothing_else() {
    let page = html(&example(), &ends());
    for loads in ["http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_page_draws_earlier_drills_once_there_are_some() {
    assert_eq!(html(&example(), &ends()).matches("<svg viewBox=\"0 0 320").count(), 2);
    assert_eq!(html(&example(), &ends()[..1]).matches("<svg viewBox=\"0 0 320").count(), 0);
    let nothing = DrillEnd { rto_seconds: None, stored_bytes: 0, ..ends()[0].clone() };
    let flat = html(&example(), &[nothing.clone(), nothing]);
    assert!(!flat.contains("NaN") && !flat.contains("inf"), "a chart of nothing has no size to divide by");
}

#[test]
fn a_suite_is_green_only_when_the_drill_passed() {
    let counts = |report: &DrillReport| {
        let xml = junit(report);
        let count = |name: &str| {
            let rest = &xml[xml.find(&format!(" {name}=\"")).unwrap() + name.len() + 3..];
            rest[..rest.find('"').unwrap()].parse::<usize>().unwrap()
        };
        (count("tests"), count("failures"), count("errors"))
    };
    assert_eq!(counts(&passed()), (4, 0, 0));
    assert_eq!(counts(&example()), (4, 1, 1));
    for (verdict, expected) in [(Verdict::Failed, (5, 1, 0)), (Verdict::Inconclusive, (5, 0, 1))] {
        let report = DrillReport { verdict, reasons: vec!["no check proved data".to_owned()], ..passed() };
        assert_eq!(counts(&report), expected);
    }
}

#[test]
fn a_cancelled_drill_ends_with_the_signals_code() {
    let mut report = example();
    assert_eq!(report.exit_code(), 31);
    report.error_kind = Some("cancelled".to_owned());
    assert_eq!(report.exit_code(), 143);
}

#[test]
fn a_report_that_lies_elsewhere_is_refused() {
    let report = example();
    let json = report.to_json().unwrap();
    assert_eq!(DrillReport::parse(&json, &report.database, &report.drill).unwrap(), report);
    for (database, drill) in [("crm", "20261201T040000Z-7f3a9c"), ("shop", "20261201T040000Z-000000")] {
        assert!(DrillReport::parse(&json, &database.parse().unwrap(), &drill.parse().unwrap()).is_err());
    }
}

/// The text form, whole: what an operator reads after a drill.
#[test]
fn a_backup_that_was_not_opened_is_named_and_none_is_only_where_none_was_found() {
    let found = FoundBackup { id: "20261121T021700Z-7f3a9c".parse().unwrap(), class: "daily".parse().unwrap() };
    let said = |not_opened, error_kind: &str| {
        let error_kind = Some(error_kind.to_owned());
        text(&DrillReport { backup: None, not_opened, error_kind, ..example() })
    };
    assert!(said(Some(found), "wrong_key").contains("20261121T021700Z-7f3a9c (daily) was found, and was not opened"));
    assert!(said(None, "not_found").contains("none was found"));
    assert!(!said(None, "try_again").contains("none was found"));
}

#[test]
fn the_text_is_as_written() {
    let expected = "\
FAILED: the drill of shop

  rows: public.orders: 1 row is missing

Database       shop
Drill          20261201T040000Z-7f3a9c on drills.example.org
Began          2026-12-01 04:00:00 UTC
Backup         20261201T021700Z-aabbcc (daily, parallel, encrypted): 12,345,678 rows, 3.00 GiB of SQL, 700 MiB stored
Snapshot       2026-12-01 02:17:01 UTC
Restored into  cluster, PostgreSQL 15.14; not durable: fsync is off
RTO            1m 14s, within the target of 2h 00m
RPO            1h 42m, within the target of 1d 02h
Rows compared  those of 2 of 3 tables

Time
  find      0.3 s
  scratch   1.4 s
  restore   1m 12s
  checks    31.8 s  not part of the RTO
  smoke     2.1 s   not part of the RTO
  clean up  1.3 s   not part of the RTO

Checks
  failed        rows                      1 of 3 tables is not what was dumped
      public.orders: 1 row is missing
  passed        catalog                   412 definitions of 17 classes
  inconclusive  assert orders-are-recent  the query was ended after 60 s

Proven
  every byte that was restored is the one that was stored
  2 of 3 tables hold the rows that were dumped

Not proven
  public.orders: its rows are not those that were dumped

Warnings
  the role reporting is not there: what is granted to it was skipped
";
    assert_eq!(text(&example()), expected);
}
