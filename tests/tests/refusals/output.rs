//! Data on stdout, everything else on stderr; with `--json` the last record is always the result.

use lifeboat_tests::{Major, Outcome};

use crate::shop::{Shop, Store};

#[track_caller]
fn assert_records(outcome: &Outcome, exit_kind: &str) {
    let records = outcome.records();
    for record in &records {
        let schema = record["schema"].as_str().unwrap_or_default();
        assert!(schema.starts_with("lifeboat/") && schema.ends_with("/v1"), "{record}");
        assert!(record["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{record}");
    }
    let results = records.iter().filter(|record| record["schema"] == "lifeboat/result/v1").count();
    assert_eq!(results, 1, "{}", outcome.stdout);
    let last = outcome.last_record();
    assert_eq!((&last["exit_kind"], &last["exit_code"]), (&exit_kind.into(), &outcome.code().into()), "{last}");
    assert_eq!(last["ok"], outcome.code() == 0);
    let told = if outcome.code() == 0 { &last["result"] } else { &last["error"] };
    assert!(!told.is_null(), "{last}");
}

#[test]
fn the_last_record_of_every_command_is_the_result() {
    let shop = Shop::new(Major::V15);
    assert_records(&shop.backup().arg("--json").run().expect(0), "success");
    let folder = tempfile::TempDir::new().unwrap();
    let download = format!("download shop/latest --to {}", folder.path().join("new").display());
    for command in ["list", "show shop/latest", "verify shop/latest", &download, "exit-codes", "config show"] {
        assert_records(&shop.store.lifeboat(command).arg("--json").run().expect(0), "success");
    }
    let check = shop.store.lifeboat("config check --name shop --json").env("LIFEBOAT_DATABASE_URL", "env:X");
    assert_records(&check.env("X", shop.database.dsn()).run().expect(0), "success");
    let copy = shop.database.server.adopt(&format!("{}_copy", shop.database.name));
    assert_records(&shop.store.restore(&copy.dsn()).args(["--create", "--json"]).run().expect(0), "success");
}

#[test]
fn the_last_record_of_every_failure_is_the_result() {
    let store = Store::new();
    for (command, kind) in [
        ("show latest", "not_found"),
        ("verify shop/latest", "not_found"),
        ("download latest --to /nowhere", "not_found"),
        ("restore latest --into postgresql://127.0.0.1:1/x", "not_found"),
        ("show nonsense", "usage"),
        ("config check", "config"),
        ("backup", "config"),
    ] {
        assert_records(&store.lifeboat(command).arg("--json").run(), kind);
    }
}

#[test]
fn progress_goes_to_stderr_and_data_to_stdout() {
    let shop = Shop::new(Major::V15);
    let backup = shop.backup().run().expect(0);
    assert!(backup.stdout.starts_with("BACKUP"), "{}", backup.stdout);
    assert_eq!(backup.stdout.lines().count(), 2, "{}", backup.stdout);
    assert!(!backup.stderr.is_empty());
    let cat = shop.store.lifeboat("cat shop/latest").run().expect(0);
    assert!(cat.stdout.starts_with("SET "), "{}", &cat.stdout[..200]);
    assert!(cat.stdout.contains("-- PostgreSQL database dump complete"), "the script ends as pg_dump's does");
    let quiet = shop.backup().arg("--quiet").run().expect(0);
    assert_eq!(quiet.stderr, "");
    let json = shop.backup().arg("--json").run().expect(0);
    assert_eq!(json.stderr, "");
}

#[test]
fn a_usage_error_is_on_stderr_and_help_on_stdout() {
    let store = Store::new();
    let usage = store.lifeboat("restore").run().expect(2);
    assert!(usage.stdout.is_empty() && usage.stderr.contains("--into"), "{}", usage.text());
    let help = store.lifeboat("restore --help").run().expect(0);
    assert!(help.stderr.is_empty() && help.stdout.contains("--into"), "{}", help.text());
}

#[test]
fn one_failure_among_several_databases_is_partial_and_the_others_are_there() {
    let shop = Shop::new(Major::V15);
    let config = tempfile::NamedTempFile::new().unwrap();
    let databases = [("first", "GOOD"), ("second", "BAD"), ("third", "GOOD")]
        .map(|(name, variable)| format!("[[database]]\nname = \"{name}\"\nurl = \"env:{variable}\"\n"));
    std::fs::write(config.path(), databases.concat()).unwrap();
    let run = |arguments: &[&str]| {
        let backup = shop.store.lifeboat("backup").args(arguments).env("LIFEBOAT_CONFIG", config.path());
        backup.env("GOOD", shop.database.dsn()).env("BAD", shop.database.server.dsn("no_such_database")).run()
    };
    let outcome = run(&[]).expect(3);
    assert!(outcome.stderr.contains("second") && outcome.stderr.contains("no_such_database"), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("first/") && outcome.stdout.contains("third/"), "{}", outcome.stdout);
    let record = run(&["--json"]).expect(3).last_record();
    assert_eq!(record["result"]["failed"][0]["exit_kind"], "database");
    assert_eq!(record["result"]["backups"].as_array().unwrap().len(), 2);
    run(&["first"]).expect(0);
    run(&["second"]).expect(20);
    run(&["fourth"]).expect(2);
}
