//! Mistakes in `lifeboat.toml`, flags and variables.

use std::fs;

use lifeboat_tests::{Lifeboat, Outcome};
use tempfile::TempDir;

use crate::shop::assert_refused;

fn check(text: &str) -> Outcome {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lifeboat.toml");
    fs::write(&path, text).unwrap();
    Lifeboat::new().args(["config", "check", "--config"]).arg(path).run()
}

#[test]
fn every_misspelt_key_is_named_at_once_with_line_and_column_and_a_suggestion() {
    let outcome = check(
        "stor = \"s3://bucket/prod\"\n\n[backup]\n  stall_timout = \"30m\"\nparts_in_flight = 0\n\n\
         [[database]]\nname = \"shop\"\nurll = \"env:X\"\n",
    );
    assert_refused(
        outcome,
        78,
        &[
            "lifeboat.toml:1:1",
            "lifeboat.toml:4:3",
            "lifeboat.toml:5:",
            "lifeboat.toml:9:1",
            "did you mean",
            "store",
            "stall_timeout",
            "url",
        ],
    );
}

#[test]
fn the_problems_are_listed_in_the_record_too() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("lifeboat.toml"), "stor = 1\nclas = 2\n").unwrap();
    let config = folder.path().join("lifeboat.toml");
    let outcome = Lifeboat::new().args(["config", "check", "--json", "--config"]).arg(config).run().expect(78);
    let record = outcome.last_record();
    assert_eq!(record["problems"].as_array().map(Vec::len), Some(2), "{record}");
    assert_eq!(record["exit_kind"], "config");
}

#[test]
fn a_file_that_is_no_toml_is_refused_where_it_stops_being_it() {
    assert_refused(check("store = \"s3://bucket\"\n[backup\n"), 78, &["lifeboat.toml:2:"]);
}

#[test]
fn a_file_that_is_not_there_is_no_empty_one() {
    let outcome = Lifeboat::new().args(["config", "check", "--config", "/nowhere/lifeboat.toml"]).run();
    assert_refused(outcome, 78, &["/nowhere/lifeboat.toml"]);
}

#[test]
fn a_secret_in_the_file_is_refused_and_masked() {
    let outcome = check(
        "store = \"s3://bucket/prod\"\n[[database]]\nname = \"shop\"\nurl = \"postgres://app:canary-77aa@db/shop\"\n",
    );
    let outcome = assert_refused(outcome, 78, &["lifeboat.toml:4:", "carries a password"]);
    assert!(!outcome.text().contains("canary-77aa"), "{}", outcome.stderr);
}

#[test]
fn a_key_of_the_store_must_be_a_reference() {
    let outcome = check(
        "[store]\nurl = \"s3://bucket/prod\"\naccess_key_id = \"env:K\"\nsecret_access_key = \"canary-77aa\"\n\
         [[database]]\nname = \"shop\"\nurl = \"env:X\"\n",
    );
    let outcome = assert_refused(outcome, 78, &["lifeboat.toml:4:", "a secret stands here"]);
    assert!(!outcome.text().contains("canary-77aa"), "{}", outcome.stderr);
}

#[test]
fn no_store_is_a_mistake_in_the_configuration_and_says_how_to_name_one() {
    for command in ["list", "show latest", "verify latest", "cat latest", "download latest --to x"] {
        let outcome = Lifeboat::new().args(command.split(' ')).run();
        assert_refused(outcome, 78, &["none is configured", "--store", "LIFEBOAT_STORE"]);
    }
    let backup = ["backup", "--name", "shop", "--database-url", "postgresql://127.0.0.1:1/shop"];
    assert_refused(Lifeboat::new().args(backup).run(), 78, &["none is configured"]);
}

#[test]
fn a_method_that_nobody_knows_is_refused_by_name() {
    let arguments = ["backup", "--store", "file:///nowhere", "--name", "shop", "--database-url", "env:X"];
    let outcome = Lifeboat::new().args(arguments).args(["--method", "turbo"]).run();
    assert_refused(outcome, 78, &["--method", "turbo", "auto", "parallel", "stream"]);
}

#[test]
fn names_that_would_not_be_safe_in_a_store_are_refused() {
    for name in ["Shop", "shop/x", "../shop", "a b", "", "-shop", "caf\u{e9}"] {
        let outcome = Lifeboat::new()
            .args(["backup", "--store", "file:///nowhere", "--database-url", "env:X"])
            .arg(format!("--name={name}"))
            .run();
        assert_refused(outcome, 78, &["--name"]);
        let arguments = ["backup", "--store", "file:///nowhere", "--name", "shop", "--database-url", "env:X"];
        let outcome = Lifeboat::new().args(arguments).arg(format!("--class={name}")).run();
        assert_refused(outcome, 78, &["--class"]);
    }
}

#[test]
fn addresses_that_are_no_stores_are_refused() {
    for store in ["s3://", "ftp://bucket/x", "bucket", "file://relative/path", "s3:bucket"] {
        let outcome = Lifeboat::new().args(["list", "--store", store]).run();
        assert_refused(outcome, 78, &["--store"]);
    }
}

