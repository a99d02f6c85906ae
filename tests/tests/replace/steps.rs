//! `kill -9` at one step each: somebody holds the run there until it is dead. What the operator does next is to run it again.

use std::time::Duration;

use lifeboat_tests::compare::contents;
use lifeboat_tests::session::{Held, LEADER_WAITS, wait_closely, wait_for};
use lifeboat_tests::{Lifeboat, Major, Outcome, Running};
use serde_json::{Value, json};

use crate::meanwhile::WaitsForNobody;
use crate::world::{Shop, at, being_changed, contents_of, ended, postgres, swap_waits, wait_until_let_go, waits};

#[test]
fn a_run_that_dies_within_the_safety_backup_has_begun_nothing() {
    let shop = Shop::new(Major::V15);
    let (server, oid, old) = (shop.database.server, shop.oid(), contents(&shop.database));
    shop.watched(|| {
        let (running, table) = within_the_safety_backup(&shop);
        kill(running);
        table.release();
        wait_until_let_go(&shop);
    });
    assert_eq!((shop.oid(), shop.others(), contents(&shop.database)), (oid, Vec::new(), old.clone()));
    let runs = shop.depot.lifeboat("runs").run().expect(0).stdout;
    assert!(runs.contains("shop.replaced"), "{runs}");
    assert_eq!(safety_backups(&shop), Vec::<Value>::new());

    let outcome = ended(shop.replace(&["--yes", "--json"]).run(), 0);
    assert_eq!(safety_backups(&shop).len(), 1, "{}", outcome.stdout);
    shop.assert_restored();
    assert_eq!(contents_of(server, &shop.kept()[0]), old);
}

