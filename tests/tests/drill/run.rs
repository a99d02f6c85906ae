//! `lifeboat drill run`: what it says, what it leaves, and what it ends with.

use std::time::Duration;

use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::{
    Depot, Fault, Identity, Lifeboat, Major, Postgres, Proxy, Seaweed, Way, When, every_way, keyring, unused_name,
};
use rustix::process::Signal;
use serde_json::Value;

use crate::world::{World, not_passed, report};

every_way!(an_untouched_backup_passes_on_15, an_untouched_backup_passes_on_18);

fn an_untouched_backup_passes_on_15(way: Way) {
    passes(Major::V15, way);
}

fn an_untouched_backup_passes_on_18(way: Way) {
    passes(Major::V18, way);
}

fn passes(major: Major, way: Way) {
    let world = World::new(major, way);
    let backup = world.depot.backup(&world.shop());
    let report = world.drilled(DEMANDS, 0);
    assert_eq!((report["verdict"].as_str(), not_passed(&report)), (Some("passed"), vec![]), "{report:#}");
    assert_eq!(report["backup"]["id"], backup.id.as_str());
    assert_eq!((&report["rows_proven"], report["backup"]["rows"].as_u64()), (&"all".into(), Some(4500)));
    let names: Vec<_> =
        report["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    for name in ["rows", "catalog", "sequences", "validity", "freshness", "assert all orders are there", "smoke", "rto"]
    {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    let phases: Vec<_> =
        report["rto"]["phases"].as_array().unwrap().iter().map(|phase| phase["name"].as_str().unwrap()).collect();
    assert_eq!(phases, ["find", "scratch", "restore", "checks", "assertions", "smoke", "clean up"]);
    assert_eq!(world.left(), Vec::<String>::new());

    let listed = world.drill("list", "").arg("--json").run().expect(0).result();
    assert_eq!(listed["drills"][0]["end"]["verdict"], "passed", "{listed}");
    let stored = world.drill("show", "").args(["shop/latest", "--json"]).run().expect(0).result();
    assert_eq!(stored["report"]["drill"], report["drill"], "{stored}");
    let of_backup = world.drill("show", "").arg(format!("shop/{}", backup.id)).run().expect(10).stderr;
    let its_drills = format!("its drills are: shop/{}", report["drill"].as_str().unwrap());
    assert!(of_backup.contains("that is a backup's id") && of_backup.contains(&its_drills), "{of_backup}");
}

/// Every demand that a drill may have.
const DEMANDS: &str = r#"
rto = "1h"
rpo = "1h"
[[drill.assert]]
name = "all orders are there"
sql = "SELECT count(*) FROM orders"
expect = "= 4000"
[[drill.assert]]
name = "customers were seen"
sql = "SELECT max(seen) FROM customers"
expect = "fresh 1h"
[drill.smoke]
command = ["sh", "-c", "test -n \"$DATABASE_URL\""]
"#;

every_way!(one_altered_byte_fails_and_is_named);

fn one_altered_byte_fails_and_is_named(way: Way) {
    let world = World::new(Major::V15, way);
    let shop = world.shop();
    shop.psql(
        "DO $$ BEGIN CREATE ROLE of_a_drill; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         ALTER TABLE customers OWNER TO of_a_drill",
    );
    let backup = world.depot.backup(&shop);
    // The object with the rows: the largest.
    let script = world.depot.manifest(&backup).script;
    let object = &script.iter().max_by_key(|object| object.length).unwrap().name;
    let dump = world.depot.path(&backup.object(object));
    let mut bytes = std::fs::read(&dump).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&dump, bytes).unwrap();
    let outcome = world.drill("run", "").args(["shop/latest", "--json"]).run().expect(31);
    let report = report(&outcome);
    let reason = report["reasons"][0].as_str().unwrap();
    assert!(reason.contains(object.as_str()), "{object} is not in {reason}");
    assert_eq!(report["error_kind"], "integrity");
    // Its roles went with the cluster.
    assert!(!outcome.text().contains("were created and stay"), "{}", outcome.text());
    assert_eq!(world.left(), Vec::<String>::new());
}

#[test]
fn a_database_that_should_have_a_backup_and_has_none_is_a_failed_drill_with_a_record() {
    let world = World::new(Major::V15, STREAM);
    world.depot.backup(&world.shop());
    let verdicts = |database: &str| {
        let listed = world.drill("list", "").args([database, "--json"]).run().expect(0).result();
        let drills = listed["drills"].as_array().unwrap().iter();
        drills.map(|drill| drill["end"]["verdict"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let configured = world.drill("run", "[[database]]\nname = \"orders\"").args(["orders/latest", "--json"]);
    assert_eq!(report(&configured.run().expect(31))["error_kind"], "not_found");
    assert_eq!(verdicts("orders"), ["failed"]);

    // One that was drilled before.
    world.drilled("", 0);
    std::fs::remove_dir_all(world.depot.path("prod/backups")).unwrap();
    let outcome = world.drill("run", "").arg("shop/latest").run().expect(31);
    assert!(outcome.stdout.contains("none was found"), "{}", outcome.stdout);
    assert_eq!(verdicts("shop"), ["failed", "passed"]);
}

#[test]
fn a_name_that_the_store_knows_nothing_of_leaves_no_record() {
    let world = World::new(Major::V15, STREAM);
    world.depot.backup(&world.shop());
    let no_keyring = "[encryption]\nkeyring = \"file:/nonexistent/keyring.toml\"";
    for (name, lines, hint) in [
        ("shpo/latest", "", "backups are there of shop"),
        ("shpo/latest", no_keyring, "backups are there of shop"),
        ("shop/2031", "", "see `lifeboat list shop`"),
    ] {
        let result = world.drill("run", lines).args([name, "--json"]).run().expect(31).result();
        assert_eq!((&result["verdict"], &result["hint"]), (&"failed".into(), &hint.into()), "{result:#}");
        assert!(result["report"].is_null(), "{result:#}");
    }
    assert!(!world.depot.path("prod/drills").exists());
}

#[test]
fn a_backup_that_no_key_at_hand_opens_is_inconclusive_and_leaves_no_report_that_nobody_opens() {
    let world = World::new(Major::V15, Way { method: "stream", compression: "gzip", sealed: true });
    let backup = world.depot.backup(&world.shop());
    let (keyring, config) = (keyring::written(world.folder.path(), &[keyring::DECEMBER]), world.configured(""));
    let words = ["drill", "run", "shop/latest", "--json", "--store", &world.depot.url, "--config", &config];
    let drill = Lifeboat::new().args(words).env("LIFEBOAT_KEYRING", &keyring);
    let closed = report(&drill.run().expect(32));
    assert_eq!((&closed["error_kind"], &closed["not_opened"]["id"]), (&"wrong_key".into(), &backup.id.as_str().into()));
    assert!(closed["warnings"].to_string().contains("could not keep the report"), "{closed:#}");
    let left = || std::fs::read_dir(world.depot.path("prod/drills/shop")).unwrap().count();
    assert_eq!(left(), 2, "records of begin and end");
    // With a recipient of the backup's: whoever has its private half opens the report.
    let sealing = world.drill("run", "").args(["shop/latest", "--json"]).env("LIFEBOAT_KEYRING", &keyring);
    assert_eq!(report(&sealing.run().expect(32))["warnings"].to_string(), "[]");
    assert_eq!(left(), 5);
    let listed = world.drill("list", "").run().expect(0).stdout;
    assert!(listed.contains("inconclusive: wrong_key") && listed.contains(backup.id.as_str()), "{listed}");
}

#[test]
fn a_damaged_manifest_is_a_backup_that_was_found_and_failed() {
    let world = World::new(Major::V15, STREAM);
    let backup = world.depot.backup(&world.shop());
    std::fs::write(world.depot.path(&backup.object("manifest.json")), "{").unwrap();
    let outcome = world.drill("run", "").arg("shop/latest").run().expect(31);
    // Before the store was asked: one that does not answer takes half a minute.
    assert!(outcome.stderr.starts_with("look for shop/latest in file://"), "{}", outcome.stderr);
    let found = format!("{} (daily) was found, and was not opened", backup.id);
    assert!(outcome.stdout.contains(&found), "{}", outcome.stdout);
    let listed = world.depot.lifeboat("list").run().expect(0).stdout;
    assert!(listed.contains("FAILED "), "{listed}");
}

#[test]
fn a_host_that_only_opens_backups_drills_them_and_keeps_its_report() {
    let world = World::new(Major::V15, Way { method: "stream", compression: "gzip", sealed: true });
    world.depot.backup(&world.shop());
    let keyring = keyring::written(world.folder.path(), &[keyring::OFFLINE]);
    let config = world.configured("");
    let drill = |verb| {
        let words = ["drill", verb, "shop/latest", "--store", &world.depot.url, "--config", &config];
        Lifeboat::new().args(words).env("LIFEBOAT_KEYRING", &keyring)
    };
    drill("run").run().expect(0);
    assert!(drill("show").run().expect(0).stdout.starts_with("PASSED"));
}

#[test]
fn a_backup_of_a_newer_server_than_is_installed_is_inconclusive() {
    let world = World::new(Major::V18, STREAM);
    world.depot.backup(&world.shop());
    let older = &Postgres::shared(Major::V15).installation.bin;
    let drill = world.drill("run", "").args(["shop/latest", "--json"]).env("LIFEBOAT_TOOLS_DIR", older);
    let report = report(&drill.run().expect(32));
    let reason = report["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("environment: ") && reason.contains("18"), "{reason}");
}

/// Files among those of the machine's Postgres; gone when dropped.
struct Installed([String; 2]);

impl Drop for Installed {
    fn drop(&mut self) {
        for file in &self.0 {
            let _ = std::fs::remove_file(file);
        }
    }
}

#[test]
fn an_extension_that_the_machine_lacks_says_nothing_of_the_backup() {
    let world = World::new(Major::V15, STREAM);
    let shop = world.shop();
    let share = shop.psql("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'");
    let name = unused_name("only_there");
    let installed =
        Installed([format!("{share}/extension/{name}.control"), format!("{share}/extension/{name}--1.sql")]);
    std::fs::write(&installed.0[0], "default_version = '1'\n").unwrap();
    std::fs::write(&installed.0[1], "CREATE FUNCTION only_there() RETURNS int LANGUAGE sql AS 'SELECT 1';\n").unwrap();
    shop.psql(&format!("CREATE EXTENSION {name}"));
    world.depot.backup(&shop);
    drop(installed);
    let report = world.drilled("", 32);
    let reason = report["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("environment: ") && reason.contains(&name), "{reason}");
}

#[test]
fn a_server_that_is_production_is_not_touched_and_that_is_recorded() {
    let world = World::new(Major::V15, STREAM);
    let shop = world.shop();
    world.depot.backup(&shop);
    let lines = format!("scratch = \"server\"\nserver = \"{}\"", shop.server.socket_dsn("postgres"));
    let report = world.drilled(&lines, 32);
    assert_eq!((&report["error_kind"], &report["rto"]["seconds"]), (&"policy".into(), &Value::Null), "{report:#}");
    assert!(report["reasons"][0].as_str().unwrap().starts_with("environment: drill in "), "{report:#}");
    let listed = world.drill("list", "").arg("--json").run().expect(0).result();
    assert_eq!(listed["drills"][0]["end"]["error_kind"], "policy", "{listed}");
}

#[test]
fn what_keeps_a_drill_from_its_first_step_is_a_verdict_too() {
    let world = World::new(Major::V15, STREAM);
    let drill = |lines: &str| world.drill("run", lines).arg("--json");
    let says = |drill: Lifeboat, code: i32, words: &str| {
        let outcome = drill.run().expect(code);
        let result = outcome.result();
        assert!(result["reasons"][0].as_str().unwrap().contains(words), "{result:#}");
        assert!(result["report"].is_null(), "{result:#}");
        (result["verdict"].as_str().unwrap().to_owned(), result["error_kind"].as_str().unwrap().to_owned())
    };
    let inconclusive = |kind: &str| ("inconclusive".to_owned(), kind.to_owned());
    assert_eq!(says(drill("").arg("--all"), 32, "there is no such folder"), inconclusive("not_found"));
    std::fs::create_dir(world.depot.path("prod")).unwrap();
    assert_eq!(
        says(drill("").arg("--all"), 31, "find a database to drill"),
        ("failed".to_owned(), "not_found".to_owned())
    );
    assert_eq!(says(drill("dri = 1").arg("shop/latest"), 32, "unknown key `dri`"), inconclusive("config"));
    let nowhere = drill("").arg("shop/latest").args(["--store", "s3://"]);
    let kind = nowhere.run().expect(32).result()["error_kind"].as_str().unwrap().to_owned();
    assert_eq!(kind, "config");

    // Of a database that is known there is a report, and a record.
    let lines = "[encryption]\nkeyring = \"file:/nonexistent/keyring.toml\"\n[[database]]\nname = \"shop\"";
    let report = report(&drill(lines).arg("shop/latest").run().expect(32));
    assert_eq!((report["verdict"].as_str(), report["error_kind"].as_str()), (Some("inconclusive"), Some("config")));
    let reason = report["reasons"][0].as_str().unwrap();
    assert!(reason.contains("keyring.toml") && reason.contains("bring the keyring that opens the backups"), "{reason}");
    let listed = world.drill("list", "").arg("--json").run().expect(0).result();
    assert_eq!(listed["drills"][0]["end"]["verdict"], "inconclusive", "{listed}");

    let mistyped = ["--dir", "/nonexistent/drills"];
    let lines = "[[database]]\nname = \"shop\"";
    let elsewhere = self::report(&drill(lines).arg("shop/latest").args(mistyped).run().expect(32));
    assert!(elsewhere["reasons"][0].as_str().unwrap().contains("there is no folder /nonexistent"), "{elsewhere}");
    let collected = world.drill("gc", "").args(mistyped).run().expect(78);
    assert!(collected.stderr.contains("correct --dir"), "{}", collected.stderr);
}

#[test]
fn a_drill_that_cannot_be_recorded_is_no_proof_and_a_begin_is_recorded_later() {
    let world = World::of(Depot::s3().by(STREAM), Major::V15);
    world.depot.backup(&world.shop());
    let drilled = |wanted: &'static str, times: usize, code: i32| {
        let proxy = Proxy::before(Seaweed::shared());
        let when = When::call(move |call| call.method == "PUT" && call.key().contains(wanted)).times(times);
        proxy.on(when, Fault::ACCESS_DENIED);
        let drill = world.drill("run", "").args(["shop/latest", "--json"]).envs(proxy.environment(Identity::Admin));
        report(&drill.run().expect(code))
    };
    let states = || {
        let listed = world.drill("list", "").arg("--json").run().expect(0).result();
        let drills = listed["drills"].as_array().unwrap().iter();
        drills.map(|drill| drill["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let report = drilled(".end.json", usize::MAX, 32);
    let reason = report["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("environment: the drill passed, and that is not recorded"), "{report:#}");
    assert_eq!(states(), ["unfinished"]);

    assert!(reason.contains("give the key the right"), "{reason}");

    let report = drilled(".start.json", 1, 0);
    assert!(report["warnings"].to_string().contains("could not record that the drill began"), "{report:#}");
    assert_eq!(states(), ["ended", "unfinished"]);
    let report = drilled("/report.json", usize::MAX, 0);
    assert!(report["warnings"].to_string().contains("could not keep the report"), "{report:#}");
}

#[test]
fn every_database_gets_a_line_and_the_worst_verdict_is_the_runs() {
    let world = World::new(Major::V15, STREAM);
    world.depot.backup(&world.shop());
    let lines = "[[database]]\nname = \"shop\"\n[[database]]\nname = \"orders\"";
    let outcome = world.drill("run", lines).arg("--all").run().expect(31);
    for line in ["shop      passed", "orders    failed"] {
        assert!(outcome.stdout.contains(line), "{}", outcome.stdout);
    }
}

/// What `--replace` kept of a database is in the store for its operator, and not to be drilled each month.
#[test]
fn safety_backups_are_passed_by_where_every_database_is_drilled() {
    let world = World::new(Major::V15, STREAM);
    let shop = world.shop();
    world.depot.backup(&shop);
    let safety = world.depot.lifeboat("backup").args(["--name", "shop.replaced", "--class", "safety"]);
    let safety = safety.args(["--database-url", "env:DATABASE_URL"]).env("DATABASE_URL", shop.dsn());
    safety.env("LIFEBOAT_TOOLS_DIR", &shop.server.installation.bin).run().expect(0);
    let result = world.drill("run", "").args(["--all", "--json"]).run().expect(0).result();
    assert_eq!(result["report"]["database"], "shop", "{result:#}");
    assert!(!result.to_string().contains("shop.replaced"), "{result:#}");
}

#[test]
fn a_name_narrows_every_database_to_that_one_even_where_the_file_lacks_it() {
    let world = World::new(Major::V15, STREAM);
    world.depot.backup(&world.shop());
    let drill = |lines: &str, name: &str| world.drill("run", lines).args(["--all", "--name", name, "--json"]).run();
    let (shop, orders) = ("[[database]]\nname = \"shop\"", "[[database]]\nname = \"orders\"");
    let unknown = drill(shop, "crm").expect(31).result();
    assert!(unknown["report"].is_null() && unknown["reasons"].to_string().contains("crm"), "{unknown:#}");
    let report = report(&drill(orders, "shop").expect(0));
    assert_eq!(report["database"], "shop", "{report:#}");
    let expected = drill(&[shop, orders].join("\n"), "orders").expect(31);
    assert_eq!(expected.result()["report"]["verdict"], "failed", "{}", expected.stdout);
}

#[test]
fn what_the_operators_program_and_assertions_say_no_to_fails() {
    let world = World::new(Major::V15, STREAM);
    world.depot.backup(&world.shop());
    let lines = r#"
        rto = "0s"
        [[drill.assert]]
        name = "no orders"
        sql = "SELECT count(*) FROM orders"
        expect = "= 0"
        [[drill.assert]]
        name = "nonsense"
        sql = "SELECT nothing FROM nowhere"
        expect = "true"
        [drill.smoke]
        command = ["sh", "-c", "echo out of order >&2; exit 3"]"#;
    let report = world.drilled(lines, 31);
    assert_eq!(not_passed(&report), ["assert no orders", "assert nonsense", "smoke", "rto"], "{report:#}");
    let reasons = report["reasons"].to_string();
    assert!(reasons.contains("4000") && reasons.contains("or a longer `rto`"), "{reasons}");
    let smoke = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == "smoke").unwrap();
    assert!(smoke["findings"].to_string().contains("out of order"), "{smoke}");
}

/// An empty file that a scratch server's user may write to, too.
fn open_file(world: &World, name: &str) -> std::path::PathBuf {
    let path = world.folder.path().join(name);
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    path
}

#[test]
fn a_drill_that_takes_too_long_is_inconclusive_and_leaves_nothing() {
    let world = World::new(Major::V15, STREAM);
    world.depot.backup(&world.shop());
    let outlived = open_file(&world, "outlived");
    let smoke = format!("[drill.smoke]\ncommand = [\"sh\", \"-c\", \"sleep 60 && echo yes > {}\"]", outlived.display());
    let report = world.drilled(&format!("timeout = \"4s\"\n{smoke}"), 32);
    assert_eq!(std::fs::read_to_string(&outlived).unwrap(), "", "the smoke test was waited for");
    assert!(report["reasons"][0].as_str().unwrap().contains("within 4 s"), "{report:#}");
    assert_eq!(world.left(), Vec::<String>::new());
}

#[test]
fn a_drill_that_is_told_to_end_records_it_and_leaves_nothing() {
    let world = World::new(Major::V15, STREAM);
    world.depot.backup(&world.shop());
    let mark = open_file(&world, "smoking");
    let lines = format!("[drill.smoke]\ncommand = [\"sh\", \"-c\", \"echo yes > {}; sleep 60\"]", mark.display());
    let running = world.drill("run", &lines).args(["shop/latest", "--json"]).spawn();
    while std::fs::read_to_string(&mark).unwrap().is_empty() && running.is_running() {
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal(Signal::TERM);
    running.wait().expect(143);
    assert_eq!(world.left(), Vec::<String>::new());
    let listed = world.drill("list", "").arg("--json").run().expect(0).result();
    assert_eq!(listed["drills"][0]["end"]["verdict"], "inconclusive", "{listed}");
}

#[test]
fn a_drill_that_loses_its_lock_for_good_ends_inconclusive() {
    let world = World::new(Major::V15, STREAM);
    world.depot.backup(&world.shop());
    let server = Postgres::start(Major::V18, &Options::default());
    let (mark, outlived) = (world.folder.path().join("smoking"), world.folder.path().join("outlived"));
    let lines = format!(
        "scratch = \"server\"\nserver = \"{}\"\n[drill.smoke]\ncommand = [\"sh\", \"-c\", \"touch {}; sleep 120 && touch {}\"]",
        server.socket_dsn("postgres"),
        mark.display(),
        outlived.display()
    );
    let running = world.drill("run", &lines).args(["shop/latest", "--json"]).spawn();
    while !mark.exists() && running.is_running() {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(server);
    let report = report(&running.wait().expect(32));
    assert!(!outlived.exists(), "the smoke test was waited for");
    assert!(report["reasons"][0].as_str().unwrap().contains("hold the lock of the drill"), "{report:#}");
    assert_eq!(world.left(), Vec::<String>::new());
}

#[test]
fn a_store_that_goes_away_in_the_middle_is_inconclusive() {
    let world = World::of(Depot::s3().by(STREAM), Major::V15);
    world.depot.backup(&world.shop());
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::call(|call| call.key().contains("dump-0000")), Fault::ACCESS_DENIED);
    let drill = world.drill("run", "").args(["shop/latest", "--json"]).envs(proxy.environment(Identity::Admin));
    let report = report(&drill.run().expect(32));
    assert!(report["reasons"][0].as_str().unwrap().starts_with("environment: "), "{report:#}");
    assert_eq!(world.left(), Vec::<String>::new());
}

const STREAM: Way = Way { method: "stream", compression: "gzip", sealed: false };
