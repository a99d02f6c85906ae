//! What became of every run, good and bad, and what `list` makes of what bad ones left.

use std::time::{Duration, Instant};

use lifeboat_tests::foreign::{Shelf, custom};
use lifeboat_tests::keyring::{DECEMBER, NOVEMBER, written};
use lifeboat_tests::{Lifeboat, Major, PATIENCE};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::shop::Shop;

fn listed(lifeboat: Lifeboat) -> Vec<Value> {
    lifeboat.arg("--json").run().expect(0).result()["runs"].as_array().unwrap().clone()
}

fn outcomes(runs: &[Value]) -> Vec<&str> {
    runs.iter().map(|run| run["outcome"].as_str().unwrap()).collect()
}

#[test]
fn runs_are_listed_with_what_became_of_them_and_why() {
    let shop = Shop::backed_up(Major::V15);
    let shelf = Shelf::new();
    let archive = shelf.put("shop.dump", &custom(&shop.database));
    let import = shop.store.lifeboat("import --name archive --taken-at mtime").arg(&archive);
    import.env("LIFEBOAT_TOOLS_DIR", &shop.database.server.installation.bin).run().expect(0);
    // Of runs of one second, ids do not tell which was the last.
    std::thread::sleep(Duration::from_millis(1100));
    shop.store.backup(&shop.database.server.dsn("no_such_database")).run().expect(20);

    let runs = listed(shop.store.lifeboat("runs"));
    assert_eq!(outcomes(&runs), ["failed: database", "ok", "ok"]);
    let good = &runs[2];
    assert_eq!((&good["databases"], &good["end"]["exit_code"]), (&json!(["shop"]), &json!(0)));
    assert!(good["stored_bytes"].as_u64().unwrap() > 1000 && good["seconds"].as_f64().unwrap() > 0.0, "{good}");
    assert!(good["end"]["finished"].is_string() && good["end"]["results"][0]["backup"].is_string(), "{good}");
    assert_eq!(listed(shop.store.lifeboat("runs --last 1")), runs[..1]);
    assert_eq!(listed(shop.store.lifeboat("runs archive")), runs[1..2]);
    assert_eq!(listed(shop.store.lifeboat("runs nobody")), [] as [Value; 0]);

    let text = shop.store.lifeboat("runs").run().expect(0).stdout;
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.lines().nth(1).unwrap().contains("failed: database") && !text.contains("no_such_database"), "{text}");
    let text = shop.store.lifeboat("runs --errors").run().expect(0).stdout;
    assert!(text.contains("no_such_database"), "{text}");
}

/// They may repeat a row.
#[test]
fn what_errors_say_is_opened_by_whoever_holds_the_key() {
    let (shop, folder) = (Shop::new(Major::V15), tempfile::TempDir::new().unwrap());
    let keyring = written(folder.path(), &[NOVEMBER]);
    let missing = shop.store.backup(&shop.database.server.dsn("no_such_database"));
    missing.args(["--keyring", &keyring]).run().expect(20);
    let errors = || shop.store.lifeboat("runs --errors");
    let told = errors().args(["--keyring", &keyring]).run().expect(0).stdout;
    assert!(told.contains("no_such_database"), "{told}");
    let runs = listed(errors().args(["--keyring", &keyring]));
    assert!(runs[0]["errors"][0]["error"].as_str().unwrap().contains("no_such_database"), "{runs:?}");

    let other = tempfile::TempDir::new().unwrap();
    let outcome = errors().args(["--keyring", &written(other.path(), &[DECEMBER])]).run().expect(0);
    assert!(
        outcome.stdout.contains("failed: database") && !outcome.text().contains("no_such_database"),
        "{}",
        outcome.text()
    );
    assert!(outcome.stderr.contains("could not read what went wrong in"), "{}", outcome.stderr);
}

#[test]
fn an_interrupted_run_is_told_at_once_and_what_it_left_is_no_longer_in_flight() {
    let (shop, folder) = (Shop::new(Major::V15), tempfile::TempDir::new().unwrap());
    shop.database.psql("CREATE TABLE more AS SELECT sha512(g::text::bytea) AS b FROM generate_series(1, 60000) g");
    let keyring = written(folder.path(), &[NOVEMBER]);
    let running = shop.backup().args(["--keyring", &keyring, "--bandwidth", "256KiB/s"]).spawn();
    let began = Instant::now();
    while shop.store.objects_of_backups().is_empty() {
        assert!(began.elapsed() < PATIENCE, "it wrote nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
    let state =
        |arguments: &str| shop.store.list(arguments).first().map(|backup| backup["state"].as_str().unwrap().to_owned());
    assert_eq!(state("").as_deref(), Some("in-flight"));
    assert_eq!(outcomes(&listed(shop.store.lifeboat("runs"))), ["runs, or lost"]);
    running.signal(Signal::TERM);
    running.wait().expect(143);

    assert!(!shop.store.objects_of_backups().is_empty(), "it left nothing");
    assert_eq!(outcomes(&listed(shop.store.lifeboat("runs"))), ["failed: cancelled"]);
    assert_eq!((state(""), state("--orphans").as_deref()), (None, Some("orphan")));
    let text = shop.store.lifeboat("list").run().expect(0).stdout;
    assert!(text.contains("no backups in") && text.contains("lifeboat runs"), "{text}");
}

#[test]
fn a_manifest_that_its_run_wrote_and_that_is_gone_is_told_as_damage() {
    let shop = Shop::backed_up(Major::V15);
    let manifest = shop.store.objects().into_keys().find(|name| name.ends_with("/manifest.json")).unwrap();
    shop.store.remove(&manifest);
    let backup = &shop.store.list("")[0];
    assert_eq!(backup["state"], "damaged", "{backup}");
    assert!(backup["reason"].as_str().unwrap().contains("manifest.json is missing"), "{backup}");
}

#[test]
fn a_record_that_is_damaged_is_told_and_the_others_are_listed() {
    let shop = Shop::backed_up(Major::V15);
    shop.backup().run().expect(0);
    let end = shop.store.objects().into_keys().rfind(|name| name.ends_with(".end.json")).unwrap();
    shop.store.write(&end, b"{\"format\": 1");
    let runs = listed(shop.store.lifeboat("runs"));
    let found = outcomes(&runs);
    assert!(
        found.len() == 2 && found.contains(&"ok") && found.iter().any(|it| it.starts_with("unreadable: ")),
        "{found:?}"
    );
}
