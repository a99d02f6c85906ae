//! Files that become backups: listed, shown, verified, restored and drilled as any other.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::foreign::{PASSPHRASE, Shelf, custom, gpg, gzip, openssl, plain};
use lifeboat_tests::keyring::{NOVEMBER, written};
use lifeboat_tests::{Database, Depot, Lifeboat, Major, Postgres, fixtures, unused_name};
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{said, tells};

/// `lifeboat import FILE` as the shop's, with the passphrase; not run yet.
pub(crate) fn import(depot: &Depot, file: &Path, server: &Postgres) -> Lifeboat {
    let command =
        depot.lifeboat("import").arg(file).args(["--name", "shop", "--json", "--passphrase", "env:PASSPHRASE"]);
    command.env("PASSPHRASE", PASSPHRASE).env("LIFEBOAT_TOOLS_DIR", &server.installation.bin)
}

/// [`import`] of an archive that was made just now on this host.
fn import_new(depot: &Depot, file: &Path, server: &Postgres) -> Lifeboat {
    import(depot, file, server).args(["--taken-at", "mtime"])
}

/// The report of a drill of this backup in a throwaway cluster.
#[track_caller]
fn drilled(depot: &Depot, backup: &str, server: &Postgres, code: i32) -> Value {
    let folder = TempDir::new().unwrap();
    lifeboat_tests::scratch::create_open(folder.path());
    let config = folder.path().join("lifeboat.toml");
    std::fs::write(&config, format!("[drill]\ndir = \"{}\"\n", folder.path().join("drills").display())).unwrap();
    let command = depot.lifeboat("drill").args(["run", backup, "--json", "--config"]).arg(&config);
    let outcome = command.env("LIFEBOAT_TOOLS_DIR", &server.installation.bin).run().expect(code);
    outcome.result()["report"].take()
}

fn back_whole(depot: &Depot, shop: &Database<'_>, backup: &str) {
    let copy = shop.server.adopt(&unused_name("imported"));
    let command = depot.lifeboat("restore").args([backup, "--create", "--into", "env:TARGET_URL"]);
    command.env("TARGET_URL", copy.dsn()).run().expect(0);
    assert_same_but_settings(shop, &copy);
}

#[test]
fn an_imported_archive_is_a_backup_that_a_drill_proves() {
    for major in [Major::V15, Major::V18] {
        let (shop, depot, shelf) = (fixtures::small(major), Depot::s3(), Shelf::new());
        let bytes = gpg(&custom(&shop));
        let outcome = import_new(&depot, &shelf.put("shop.gpg", &bytes), shop.server).run().expect(0);
        for warning in ["shop.gpg is encrypted, and the backup is not", "a copy has the time of the copying"] {
            assert!(outcome.text().contains(warning), "{warning}: {}", outcome.text());
        }
        let imported = &outcome.result()["imported"];
        assert_eq!((&imported["file"], &imported["length"]), (&"shop.gpg".into(), &bytes.len().into()), "{imported}");
        assert_eq!(imported["forms"], serde_json::json!(["gpg", "custom", "plain"]));
        let digest = lifeboat_tests::foreign::through(std::process::Command::new("sha256sum").arg("-"), &bytes);
        assert!(String::from_utf8(digest).unwrap().starts_with(imported["sha256"].as_str().unwrap()));

        depot.lifeboat("verify").arg("shop/latest").run().expect(0);
        let shown = depot.lifeboat("show").arg("shop/latest").run().expect(0).stdout;
        assert!(
            shown.contains("shop.gpg (gpg over custom over plain)") && shown.contains("as the dump says"),
            "{shown}"
        );
        back_whole(&depot, &shop, "shop/latest");

        let report = drilled(&depot, "shop/latest", shop.server, 0);
        assert_eq!((&report["verdict"], &report["rows_proven"]), (&"passed".into(), &"all".into()), "{report}");
        let open = report["not_proven"].to_string();
        assert!(open.contains("definitions of all objects"), "{open}");
    }
}

#[test]
fn an_old_file_does_not_become_the_latest_backup() {
    let (shop, depot, shelf) = (fixtures::small(Major::V15), Depot::s3(), Shelf::new());
    let backup = depot.backup(&shop);
    let file = shelf.put("shop.sql.gz", &gzip(&plain(&shop)));
    let unknown = import(&depot, &file, shop.server).run().expect(2);
    assert!(unknown.text().contains("--taken-at"), "{}", unknown.text());
    let future = import(&depot, &file, shop.server).args(["--taken-at", "2999-01-01T00:00:00Z"]).run().expect(2);
    assert!(future.text().contains("still to come"), "{}", future.text());

    let command = import(&depot, &file, shop.server).args(["--taken-at", "2025-03-01T02:17:00Z", "--class", "yearly"]);
    command.run().expect(0);
    let listed = depot.lifeboat("list").arg("--json").run().expect(0).result();
    let ids: Vec<_> = listed["backups"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0] == backup.id && ids[1].starts_with("20250301T021700Z-"), "{ids:?}");
    back_whole(&depot, &shop, "shop/20250301");
    let old = import(&depot, &file, shop.server).args(["--taken-at", "mtime"]).run().expect(0);
    assert!(old.result()["backups"][0]["warnings"][0].as_str().unwrap().starts_with("imported"), "{}", old.text());
}