#[test]
fn a_reference_to_a_secret_that_is_not_there_says_which() {
    let folder = TempDir::new().unwrap();
    let open = folder.path().join("open");
    fs::write(&open, "postgresql://127.0.0.1/shop").unwrap();
    let open = format!("file:{}", open.display());
    for (reference, words) in [
        ("env:NOT_SET", "is not set"),
        ("file:/nowhere/secret", "read the secret file:/nowhere/secret"),
        (open.as_str(), "is open to others"),
        ("credential:dsn", "needs systemd"),
        (r#"command:["false"]"#, "failed"),
    ] {
        let outcome = Lifeboat::new()
            .args(["backup", "--store", "file:///nowhere", "--name", "shop", "--database-url", reference])
            .run();
        assert_refused(outcome, 78, &[words]);
    }
}

#[test]
fn a_check_finds_out_whether_what_the_file_names_is_there() {
    let (folder, mistyped) = (TempDir::new().unwrap(), "tools_dri = \"/x\"\n");
    let [tools, keyring] = ["tools", "keyring.toml"].map(|name| folder.path().join(name).display().to_string());
    fs::create_dir(&tools).unwrap();
    fs::write(&keyring, "").unwrap();
    let text = format!(
        "[store]\nurl = \"s3://bucket/x\"\naccess_key_id = \"env:NO_ID\"\nsecret_access_key = \"env:NO_KEY\"\n\
         [encryption]\nkeyring = \"file:{keyring}\"\n\
         [[database]]\nname = \"shop\"\nurl = \"command:[\\\"echo\\\", \\\"host=x canary\\\"]\"\n\
         [[database]]\nname = \"ledger\"\nurl = \"env:NO_URL\"\ntools_dir = \"{tools}\"\n{mistyped}"
    );
    let words = [
        ":3:17: read the secret env:NO_ID: it is not set",
        ":4:21: read the secret env:NO_KEY",
        ":6:11: read the keyring",
        "it is open to others",
        ":9:7: read its connection string",
        ":12:7: read the secret env:NO_URL",
        "it holds no pg_dump",
        "unknown key `tools_dri`",
        "7 problems",
    ];
    fs::write(folder.path().join("lifeboat.toml"), &text).unwrap();
    let config = folder.path().join("lifeboat.toml");
    let outcome = Lifeboat::new().args(["config", "check", "--json", "--config"]).arg(config).run().expect(78);
    let told = outcome.last_record()["error"].as_str().unwrap().to_owned();
    for word in words {
        assert!(told.contains(word), "{word:?} in {told}");
    }
    assert!(!check(&text).text().contains("x canary\n"));
}

#[test]
fn a_check_tells_one_cause_once_and_at_its_line() {
    let config = tempfile::NamedTempFile::new().unwrap();
    let keys = "access_key_id = \"env:AWS_ACCESS_KEY_ID\"\nsecret_access_key = \"env:AWS_SECRET_ACCESS_KEY\"\n";
    let database = "[[database]]\nname = \"shop\"\ntools_prefix = [\"env\"]\n";
    let told = |endpoint: &str, environment: &[(&str, &str)]| {
        let text = format!("[store]\nurl = \"s3://bucket/x\"\nregion = \"x\"\n{endpoint}{keys}{database}");
        fs::write(config.path(), text).unwrap();
        let check = Lifeboat::new().args(["config", "check", "--json", "--config"]).arg(config.path());
        check.envs(environment.iter().copied()).run().last_record()
    };
    let (id, secret) = (("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "y"));
    let one = |record: &serde_json::Value| match record["problems"].as_array().unwrap().as_slice() {
        [problem] => problem.as_str().unwrap().to_owned(),
        others => panic!("{others:?}"),
    };
    assert!(one(&told("", &[secret])).ends_with(":4:17: read the secret env:AWS_ACCESS_KEY_ID: it is not set"));
    let http = "endpoint = \"http://127.0.0.1:1\"\n";
    assert!(one(&told(http, &[id, secret])).ends_with(":4:12: use this endpoint: plain http is not allowed"));
    assert_eq!(told(&format!("{http}allow_http = true\n"), &[id, secret])["ok"], true);
    assert_eq!(told(http, &[id, secret, ("AWS_ALLOW_HTTP", "true")])["ok"], true);

    told(http, &[]);
    let list = Lifeboat::new().args(["list", "--config"]).arg(config.path()).envs([id, secret]).run();
    assert_refused(list, 78, &["open s3://bucket/x: plain http is not allowed", "allow_http = true", "AWS_ALLOW_HTTP"]);
}

#[test]
fn two_databases_of_one_name_are_refused() {
    let database = "[[database]]\nname = \"shop\"\nurl = \"env:X\"\n";
    let outcome = check(&format!("store = \"s3://bucket/x\"\n{database}{database}"));
    assert_refused(outcome, 78, &["lifeboat.toml:6:", "taken by line 3"]);
}

#[test]
fn a_password_in_a_tools_prefix_is_refused_and_not_repeated() {
    let outcome = Lifeboat::new()
        .args(["backup", "--store", "file:///nowhere", "--name", "shop"])
        .env("LIFEBOAT_TOOLS_PREFIX", "env PGPASSWORD=hunter2-canary ssh db")
        .run()
        .expect(78);
    assert!(outcome.text().contains("a password stands in a command line"), "{}", outcome.text());
    assert!(!outcome.text().contains("hunter2-canary"), "{}", outcome.text());
}
