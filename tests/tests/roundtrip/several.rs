//! Several databases in one run, and one run per database at a time.

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::{Backup, Depot, Lifeboat, Major, Postgres, Way, every_method, fixtures, unused_name};
use serde_json::{Value, json};
use tempfile::TempDir;

use lifeboat_tests::session::{Held, LEADER_WAITS, wait_for};

const CONFIG: &str = "
[[database]]
name = \"first\"
url = \"env:FIRST_URL\"

[[database]]
name = \"missing\"
url = \"env:MISSING_URL\"

[[database]]
name = \"last\"
url = \"env:LAST_URL\"
";

/// What the only run of the store wrote when it ended.
fn end_of_run(depot: &Depot) -> Value {
    let objects = depot.bucket().objects();
    let ends: Vec<_> = objects.keys().filter(|key| key.contains("/runs/") && key.ends_with(".end.json")).collect();
    assert_eq!(ends.len(), 1, "{objects:?}");
    serde_json::from_slice(&depot.bucket().read(ends[0])).unwrap()
}

fn configured(depot: &Depot, folder: &TempDir) -> Lifeboat {
    let config = folder.path().join("lifeboat.toml");
    std::fs::write(&config, CONFIG).unwrap();
    depot.lifeboat("backup").arg("--json").arg("--config").arg(config)
}

every_method!(
    a_database_that_fails_does_not_stop_the_others,
    a_second_run_on_the_same_database_ends_with_11_and_harms_nothing,
);

fn a_database_that_fails_does_not_stop_the_others(way: Way) {
    let (depot, folder) = (Depot::s3().by(way), TempDir::new().unwrap());
    let server = Postgres::shared(Major::V15);
    let [first, last] = [Major::V15, Major::V15].map(fixtures::small);
    last.psql("DELETE FROM items WHERE order_id IN (SELECT id FROM orders ORDER BY id LIMIT 10)");
    let outcome = configured(&depot, &folder)
        .env("FIRST_URL", first.dsn())
        .env("MISSING_URL", server.dsn("no_such_database"))
        .env("LAST_URL", last.dsn())
        .run()
        .expect(3);

    let result = outcome.result();
    let done: Vec<_> = result["backups"].as_array().unwrap().iter().map(|backup| backup["database"].clone()).collect();
    assert_eq!(done, [json!("first"), json!("last")]);
    let failed = &result["failed"];
    assert_eq!((&failed[0]["database"], &failed[0]["exit_code"]), (&json!("missing"), &json!(20)));
    assert!(failed[0]["error"].as_str().unwrap().contains("no_such_database"), "{failed}");
    assert_eq!(failed.as_array().unwrap().len(), 1);
    assert!(outcome.stderr.contains("missing"), "{}", outcome.stderr);

    let end = end_of_run(&depot);
    assert_eq!(end["exit_code"], 3);
    let by_database: Vec<_> =
        end["results"].as_array().unwrap().iter().map(|r| (r["database"].clone(), r["backup"].is_string())).collect();
    assert_eq!(by_database, [(json!("first"), true), (json!("missing"), false), (json!("last"), true)]);
    assert!(end["results"][1]["error"].as_str().unwrap().contains("no_such_database"), "{end}");

    for (name, original) in [("first", &first), ("last", &last)] {
        let restored = server.adopt(&unused_name(name));
        let restore =
            depot.lifeboat("restore").arg(format!("{name}/latest")).args(["--into", "env:TARGET", "--create"]);
        restore.env("TARGET", server.dsn(&restored.name)).run().expect(0);
        assert_same(original, &restored);
    }
}

#[test]
fn a_secret_that_is_not_there_is_the_failure_of_its_database_alone() {
    let (depot, folder) = (Depot::s3(), TempDir::new().unwrap());
    let [first, last] = [Major::V15, Major::V15].map(fixtures::small);
    let urls = [("FIRST_URL", first.dsn()), ("LAST_URL", last.dsn())];
    let outcome = configured(&depot, &folder).envs(urls.clone()).run().expect(3);
    let told = outcome.result();
    let done: Vec<_> = told["backups"].as_array().unwrap().iter().map(|backup| backup["database"].clone()).collect();
    assert_eq!(done, [json!("first"), json!("last")]);
    assert_eq!((&told["failed"][0]["database"], &told["failed"][0]["exit_code"]), (&json!("missing"), &json!(78)));
    assert!(outcome.stderr.contains("back up missing: read the secret env:MISSING_URL"));
    assert!(outcome.stderr.contains("hint: set and export MISSING_URL"), "{}", outcome.stderr);
    let end = end_of_run(&depot);
    assert_eq!((&end["exit_code"], &end["results"][1]["error_kind"]), (&json!(3), &json!("config")));

    let planned = configured(&depot, &folder).arg("--dry-run").envs(urls).run().expect(3);
    assert_eq!(planned.result()["plans"].as_array().unwrap().len(), 2);
    assert!(
        planned.stderr.contains("plan the backup of missing: read the secret env:MISSING_URL"),
        "{}",
        planned.stderr
    );
    configured(&depot, &folder).arg("missing").run().expect(78);
}

#[test]
fn one_of_several_can_be_named_and_all_that_fail_are_told() {
    let (depot, folder) = (Depot::s3(), TempDir::new().unwrap());
    let server = Postgres::shared(Major::V15);
    let first = fixtures::small(Major::V15);
    let named = configured(&depot, &folder).arg("first").env("FIRST_URL", first.dsn()).run().expect(0);
    assert_eq!(named.result()["backups"].as_array().unwrap().len(), 1);

    let missing = server.dsn("no_such_database");
    let urls = ["FIRST_URL", "MISSING_URL", "LAST_URL"].map(|name| (name, missing.clone()));
    let outcome = configured(&depot, &folder).envs(urls).run().expect(20);
    assert_eq!(outcome.result()["failed"].as_array().unwrap().len(), 3);
}

#[test]
fn a_dry_run_goes_on_after_a_database_that_fails() {
    let (depot, folder) = (Depot::s3(), TempDir::new().unwrap());
    let (server, original) = (Postgres::shared(Major::V15), fixtures::small(Major::V15));
    let outcome = configured(&depot, &folder)
        .arg("--dry-run")
        .envs(["FIRST_URL", "LAST_URL"].map(|name| (name, original.dsn())))
        .env("MISSING_URL", server.dsn("no_such_database"))
        .run()
        .expect(3);
    let result = outcome.result();
    let planned: Vec<_> = result["plans"].as_array().unwrap().iter().map(|plan| plan["database"].clone()).collect();
    assert_eq!(planned, [json!("first"), json!("last")]);
    assert_eq!((&result["failed"][0]["database"], &result["failed"][0]["exit_code"]), (&json!("missing"), &json!(20)));
    assert!(outcome.stderr.contains("plan the backup of missing"), "{}", outcome.stderr);
    assert!(depot.bucket().objects().is_empty());
}

fn a_second_run_on_the_same_database_ends_with_11_and_harms_nothing(way: Way) {
    let depot = Depot::s3().by(way);
    let original = fixtures::small(Major::V15);
    // A table that somebody else has locked holds the first run where it has its own lock already.
    let held = Held::new(&original, "BEGIN; LOCK TABLE orders");
    let first = depot.backup_command(&original).spawn();
    wait_for(&original, LEADER_WAITS);

    let second = depot.backup_command(&original).run().expect(11);
    assert!(second.text().contains("another run"), "{}", second.text());
    assert!(first.is_running());

    held.release();
    Backup::of(&first.wait().expect(0));
    assert_same(&original, &depot.restore(original.server, &[]));
    depot.backup(&original);
}
