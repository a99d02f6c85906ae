//! `--dry-run` says what would be done, how large it is and how much memory it takes, and changes nothing.

use lifeboat_tests::{Major, Postgres};

use crate::shop::{Shop, Store};

fn databases(shop: &Shop) -> String {
    shop.database
        .psql(&format!("SELECT datname FROM pg_database WHERE datname LIKE '{}%' ORDER BY 1", shop.database.name))
}

#[test]
fn of_a_backup() {
    let shop = Shop::new(Major::V15);
    let outcome = shop.backup().arg("--dry-run").run().expect(0);
    for word in
        ["database", "store", "pg_dump (PostgreSQL) 15", "tables", "MiB", "memory", "at most", "Nothing was changed"]
    {
        assert!(outcome.stdout.contains(word), "{word} in\n{}", outcome.stdout);
    }
    assert_eq!(shop.store.objects().len(), 0, "not even a run record");
    let outcome = shop.backup().args(["--dry-run", "--json"]).run().expect(0);
    let plan = &outcome.result()["plans"][0];
    assert!(plan["memory_bytes"].as_u64().unwrap() > 16 << 20 && plan["memory_bytes"].as_u64().unwrap() <= 128 << 20);
    assert!(plan["database_bytes"].as_u64().unwrap() > 1 << 20 && plan["tables"].as_u64() == Some(4), "{plan}");
    assert_eq!(shop.store.objects().len(), 0);
}

#[test]
fn of_a_restore() {
    let shop = Shop::backed_up(Major::V15);
    let (before, stored) = (databases(&shop), shop.store.objects());
    let target = shop.database.server.dsn(&format!("{}_copy", shop.database.name));
    let outcome = shop.store.restore(&target).args(["--create", "--dry-run"]).run().expect(0);
    for word in ["to be created", "rows", "4 tables", "to fetch", "memory", "at most", "Nothing was changed"] {
        assert!(outcome.stdout.contains(word), "{word} in\n{}", outcome.stdout);
    }
    assert!(!outcome.stdout.contains("would be refused"), "{}", outcome.stdout);
    assert_eq!((databases(&shop), shop.store.objects()), (before, stored));
}

#[test]
fn of_a_restore_that_would_be_refused_ends_as_the_refusal_would() {
    let shop = Shop::backed_up(Major::V15);
    let outcome = shop.store.restore(&shop.database.dsn()).arg("--dry-run").run().expect(40);
    for word in ["would be refused", "the database the backup was taken of", "is not empty"] {
        assert!(outcome.stdout.contains(word), "{word} in\n{}", outcome.stdout);
    }
    let json = shop.store.restore(&shop.database.dsn()).args(["--dry-run", "--json"]).run().expect(40);
    assert_eq!(json.last_record()["exit_kind"], "policy");
    assert_eq!(shop.database.psql("SELECT count(*) FROM items"), "24000");
}

#[test]
fn a_database_without_tables_is_backed_up_with_a_warning_and_one_with_a_table_without() {
    let database = Postgres::shared(Major::V15).database("empty");
    let store = Store::new();
    let warning = "the database has no tables with rows to dump";
    for arguments in [&["--dry-run"][..], &[]] {
        let outcome = store.backup(&database.dsn()).args(arguments).run().expect(0);
        assert!(outcome.stderr.contains(&format!("warning: {warning}")), "{}", outcome.stderr);
    }
    let shown = store.lifeboat("show shop/latest").run().expect(0).stdout;
    assert!(shown.contains("0 in 0 tables") && shown.contains(warning), "{shown}");
    database.psql("CREATE TABLE one AS SELECT 1 AS x");
    let outcome = store.backup(&database.dsn()).run().expect(0);
    assert!(!outcome.stderr.contains("warning"), "{}", outcome.stderr);
    let shown = store.lifeboat("show shop/latest").run().expect(0).stdout;
    assert!(shown.contains("1 in 1 table\n"), "{shown}");
}
