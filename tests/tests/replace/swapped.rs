//! The way there, and the way back.

use lifeboat_tests::Major;
use lifeboat_tests::compare::{contents, settings};
use lifeboat_tests::session::Held;
use lifeboat_tests::terminal::on_a_terminal;

use crate::world::{Shop, contents_of, ended};

#[test]
fn a_database_in_use_is_replaced_and_taken_back() {
    for major in Major::ALL {
        let shop = Shop::new(major);
        let (properties, oid, limited) = (shop.settings(), shop.oid(), shop.settings_and_limit());
        let shop_ref = &shop;
        std::thread::scope(|scope| {
            let watch = shop_ref.watch(scope);
            let clients = shop_ref.clients(scope, 3, &["live|10", "backup|20000"]);
            let idle = Held::new(&shop_ref.database, "BEGIN; INSERT INTO written VALUES ('never committed')");
            let outcome = ended(shop_ref.replace(&["--yes", "--json"]).run(), 0);
            drop(idle);
            let summary = &outcome.result()["summary"];
            assert_eq!(summary["restore"]["rows"], 20_101, "{summary}");
            assert_eq!(summary["kept_as"], serde_json::json!(shop_ref.kept()[0]), "{summary}");
            let (sessions, seconds) = (&summary["ended_sessions"], &summary["swap_seconds"]);
            eprintln!("{major:?}: {sessions} ended, the swap took {seconds} s");
            assert!(sessions.as_u64().unwrap() >= 1, "{summary}");
            let done = clients.end();
            assert!(done > 10, "the clients did {done} transactions only");
            watch.end();
        });
        assert_ne!(shop.oid(), oid, "the name is still the old database's");
        // The clients went on.
        shop.database.psql("DELETE FROM written");
        shop.assert_restored();
        assert_eq!(shop.settings_and_limit(), limited);
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
    shop.watched(|| drop(ended(shop.undo(&["--yes", "--json"]).run(), 0)));
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
    let shop = Shop::slow(Major::V15);
    let (server, name) = (shop.database.server, &shop.database.name);
    let running = shop.restoring(shop.replace(&["--yes", "--json"]));
    server.psql(
        "postgres",
        &format!(
            "ALTER DATABASE {name} RESET work_mem; ALTER DATABASE {name} SET lock_timeout TO '3s';
             ALTER DATABASE {name} CONNECTION LIMIT -1; ALTER ROLE plain IN DATABASE {name} RESET ALL;
             COMMENT ON DATABASE {name} IS NULL; REVOKE ALL ON DATABASE {name} FROM plain;
             GRANT CREATE ON DATABASE {name} TO pg_monitor"
        ),
    );
    let properties = shop.settings();
    ended(running.wait(), 0);
    assert_eq!(shop.settings(), properties);
    shop.assert_restored();
}

/// Those of the live database, which the restored one will have.
#[test]
fn settings_of_the_database_are_in_force_while_its_stand_in_is_restored() {
    let shop = Shop::backed_up(Major::V15);
    let set = |zone: &str| {
        format!(
            "ALTER DATABASE {0} SET timezone TO '{zone}'; ALTER DATABASE {0} SET app.unit TO 'kg'",
            shop.database.name
        )
    };
    shop.database.psql(&set("Asia/Tokyo"));
    shop.database.psql(
        "CREATE TABLE t (at timestamptz, unit text CHECK (unit = current_setting('app.unit')));
         INSERT INTO t VALUES ('2026-01-01 20:00+00', 'kg');
         CREATE MATERIALIZED VIEW days AS SELECT at::date AS day, current_setting('app.unit') AS unit FROM t",
    );
    shop.depot.backup(&shop.database);
    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    assert_eq!(shop.database.psql("SELECT * FROM days"), "2026-01-02|kg");
}

#[test]
fn another_database_than_the_backups_keeps_its_locale() {
    let shop = Shop::backed_up(Major::V15);
    let (server, name) = (shop.database.server, format!("{}_other", shop.database.name));
    server.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"));
    let into_other = |options: &[&str]| ended(shop.replace(options).env("LIVE_URL", server.dsn(&name)).run(), 0);
    let dry = into_other(&["--dry-run"]);
    for word in ["the locale stays C, which is not that of the backup", "of a database called"] {
        assert!(dry.stdout.contains(word), "{word} in {}", dry.stdout);
    }
    into_other(&["--yes"]);
    assert_eq!(server.psql(&name, "SELECT datcollate FROM pg_database WHERE datname = current_database()"), "C");
    assert_eq!(contents_of(server, &name), shop.dumped);
}

#[test]
fn on_a_terminal_the_databases_name_is_asked_for() {
    let shop = Shop::backed_up(Major::V15);
    let oid = shop.oid();
    for answer in ["yes", ""] {
        let (code, said) = on_a_terminal(&shop.replace(&[]), answer);
        assert!(
            code == 40 && said.contains("Type the database's name") && said.contains("was not confirmed"),
            "{code}: {said}"
        );
        assert_eq!((shop.oid(), shop.others()), (oid.clone(), Vec::new()));
    }
    let (code, said) = on_a_terminal(&shop.replace(&["--no-safety-backup"]), &shop.database.name);
    assert!(code == 0 && said.contains("no safety backup"), "{code}: {said}");
    assert_ne!(shop.oid(), oid);
    let (code, said) = on_a_terminal(&shop.undo(&[]), &shop.database.name);
    assert!(code == 0 && said.contains("comes back"), "{code}: {said}");
    assert_eq!(shop.oid(), oid);
}

/// A check that writes does so for each row that is loaded: `noted` has more rows than the backup then.
#[test]
fn what_is_not_the_backup_never_gets_the_name() {
    let shop = Shop::backed_up(Major::V15);
    shop.database.psql(
        "CREATE TABLE noted AS SELECT i AS id, repeat('x', 500) AS text FROM generate_series(1, 30000) AS i;
         CREATE FUNCTION note(x int) RETURNS bool VOLATILE LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO public.noted VALUES (x); RETURN true; END $$;
         CREATE TABLE few (id int); INSERT INTO few VALUES (1), (2); ALTER TABLE few ADD CHECK (note(id))",
    );
    shop.depot.backup(&shop.database);
    let (oid, live) = (shop.oid(), contents(&shop.database));
    let refused = ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 30);
    for word in ["public.noted has 30,004 instead of 30,002 rows", "lifeboat drill"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    assert_eq!((shop.oid(), shop.others(), contents(&shop.database)), (oid, Vec::new(), live));
}

#[test]
fn a_plan_says_what_happens_and_changes_nothing() {
    let shop = Shop::new(Major::V15);
    let oid = shop.oid();
    shop.database
        .psql("CREATE PUBLICATION all_items FOR TABLE items; CREATE PUBLICATION written_only FOR TABLE written");
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
        "has the publications all_items, written_only; the restored one will have those of the backup",
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