#[test]
fn a_file_is_imported_from_standard_input_and_from_the_store_too() {
    let (shop, depot, shelf) = (fixtures::small(Major::V15), Depot::s3(), Shelf::new());
    let bytes = openssl(&gzip(&plain(&shop)), 20_000);
    let secret = shelf.put("passphrase", format!("{PASSPHRASE}\n").as_bytes());
    std::fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let import = |file: &str, taken: &str| {
        let command = depot.lifeboat("import").arg(file).args(["--name", "shop", "--json", "--taken-at", taken]);
        let command = command.args(["--passphrase", &format!("file:{}", secret.display())]);
        command.args(["--openssl-iterations", "20000"]).env("LIFEBOAT_TOOLS_DIR", &shop.server.installation.bin)
    };
    let piped = |taken: &str| {
        let file = File::open(shelf.put("dump", &bytes)).unwrap();
        import("-", taken).command().stdin(file).output().unwrap()
    };
    let unknown = piped("mtime");
    assert_eq!(unknown.status.code(), Some(2), "{}", String::from_utf8_lossy(&unknown.stdout));
    let done = piped("2025-03-01T02:17:00Z");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    back_whole(&depot, &shop, "shop/20250301");

    depot.bucket().write("prod/old/shop.sql.gz.enc", bytes.clone());
    let stored = import("store:old/shop.sql.gz.enc", "2025-04-01T02:17:00Z").run().expect(0);
    assert_eq!(stored.result()["imported"]["forms"], serde_json::json!(["openssl", "gzip", "plain"]));
    back_whole(&depot, &shop, "shop/20250401");
    assert!(!stored.text().contains(PASSPHRASE), "{}", stored.text());
    import("store:old/none", "2025-05-01T02:17:00Z").run().expect(10);
}

#[test]
fn an_imported_backup_is_sealed_where_keys_are_configured() {
    let (shop, depot, shelf) = (fixtures::small(Major::V15), Depot::s3(), Shelf::new());
    let keyring = written(shelf.0.path(), &[NOVEMBER]);
    let file = shelf.put("shop.dump", &custom(&shop));
    let told = |depot: &Depot| {
        let mut names = depot.bucket().objects().into_keys();
        names.find(|name| tells(&depot.read(name), b"customer17@example.org"))
    };
    let sealed = import_new(&depot, &file, shop.server).args(["--keyring", &keyring]).run().expect(0);
    assert!(!sealed.text().contains("the backup is not"), "{}", sealed.text());
    assert_eq!(told(&depot), None);
    let open = Depot::s3();
    import_new(&open, &file, shop.server).run().expect(0);
    assert!(told(&open).is_some(), "nobody would have noticed");
    depot.lifeboat("verify").args(["shop/latest", "--keyring", &keyring]).run().expect(0);
}

#[test]
fn a_file_may_be_of_a_database_that_no_configuration_has() {
    let (shop, depot, shelf) = (fixtures::small(Major::V15), Depot::s3(), Shelf::new());
    let config = shelf.put("lifeboat.toml", b"[[database]]\nname = \"ledger\"\nurl = \"env:LEDGER_URL\"\n");
    let file = shelf.put("shop.dump", &custom(&shop));
    import_new(&depot, &file, shop.server).arg("--config").arg(config).run().expect(0);
    depot.lifeboat("verify").arg("shop/latest").run().expect(0);
}

#[test]
fn a_damaged_file_becomes_no_backup() {
    let (shop, depot, shelf) = (fixtures::small(Major::V15), Depot::s3(), Shelf::new());
    let bytes = custom(&shop);
    let file = shelf.put("cut", &bytes[..bytes.len() - 100]);
    import_new(&depot, &file, shop.server).run().expect(30);
    let script = shelf.put("script", b"\\connect x\n-- PostgreSQL database dump complete\n");
    import(&depot, &script, shop.server).args(["--taken-at", "mtime"]).run().expect(40);
    let objects = depot.bucket().objects();
    assert!(!objects.keys().any(|name| name.ends_with("manifest.json")), "{:?}", objects.keys());
    assert_eq!(objects.keys().filter(|name| name.ends_with(".end.json")).count(), 2, "{:?}", objects.keys());
}

