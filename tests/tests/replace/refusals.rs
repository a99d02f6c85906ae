//! What may not be replaced, and what is told of it before anything is done.

use lifeboat_tests::Major;

use crate::world::{Shop, ended, postgres};

/// Makes something that stands in the way, and what takes it away again.
const IN_THE_WAY: [(&str, &str, &[&str]); 4] = [
    (
        "SELECT pg_create_logical_replication_slot('slot_of_' || current_database(), 'pgoutput')",
        "SELECT pg_drop_replication_slot('slot_of_' || current_database())",
        &["replication slots hang on", "slot_of_", "pg_drop_replication_slot"],
    ),
    (
        "CREATE SUBSCRIPTION precious CONNECTION 'dbname=x' PUBLICATION p WITH (connect = false, slot_name = NONE)",
        "DROP SUBSCRIPTION precious",
        &["has subscriptions", "precious", "DROP SUBSCRIPTION"],
    ),
    (
        "BEGIN; INSERT INTO written VALUES ('prepared'); PREPARE TRANSACTION 'half a sale'",
        "ROLLBACK PREPARED 'half a sale'",
        &["1 prepared transaction", "half a sale", "ROLLBACK PREPARED"],
    ),
    ("ALTER DATABASE %NAME% IS_TEMPLATE true", "ALTER DATABASE %NAME% IS_TEMPLATE false", &["is a template"]),
];

#[test]
fn what_hangs_on_the_database_stands_in_the_way() {
    for major in Major::ALL {
        let shop = Shop::new(major);
        let oid = shop.oid();
        for (make, take_away, words) in IN_THE_WAY {
            let named = |sql: &str| sql.replace("%NAME%", &shop.database.name);
            shop.database.psql(&named(make));
            let runs = [shop.replace(&["--dry-run"]).run(), shop.replace(&["--yes"]).run()];
            // First: a slot or a prepared transaction that a failed test leaves is in the way of others.
            shop.database.psql(&named(take_away));
            let [dry, refused] = runs.map(|run| ended(run, 40));
            for word in words {
                assert!(dry.stdout.contains(word), "{word} in {}", dry.stdout);
                assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
            }
        }
        let objects = shop.depot.lifeboat("list").arg("--json").run().expect(0).result();
        assert_eq!(objects["backups"].as_array().unwrap().len(), 1, "a refused run took a safety backup");
        assert_eq!((shop.oid(), shop.others()), (oid, Vec::new()));
    }
}

#[test]
fn a_database_without_the_owners_of_its_tables_is_no_replacement() {
    let shop = Shop::new(Major::V15);
    let refused = ended(shop.replace(&["--yes", "--roles", "skip"]).run(), 40);
    assert!(refused.stderr.contains("--roles stub"), "{}", refused.stderr);
    assert!(shop.others().is_empty());
}

#[test]
fn what_a_drop_left_half_done_does_not_come_back() {
    let shop = Shop::new(Major::V15);
    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    let (server, oid, kept) = (shop.database.server, shop.oid(), shop.kept().remove(0));
    // What a DROP DATABASE leaves that is interrupted.
    let limit = |limit: i32| {
        server.psql("postgres", &format!("UPDATE pg_database SET datconnlimit = {limit} WHERE datname = '{kept}'"));
    };
    limit(-2);
    let refused = ended(shop.undo(&["--yes"]).run(), 40);
    for word in ["is half dropped", "DROP DATABASE"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    assert_eq!(shop.oid(), oid);
    limit(-1);
    shop.drop_kept();
}

#[test]
fn a_database_that_is_closed_is_replaced_without_a_safety_backup_only() {
    let shop = Shop::new(Major::V15);
    let server = shop.database.server;
    server.psql("postgres", &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", shop.database.name));
    let refused = ended(shop.replace(&["--yes"]).run(), 40);
    for word in ["allows no connections", "ALLOW_CONNECTIONS true", "--no-safety-backup"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    shop.assert_restored();
    server.psql("postgres", &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", shop.kept()[0]));
    assert_eq!(server.psql(&shop.kept()[0], "SELECT v FROM version"), "live");
}

#[test]
fn the_servers_own_databases_and_those_that_are_not_there_are_not_replaced() {
    let shop = Shop::backed_up(Major::V15);
    let server = shop.database.server;
    for name in ["postgres", "template1"] {
        let refused = ended(shop.replace(&["--yes"]).env("LIVE_URL", server.dsn(name)).run(), 40);
        assert!(refused.stderr.contains("the server's own database"), "{}", refused.stderr);
    }
    let absent = ended(shop.replace(&["--yes"]).env("LIVE_URL", server.dsn("not_there")).run(), 40);
    assert!(
        absent.stderr.contains("there is no such database") && absent.stderr.contains("--create"),
        "{}",
        absent.stderr
    );
    let nothing = ended(shop.undo(&["--yes"]).run(), 10);
    assert!(nothing.stderr.contains("no database is kept"), "{}", nothing.stderr);
    for (options, with) in
        [(&["--create"][..], "--create"), (&["--table", "items"], "--table"), (&["--undo-replace"], "--undo-replace")]
    {
        let refused = shop.replace(options).run().expect(2);
        assert!(refused.stderr.contains(with), "{}", refused.stderr);
    }
}

#[test]
fn a_file_of_another_program_is_imported_first() {
    let shop = Shop::backed_up(Major::V15);
    let refused = ended(shop.on_live("restore").args(["--from", "shop.dump", "--replace", "--yes"]).run(), 2);
    for word in ["only backups of the store can be", "lifeboat import shop.dump", "--replace"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    assert_eq!(shop.others(), Vec::<String>::new());
}

#[test]
fn another_run_on_the_same_database_is_waited_for_by_the_operator() {
    let shop = Shop::backed_up(Major::V15);
    let hold =
        format!("BEGIN; SELECT pg_advisory_lock(hashtextextended('lifeboat replace {}', 0))", shop.database.name);
    let postgres = postgres(shop.database.server);
    let held = lifeboat_tests::session::Held::new(&postgres, &hold);
    for command in [shop.replace(&["--yes"]), shop.undo(&["--yes"])] {
        let locked = ended(command.run(), 11);
        assert!(locked.stderr.contains("another run is at it"), "{}", locked.stderr);
    }
    held.release();
}
