//! The way there, and the way back.

use std::sync::atomic::{AtomicBool, Ordering};

use lifeboat_tests::Major;
use lifeboat_tests::compare::{contents, settings};
use lifeboat_tests::session::Held;

use crate::world::{Shop, contents_of, ended};

#[test]
fn a_database_in_use_is_replaced_and_taken_back() {
    for major in Major::ALL {
        let shop = Shop::new(major);
        let (properties, oid) = (shop.settings(), shop.oid());
        let (stop, shop_ref) = (AtomicBool::new(false), &shop);
        std::thread::scope(|scope| {
            let watch = shop_ref.watch(scope);
            let clients: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| shop_ref.client(&stop, |read| ["live|10", "backup|20000"].contains(&read))))
                .collect();
            let idle = Held::new(&shop_ref.database, "BEGIN; INSERT INTO written VALUES ('never committed')");
            let outcome = ended(shop_ref.replace(&["--yes", "--json"]).run(), 0);
            drop(idle);
            let summary = &outcome.result()["summary"];
            assert_eq!(summary["restore"]["rows"], 20_101, "{summary}");
            assert_eq!(summary["kept_as"], serde_json::json!(shop_ref.kept()[0]), "{summary}");
            let (sessions, seconds) = (&summary["ended_sessions"], &summary["swap_seconds"]);
            eprintln!("{major:?}: {sessions} ended, the swap took {seconds} s");
            assert!(sessions.as_u64().unwrap() >= 1, "{summary}");
            stop.store(true, Ordering::Relaxed);
            let done: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
            assert!(done > 10, "the clients did {done} transactions only");
            watch.end();
        });
        assert_ne!(shop.oid(), oid, "the name is still the old database's");
        // The clients went on.
        shop.database.psql("DELETE FROM written");
        shop.assert_restored();
        assert_eq!(shop.settings(), properties);
        assert_kept_in_the_store(&shop);

        let kept = shop.kept();
        assert_eq!((kept.len(), shop.others().len()), (1, 1));
        taken_back(&shop, &kept[0], &oid, &properties);
    }
}

/// The safety backup is there, and the newest backup of the shop is the one it was.
fn assert_kept_in_the_store(shop: &Shop) {
    let listed = shop.depot.lifeboat("list").arg("--json").run().expect(0).result();
    let backups = listed["backups"].as_array().unwrap();
    let of = |name: &str| {
        let found = backups.iter().filter(|backup| backup["database"] == name);
        found.map(|backup| (backup["id"].as_str().unwrap(), backup["class"].as_str().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(of("shop"), [(&*shop.backup, "daily")]);
    let safety = of("shop.replaced");
    assert_eq!((safety.len(), safety[0].1), (1, "safety"));
    let restored = shop.database.server.adopt(&lifeboat_tests::unused_name("safety"));
    let restore = shop.depot.lifeboat("restore").args(["shop.replaced/latest", "--into", "env:TARGET_URL", "--create"]);
    restore.env("TARGET_URL", restored.dsn()).run().expect(0);
    assert_eq!(restored.psql("SELECT v, (SELECT count(*) FROM items) FROM version"), "live|10");
    assert_eq!(settings(&restored), shop.settings());
}

fn taken_back(shop: &Shop, kept: &str, oid: &str, properties: &std::collections::BTreeMap<String, String>) {
    let server = shop.database.server;
    server.psql(kept, "INSERT INTO written VALUES ('to the old one')");
    let old = contents_of(server, kept);
    let restored = shop.oid();
    let dry = ended(shop.undo(&["--dry-run"]).run(), 0);
    for word in [kept, "comes back", "Nothing was changed"] {
        assert!(dry.stdout.contains(word), "{word} in {}", dry.stdout);
    }
    assert_eq!(shop.oid(), restored);
    std::thread::scope(|scope| {
        let watch = shop.watch(scope);
        ended(shop.undo(&["--yes", "--json"]).run(), 0);
        watch.end();
    });
    assert_eq!((&*shop.oid(), &contents(&shop.database), &shop.settings()), (oid, &old, properties));
    assert!(!server.has_database(kept));
    // And back again: the restored one was kept, too.
    ended(shop.undo(&["--yes"]).run(), 0);
    assert_eq!(shop.oid(), restored);
    shop.assert_restored();
    assert_eq!(&shop.settings(), properties);
    assert_eq!(shop.others().len(), 1);
}

#[test]
fn what_is_changed_of_the_database_meanwhile_is_not_lost() {
    let shop = Shop::new(Major::V15);
    let (server, name) = (shop.database.server, &shop.database.name);
    let running = shop.replace(&["--yes", "--json"]).spawn();
    while !shop.others().iter().any(|name| name.contains("_replacing_")) {
        assert!(running.is_running(), "{}", running.wait().text());
    }
    server.psql(
        "postgres",
        &format!(
            "ALTER DATABASE {name} RESET work_mem; ALTER DATABASE {name} SET lock_timeout TO '3s';
             ALTER DATABASE {name} CONNECTION LIMIT -1; ALTER ROLE plain IN DATABASE {name} RESET ALL;
             COMMENT ON DATABASE {name} IS NULL; GRANT CREATE ON DATABASE {name} TO plain"
        ),
    );
    let properties = shop.settings();
    ended(running.wait(), 0);
    assert_eq!(shop.settings(), properties);
    shop.assert_restored();
}

#[test]
fn a_plan_says_what_happens_and_changes_nothing() {
    let shop = Shop::new(Major::V15);
    let oid = shop.oid();
    let held = Held::new(&shop.database, "BEGIN; SELECT 1");
    let dry = ended(shop.replace(&["--dry-run"]).run(), 0);
    let backup = format!("shop/{}", shop.backup);
    for word in [
        &*shop.database.name,
        &backup,
        "20,101 rows",
        "shop.replaced, class safety",
        "postgres: held 1",
        "_replaced_",
        "free",
        "is not in it afterwards, but in the database that is kept",
        "Nothing was changed",
    ] {
        assert!(dry.stdout.contains(word), "{word} in {}", dry.stdout);
    }
    held.release();
    let unconfirmed = ended(shop.replace(&[]).run(), 40);
    for word in ["safety backup", "was not confirmed", "--yes"] {
        assert!(unconfirmed.stderr.contains(word), "{word} in {}", unconfirmed.stderr);
    }
    let listed = shop.depot.lifeboat("list").arg("--json").run().expect(0).result();
    assert_eq!(listed["backups"].as_array().unwrap().len(), 1);
    assert_eq!((shop.oid(), shop.others()), (oid, Vec::new()));
}