/// An archive says by the clock of its host when it was made: tomorrow, where that is far in the east.
#[test]
fn a_dump_of_the_far_east_does_not_stay_the_latest_backup() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let (depot, file) = (Depot::file(), shelf.put("shop.dump", &made_in("Pacific/Auckland", &shop)));
    let refused = import(&depot, &file, shop.server).args(["--time-zone", "UTC"]).run().expect(2);
    assert!(said(&refused).contains("still to come") && said(&refused).contains("--taken-at"), "{}", refused.text());
    let imported = import(&depot, &file, shop.server).args(["--time-zone", "Pacific/Auckland"]).run().expect(0);
    let imported = imported.result()["backups"][0]["id"].as_str().unwrap().to_owned();
    // Ids tell seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let backup = depot.backup(&shop);
    assert!(imported < backup.id, "{imported}, {}", backup.id);
    let shown = depot.lifeboat("show").args(["shop/latest", "--json"]).run().expect(0);
    assert!(shown.stdout.contains(&backup.id) && !shown.stdout.contains(&imported), "{}", shown.stdout);
}

fn made_in(zone: &str, shop: &Database<'_>) -> Vec<u8> {
    let mut pg_dump = shop.server.client("pg_dump", &shop.name);
    lifeboat_tests::foreign::through(pg_dump.env("TZ", zone).arg("-Fc"), b"")
}

/// Tonight's dump would be newer than this morning's backup, or older: nobody knows by how many hours.
#[test]
fn a_dump_of_the_last_hours_is_imported_only_with_its_time_or_its_zone() {
    let (shop, depot, shelf) = (fixtures::small(Major::V15), Depot::file(), Shelf::new());
    for zone in ["Pacific/Auckland", "UTC", "America/Los_Angeles"] {
        let file = shelf.put("shop.dump", &made_in(zone, &shop));
        let refused = import(&depot, &file, shop.server).run().expect(2);
        for words in ["time zone it does not tell", "--taken-at", "--time-zone"] {
            assert!(said(&refused).contains(words), "{zone}, {words}: {}", refused.text());
        }
        import(&depot, &file, shop.server).args(["--time-zone", zone]).run().expect(0);
        import_new(&depot, &file, shop.server).run().expect(0);
    }
}

#[test]
fn a_dump_with_inserts_comes_back_and_no_drill_takes_its_rows_for_proven() {
    let (server, depot, shelf) = (Postgres::shared(Major::V15), Depot::file(), Shelf::new());
    let source = server.database("inserts");
    source
        .psql("CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 300) i");
    let file = shelf.put("dump.sql", &source.pg_dump(&["--inserts"]));
    let imported = import(&depot, &file, server).args(["--taken-at", "mtime"]).run().expect(0);
    assert!(imported.result()["backups"][0]["warnings"].to_string().contains("INSERT"), "{}", imported.text());
    let report = drilled(&depot, "shop/latest", server, 32);
    assert_eq!((&report["verdict"], &report["rows_proven"]), (&"inconclusive".into(), &"none".into()), "{report}");
    back_whole(&depot, &source, "shop/latest");
}

/// Times are printed with the dumper's zone, which a dump does not tell: then as many rows are as many rows, and no more.
#[test]
fn a_dump_of_another_time_zone_is_drilled_in_part_unless_its_zone_is_told() {
    let (server, depot, shelf) = (Postgres::shared(Major::V15), Depot::file(), Shelf::new());
    let source = server.database("zoned");
    source.psql(
        "CREATE TABLE times (at timestamptz); INSERT INTO times SELECT timestamptz '2025-01-01 12:00+00' + i * interval '1 day'
             FROM generate_series(1, 300) i;
         CREATE TABLE words (a text); INSERT INTO words VALUES ('x')",
    );
    let mut pg_dump = server.client("pg_dump", &source.name);
    let bytes = lifeboat_tests::foreign::through(pg_dump.env("PGTZ", "Europe/Berlin").arg("--format=custom"), b"");
    let file = shelf.put("dump", &bytes);
    import_new(&depot, &file, server).run().expect(0);
    let report = drilled(&depot, "shop/latest", server, 0);
    assert_eq!((&report["verdict"], &report["rows_proven"]), (&"passed".into(), &"part".into()), "{report}");
    assert!(report["not_proven"].to_string().contains("--time-zone"), "{report}");

    let told = Depot::file();
    import(&told, &file, server).args(["--time-zone", "Europe/Berlin"]).run().expect(0);
    assert_eq!(drilled(&told, "shop/latest", server, 0)["rows_proven"], "all");
}
