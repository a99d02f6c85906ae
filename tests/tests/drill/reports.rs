//! What drills leave in a store, and every form in which it is read.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use lifeboat_core::drill::Verdict;
use lifeboat_drill::DrillReport;
use lifeboat_drill::report::FoundBackup;
use lifeboat_tests::{Identity, Seaweed, made};
use serde_json::Value;

use crate::recorded::{Recorded, python};

#[test]
fn drills_are_listed_and_their_backups_are_proven() {
    let recorded = Recorded::open();
    let listed = |expected: &str| {
        let text = recorded.depot.lifeboat("list").run().expect(0).stdout;
        let line = text.lines().nth(1).unwrap();
        assert!(line.contains(expected), "{text}");
    };
    assert!(recorded.drill("list").run().expect(0).stdout.starts_with("no drills in s3://"));
    let failed = recorded.report(1, Verdict::Failed);
    recorded.record(&failed);
    listed(" FAILED ");
    let json = recorded.depot.lifeboat("list").arg("--json").run().expect(0).result();
    assert_eq!(json["backups"][0]["failed_drill"]["drill"], failed.drill.as_str(), "{json}");
    assert!(json["backups"][0]["proven"].is_null(), "{json}");
    let passed = recorded.report(2, Verdict::Passed);
    recorded.record(&passed);
    listed(" ago, in part  available");
    let json = recorded.depot.lifeboat("list").arg("--json").run().expect(0).result();
    assert_eq!(json["backups"][0]["proven"]["drill"], passed.drill.as_str(), "{json}");
    assert!(json["backups"][0]["failed_drill"].is_null(), "{json}");

    let text = recorded.drill("list").run().expect(0).stdout;
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[1].contains("passed") && lines[1].contains("1m 24s") && lines[2].contains("failed"), "{text}");
    assert!(recorded.drill("list").arg("crm").run().expect(0).stdout.starts_with("no drills of crm"));
    let reader = recorded.drill("list").envs(Seaweed::shared().environment(Identity::Reader));
    assert_eq!(reader.run().expect(0).stdout, text, "a key that only reads is enough");
}

#[test]
fn a_list_of_backups_does_not_fail_for_a_record_of_a_drill() {
    let recorded = Recorded::sealed();
    let report = recorded.report(1, Verdict::Passed);
    recorded.record(&report);
    fs::write(recorded.depot.path(&format!("prod/drills/shop/{}.end.json", report.drill)), "{").unwrap();
    let outcome = recorded.depot.lifeboat("list").run().expect(0);
    assert!(outcome.stdout.lines().nth(1).unwrap().contains("-       available"), "{}", outcome.stdout);
    let listed = recorded.drill("list").run().expect(0).stdout;
    assert!(listed.contains("unreadable"), "{listed}");
}

#[test]
fn a_report_is_shown_in_every_form_and_validates_where_there_is_a_schema() {
    let recorded = Recorded::open();
    let report = recorded.report(1, Verdict::Failed);
    recorded.record(&report);
    let stored = recorded.depot.read(&format!("prod/drills/shop/{}/report.json", report.drill));
    assert_eq!(recorded.shown("json").as_bytes(), stored);
    let told = recorded.drill("show").args(["shop/latest", "--json"]).run().expect(0).result();
    assert_eq!(told["report"], serde_json::from_slice::<Value>(&stored).unwrap());
    for (form, said) in [
        ("text", "FAILED: the drill of shop"),
        ("markdown", "## 2026-01-31: drill of shop: failed"),
        ("junit", "<testsuite "),
        ("html", "<!DOCTYPE html>"),
    ] {
        assert!(recorded.shown(form).contains(said), "{form}");
    }
    recorded.drill("show").args(["shop/latest", "--form", "evidence"]).run().expect(10);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/drill-report.json");
    python(VALIDATE, &[&schema, &recorded.written("json")]);
    let refused = DrillReport {
        backup: None,
        not_opened: Some(FoundBackup { id: made::path(0).id, class: made::path(0).class }),
        ..recorded.report(2, Verdict::Inconclusive)
    };
    let named = recorded.depot.path("not-opened.json");
    fs::write(&named, refused.to_json().unwrap()).unwrap();
    python(VALIDATE, &[&schema, &named]);
    let counted = python(COUNT_TESTS, &[&recorded.written("junit")]);
    assert_eq!(counted.trim(), "restore passed, rows Failure, catalog passed, assert orders-are-recent Error");
}

const VALIDATE: &str = "
import json, sys, jsonschema
schema, report = (json.load(open(path)) for path in sys.argv[1:])
validator = jsonschema.Draft202012Validator(schema)
validator.check_schema(schema)
validator.validate(report)
for key in set(report) - {'not_opened'}:
    assert list(validator.iter_errors({k: v for k, v in report.items() if k != key})), key
report['drill'] = 'latest'
assert list(validator.iter_errors(report))
";
const COUNT_TESTS: &str = "
import sys, junitparser
suite, = junitparser.JUnitXml.fromfile(sys.argv[1])
cases = list(suite)
assert suite.tests == len(cases), suite.tests
assert suite.failures == sum(isinstance(r, junitparser.Failure) for c in cases for r in c.result)
assert suite.errors == sum(isinstance(r, junitparser.Error) for c in cases for r in c.result)
print(', '.join(f'{c.name} {type(c.result[0]).__name__ if c.result else \"passed\"}' for c in cases))
";

#[test]
fn a_start_without_an_end_is_a_drill_that_was_lost() {
    let recorded = Recorded::sealed();
    let report = recorded.report(1, Verdict::Passed);
    recorded.record(&report);
    fs::remove_file(recorded.depot.path(&format!("prod/drills/shop/{}.end.json", report.drill))).unwrap();
    let listed = recorded.drill("list").run().expect(0).stdout;
    assert!(listed.lines().nth(1).unwrap().contains("lost"), "{listed}");
    assert!(report.started < Timestamp::now());
    let backups = recorded.depot.lifeboat("list").run().expect(0).stdout;
    assert!(backups.lines().nth(1).unwrap().contains("-       available"), "{backups}");
}