/// A run whose plan is made and whose safety backup waits for a table that somebody holds.
pub(crate) fn within_the_safety_backup(shop: &Shop) -> (Running, Held) {
    // What an earlier run left is dropped last before the safety backup: as long as somebody changes it, that has not begun.
    let (server, left) = (shop.database.server, format!("{}_replacing_20261121t021700z_7f3a9c", shop.database.name));
    server.psql("postgres", &format!("CREATE DATABASE {left}"));
    let held = being_changed(shop, &format!("COMMENT ON DATABASE {left} IS NULL"));
    let running = shop.replace(&["--yes"]).spawn();
    wait_for(&postgres(server), &waits(&format!("DROP DATABASE IF EXISTS \"{left}\"")));
    let table = Held::new(&shop.database, "BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
    held.release();
    wait_for(&shop.database, LEADER_WAITS);
    (running, table)
}

/// Those that a restore would take.
fn safety_backups(shop: &Shop) -> Vec<Value> {
    let listed = shop.depot.lifeboat("list").arg("--json").run().expect(0).result();
    let backups = listed["backups"].as_array().unwrap().iter();
    backups.filter(|it| it["database"] == "shop.replaced" && it["state"] == "available").cloned().collect()
}

#[test]
fn a_run_that_dies_before_it_could_say_that_everything_is_there_is_done_anew() {
    let shop = Shop::slow(Major::V15);
    let (server, oid, old) = (shop.database.server, shop.oid(), contents(&shop.database));
    let mut beside = String::new();
    shop.watched(|| {
        let loaded = Loaded::new(&shop, shop.replace(&WITHOUT_SAFETY));
        beside = loaded.beside;
        kill(loaded.running);
        // As the server does when it is the whole host that is gone: what waits there is not done any more.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE";
        server.psql("postgres", &format!("{end} {}", at(&saying(&beside))));
        loaded.held.release();
        wait_until_let_go(&shop);
    });
    assert_eq!((shop.oid(), shop.others(), contents(&shop.database)), (oid, vec![beside.clone()], old));
    let outcome = ended(shop.replace(&WITHOUT_SAFETY).run(), 0);
    let summary = &outcome.result()["summary"];
    assert_eq!((&summary["dropped"], summary["restore"].is_null()), (&json!([beside]), false), "{summary}");
    shop.assert_restored();
    assert_eq!(shop.others(), shop.kept());
}

#[test]
fn a_run_that_dies_within_the_proof_is_proven_anew() {
    let shop = Shop::slow(Major::V18);
    let (server, oid, old) = (shop.database.server, shop.oid(), contents(&shop.database));
    shop.watched(|| {
        let Loaded { running, beside, held } = Loaded::new(&shop, shop.replace(&WITHOUT_SAFETY));
        let table = Held::new(&shop.inside(&beside), "BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE");
        held.release();
        wait_for(&shop.inside(&beside), PROOF_WAITS);
        kill(running);
        table.release();
        wait_until_let_go(&shop);
    });
    assert_eq!((shop.oid(), shop.others().len(), contents(&shop.database)), (oid, 1, old));
    let beside = &shop.others()[0];
    // What became of it meanwhile is not taken on trust.
    server.psql(beside, "UPDATE items SET text = 'another' WHERE id = 5");
    let refuted = ended(shop.replace(&WITHOUT_SAFETY).run(), 30);
    assert!(refuted.text().contains("public.items has 20,000 rows, but not the same"), "{}", refuted.text());
    ended(shop.replace(&WITHOUT_SAFETY).run(), 0);
    shop.assert_restored();
    assert_eq!(shop.others(), shop.kept());
}

#[test]
fn a_run_that_dies_between_the_proof_and_the_swap_is_gone_on_from() {
    let shop = Shop::slow(Major::V15);
    let (server, oid, old) = (shop.database.server, shop.oid(), contents(&shop.database));
    shop.watched(|| {
        let Loaded { running, beside, held } = Loaded::new(&shop, shop.replace(&WITHOUT_SAFETY));
        // It is tried whether it can be given the limit that the live one has, before anybody's session is ended.
        let change = being_changed(&shop, &format!("ALTER DATABASE {beside} CONNECTION LIMIT 5"));
        held.release();
        wait_closely(&postgres(server), &waits(&format!("ALTER DATABASE \"{beside}\" CONNECTION LIMIT 77")));
        kill(running);
        change.release();
        wait_until_let_go(&shop);
    });
    assert_eq!((shop.oid(), shop.others().len(), contents(&shop.database)), (oid, 1, old));
    assert_gone_on_from(&shop);
}

#[test]
fn a_run_that_dies_within_the_last_commit_has_given_the_name_over() {
    let shop = Shop::on_its_own_server();
    let (server, name, oid, old) = (shop.database.server, &shop.database.name, shop.oid(), contents(&shop.database));
    let postgres = postgres(server);
    shop.watched(|| {
        let held = being_changed(&shop, &format!("COMMENT ON DATABASE {name} IS 'being changed'"));
        let running = shop.replace(&WITHOUT_SAFETY).spawn();
        wait_for(&postgres, &swap_waits(&shop));
        let nobody = WaitsForNobody::begin(&shop);
        held.release();
        wait_for(&postgres, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
        kill(running);
        drop(nobody);
        wait_until_let_go(&shop);
    });
    shop.assert_restored();
    let kept = shop.kept();
    assert_eq!((shop.others(), contents_of(server, &kept[0])), (kept.clone(), old.clone()));
    // Nobody was told how it ended: the plan tells what there is, and the way back is the same.
    let dry = ended(shop.replace(&["--dry-run"]).run(), 0);
    assert!(dry.stdout.contains(&kept[0]), "{}", dry.stdout);
    ended(shop.undo(&["--yes"]).run(), 0);
    assert_eq!((shop.oid(), contents(&shop.database)), (oid, old));
}

/// A run that has loaded everything, and waits to say so of the database beside: somebody is changing that.
struct Loaded {
    running: Running,
    beside: String,
    held: Held,
}

impl Loaded {
    fn new(shop: &Shop, command: Lifeboat) -> Loaded {
        let running = shop.restoring(command);
        let beside = shop.others().remove(0);
        let held = being_changed(shop, &format!("{} NULL", saying(&beside)));
        wait_for(&postgres(shop.database.server), &waits(&saying(&beside)));
        Loaded { running, beside, held }
    }
}

fn saying(beside: &str) -> String {
    format!("COMMENT ON DATABASE \"{beside}\" IS")
}

fn kill(running: Running) {
    assert!(running.kill_after(Duration::ZERO), "the kill came too late");
}

/// The plan says so, and the restore is not done again.
#[track_caller]
fn assert_gone_on_from(shop: &Shop) -> Outcome {
    let dry = ended(shop.replace(&["--dry-run"]).run(), 0);
    assert!(dry.stdout.contains("which an earlier run restored"), "{}", dry.stdout);
    let outcome = ended(shop.replace(&WITHOUT_SAFETY).run(), 0);
    assert!(outcome.result()["summary"]["restore"].is_null(), "{}", outcome.stdout);
    shop.assert_restored();
    assert_eq!(shop.others(), shop.kept());
    outcome
}

const WITHOUT_SAFETY: [&str; 3] = ["--yes", "--no-safety-backup", "--json"];

const PROOF_WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'lifeboat/replace' AND wait_event_type = 'Lock'";
