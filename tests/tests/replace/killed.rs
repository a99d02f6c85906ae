//! `kill -9`, whenever: the name is one whole database's, and the next run clears up.

use std::time::Duration;

use lifeboat_tests::Major;
use lifeboat_tests::compare::contents;
use lifeboat_tests::kills::{kill_at_random_moments, length_of};
use lifeboat_tests::session::{Held, wait_for};
use lifeboat_tests::sweep::long;
use rustix::process::Signal;

use crate::world::{Shop, contents_of, ended, postgres, swap_waits, wait_until_let_go};

#[test]
fn whenever_a_run_is_killed_one_whole_database_has_the_name() {
    let shop = Shop::new(Major::V15);
    let old = contents(&shop.database);
    let server = shop.database.server;
    let back_to_the_old_one = || {
        if shop.database.psql("SELECT v FROM version") == "backup" {
            ended(shop.undo(&["--yes"]).run(), 0);
        }
        shop.drop_kept();
    };
    let span = length_of(|| {
        back_to_the_old_one();
        shop.replace(&["--yes"])
    });
    let kills = if long() { 100 } else { 8 };
    kill_at_random_moments("whenever_a_run_is_killed_one_whole_database_has_the_name", kills, span, |moment| {
        back_to_the_old_one();
        let oid = shop.oid();
        let mut cut_short = false;
        shop.watched(|| {
            cut_short = shop.replace(&["--yes"]).spawn().kill_after(moment);
            wait_until_let_go(&shop);
        });
        let is_old = shop.oid() == oid;
        if is_old {
            assert!(cut_short, "a run that ended changed nothing");
            assert_eq!(contents(&shop.database), old);
            assert_eq!(shop.kept(), Vec::<String>::new());
        } else {
            shop.assert_restored();
            let kept = shop.kept();
            assert_eq!(contents_of(server, &kept[0]), old);
        }
        cut_short
    });
    back_to_the_old_one();
    ended(shop.replace(&["--yes"]).run(), 0);
    shop.assert_restored();
    assert_eq!(shop.others().len(), 1, "killed runs left {:?}", shop.others());
}

#[test]
fn whenever_taking_back_is_killed_one_whole_database_has_the_name() {
    let shop = Shop::new(Major::V18);
    let old = contents(&shop.database);
    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    let kills = if long() { 60 } else { 8 };
    let span = length_of(|| shop.undo(&["--yes"]));
    let mut taken_back = 0;
    shop.watched(|| {
        kill_at_random_moments("whenever_taking_back_is_killed", kills, span, |moment| {
            let before = shop.oid();
            let cut_short = shop.undo(&["--yes"]).spawn().kill_after(moment);
            wait_until_let_go(&shop);
            let (is_old, rows) = (shop.database.psql("SELECT v FROM version") == "live", contents(&shop.database));
            assert_eq!(rows, if is_old { old.clone() } else { shop.dumped.clone() });
            assert_eq!((shop.kept().len(), shop.others().len()), (1, 1));
            let changed = shop.oid() != before;
            assert!(changed || cut_short, "a run that ended changed nothing");
            taken_back += u32::from(changed && cut_short);
            cut_short
        });
    });
    eprintln!("{taken_back} of {kills} were killed after the swap and before the end");
}

#[test]
fn a_run_killed_before_the_last_step_is_gone_on_from() {
    let shop = Shop::new(Major::V15);
    let (server, name, oid) = (shop.database.server, &shop.database.name, shop.oid());
    let postgres = postgres(server);
    // Whoever changes something of the database keeps it from being renamed.
    let held = Held::new(&postgres, &format!("BEGIN; COMMENT ON DATABASE {name} IS 'being changed'"));
    let running = shop.replace(&["--yes", "--json"]).spawn();
    wait_for(&postgres, &swap_waits(&shop));
    assert!(running.kill_after(Duration::ZERO), "the kill came too late");
    held.release();
    wait_until_let_go(&shop);
    assert_eq!(shop.oid(), oid);
    let left = shop.others();
    assert!(left.len() == 1 && left[0].contains("_replacing_"), "{left:?}");

    let dry = ended(shop.replace(&["--dry-run"]).run(), 0);
    assert!(dry.stdout.contains("which an earlier run restored"), "{}", dry.stdout);
    let outcome = ended(shop.replace(&["--yes", "--json"]).run(), 0);
    let summary = &outcome.result()["summary"];
    assert!(summary["restore"].is_null(), "{summary}");
    shop.assert_restored();
    assert_eq!(shop.others().len(), 1);
}

#[test]
fn a_run_that_is_asked_to_end_leaves_nothing() {
    let shop = Shop::slow(Major::V15);
    let oid = shop.oid();
    let running = shop.restoring(shop.replace(&["--yes", "--no-safety-backup"]));
    running.signal(Signal::TERM);
    let told = ended(running.wait(), 143).stderr;
    assert!(told.contains(&format!("the live database {} is as it was", shop.database.name)), "{told}");
    assert_eq!((shop.oid(), shop.others()), (oid, Vec::new()));
}

#[test]
fn what_a_killed_run_left_unfinished_is_dropped_by_the_next() {
    let shop = Shop::slow(Major::V15);
    let running = shop.restoring(shop.replace(&["--yes", "--no-safety-backup"]));
    assert!(running.kill_after(Duration::ZERO), "the kill came too late");
    wait_until_let_go(&shop);
    let left = shop.others();
    assert_eq!(left.len(), 1);
    // It came that far that a subscription of the backup would keep it.
    let subscribe = "CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)";
    shop.database.server.psql(&left[0], subscribe);
    // One that somebody else made is left alone, whatever it is called.
    let other = left[0].replace("_replacing_2", "_replacing_1");
    let server = shop.database.server;
    server.psql("postgres", &format!("CREATE DATABASE {other}"));
    server.psql("postgres", &format!("COMMENT ON DATABASE {other} IS 'mine'"));
    // Nor one that says nothing of itself, and is not empty: a name alone is nobody's.
    let silent = server.adopt(&left[0].replace("_replacing_2", "_replacing_3"));
    server.psql("postgres", &format!("CREATE DATABASE {}", silent.name));
    silent.psql("CREATE TABLE mine (id int)");
    let outcome = ended(shop.replace(&["--yes", "--json"]).run(), 0);
    assert_eq!(outcome.result()["summary"]["dropped"], serde_json::json!(left));
    assert!(
        outcome.text().contains("is left as it is") && outcome.text().contains("holds 1 object"),
        "{}",
        outcome.text()
    );
    assert!(server.has_database(&other) && server.has_database(&silent.name) && !server.has_database(&left[0]));
    shop.assert_restored();
}

#[test]
fn while_it_is_restored_it_is_as_closed_as_the_live_one() {
    let shop = Shop::new(Major::V15);
    let running = shop.replace(&["--yes", "--no-safety-backup"]).spawn();
    let may_connect = format!(
        "SELECT has_database_privilege('public', d.oid, 'CONNECT') FROM pg_database d WHERE d.datname LIKE '{}\\_replacing\\_%'
         AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = d.datname)",
        shop.database.name
    );
    let mut seen = Vec::new();
    while running.is_running() {
        seen.extend(postgres(shop.database.server).psql(&may_connect).lines().map(str::to_owned));
    }
    ended(running.wait(), 0);
    assert!(!seen.is_empty(), "nobody saw it");
    assert!(seen.iter().all(|may| may == "f"), "everybody may connect to the restored rows");
}
