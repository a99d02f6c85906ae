//! `[[drill.assert]]`: one value of the operator's own SQL, and nothing but that.

use std::time::Duration;

use lifeboat_drill::Verdict;
use lifeboat_drill::check::{Assert, CheckOptions, assert_all};
use lifeboat_drill::report::CheckReport;
use lifeboat_tests::made::job;
use lifeboat_tests::{Major, Postgres, Way, fixtures, run};

use crate::restored::{How, Restored, settings};

const PLAIN: Way = Way { method: "stream", sealed: false, compression: "gzip" };

fn restored(major: Major) -> Restored {
    let shop = fixtures::small(major);
    shop.psql(
        "CREATE SCHEMA app; CREATE TABLE app.settings AS SELECT 'dark' AS theme;
         CREATE TABLE secrets AS SELECT 1 AS id; ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
         CREATE FUNCTION app.write() RETURNS int LANGUAGE sql AS 'DELETE FROM public.items RETURNING 1';",
    );
    shop.psql(&format!("ALTER DATABASE {} SET search_path = app, public", shop.name));
    Restored::of(&shop, PLAIN, major)
}

fn asserted(restored: &Restored, sql: &str, expect: &str, timeout: Duration) -> CheckReport {
    let assert = Assert { name: "it".into(), sql: sql.into(), expect: expect.parse().unwrap(), timeout };
    let how = How { options: CheckOptions { asserts: vec![assert], ..CheckOptions::default() }, ..How::default() };
    let target = settings(&restored.database);
    let reports = run(async { assert_all(&restored.subject(&target, &how), &job()).await });
    let report = reports.unwrap().pop().unwrap();
    assert_eq!(report.name, "assert it");
    report
}

const SECONDS: Duration = Duration::from_secs(20);

/// A query, what is expected of it, and what the check says.
const ASSERTED: &[(&str, &str, Verdict, &str)] = &[
    ("SELECT count(*) FROM orders", ">= 12000", Verdict::Passed, "it gives 12000"),
    ("SELECT count(*) FROM orders; -- all of them", "> 12000", Verdict::Failed, "it gives 12000; > 12000 is expected"),
    ("SELECT theme FROM settings", "= 'dark'", Verdict::Passed, "it gives dark"),
    ("SELECT sum(price) > 0 FROM items", "true", Verdict::Passed, "it gives t"),
    ("SELECT max(note) FROM orders WHERE false", "= 'x'", Verdict::Failed, "it gives NULL; = 'x' is expected"),
    ("SELECT max(placed_at) FROM orders", "fresh 26h", Verdict::Failed, "before the snapshot; fresh 26h is expected"),
    ("SELECT now()", "fresh 26h", Verdict::Passed, "0s before the snapshot"),
    ("SELECT sku FROM products", "= 'x'", Verdict::Inconclusive, "it gives several rows"),
    ("SELECT sku, title FROM products LIMIT 1", "= 'x'", Verdict::Inconclusive, "it gives 2 columns"),
    ("SELECT sku FROM products WHERE false", "= 'x'", Verdict::Inconclusive, "it gives no row"),
    ("SELECT sku FROM products LIMIT 1", "> 5", Verdict::Inconclusive, "cannot be compared with > 5"),
    ("SELECT 'yesterday, perhaps'", "fresh 1h", Verdict::Inconclusive, "which is no time"),
    ("SELECT count(*) FROM order", "> 5", Verdict::Inconclusive, "syntax error at or near \"order\""),
    ("SELECT count(*) FROM nowhere", "> 5", Verdict::Inconclusive, "relation \"nowhere\" does not exist"),
    ("SELECT 1; DROP TABLE items", "= 1", Verdict::Inconclusive, "multiple commands"),
    ("COMMIT", "= 1", Verdict::Inconclusive, "it gives 0 columns"),
    ("SELECT app.write()", "= 1", Verdict::Inconclusive, "read-only transaction"),
    ("DELETE FROM items RETURNING 1", "= 1", Verdict::Inconclusive, "syntax error"),
    ("SELECT 1 / (count(*) - count(*)) FROM orders", "= 1", Verdict::Inconclusive, "division by zero"),
];

fn an_assertion_says_what_it_got(major: Major) {
    let restored = restored(major);
    for (sql, expect, outcome, says) in ASSERTED {
        let report = asserted(&restored, sql, expect, SECONDS);
        assert_eq!(report.outcome, *outcome, "{sql}: {report:#?}");
        assert!(report.summary.contains(says), "{sql}: {report:#?}");
    }
    assert_eq!(restored.database.psql("SELECT count(*) FROM items"), "24000");

    let slow = asserted(&restored, "SELECT 1 FROM pg_sleep(60)", "= 1", Duration::from_millis(200));
    assert_eq!(slow.outcome, Verdict::Inconclusive, "{slow:#?}");
    assert!(slow.summary.starts_with("it did not end within"), "{slow:#?}");
}

#[test]
fn an_assertion_says_what_it_got_on_15() {
    an_assertion_says_what_it_got(Major::V15);
}

#[test]
fn an_assertion_says_what_it_got_on_18() {
    an_assertion_says_what_it_got(Major::V18);
}

#[test]
fn an_assertion_runs_without_the_rights_of_a_superuser_where_it_can_and_says_where_it_cannot() {
    let restored = restored(Major::V15);
    let report = asserted(&restored, "SELECT current_user", "= 'pg_read_all_data'", SECONDS);
    assert_eq!((report.outcome, report.findings.len()), (Verdict::Passed, 0), "{report:#?}");
    // Rows that a policy hides would look like missing ones.
    let report = asserted(&restored, "SELECT count(*) FROM secrets", "= 1", SECONDS);
    assert_eq!(report.outcome, Verdict::Passed, "{report:#?}");
    assert!(report.findings[0].starts_with("ran with all rights"), "{report:#?}");
}

#[test]
fn an_assertion_on_a_server_that_is_gone_is_inconclusive() {
    let restored = restored(Major::V15);
    let gone = Postgres::shared(Major::V15).adopt(&lifeboat_tests::unused_name("gone"));
    let assert = Assert { name: "it".into(), sql: "SELECT 1".into(), expect: "= 1".parse().unwrap(), timeout: SECONDS };
    let how = How { options: CheckOptions { asserts: vec![assert], ..CheckOptions::default() }, ..How::default() };
    let target = settings(&gone);
    let reports = run(async { assert_all(&restored.subject(&target, &how), &job()).await }).unwrap();
    assert_eq!(reports[0].outcome, Verdict::Inconclusive, "{reports:#?}");
    assert!(reports[0].summary.contains("does not exist"), "{reports:#?}");
}
