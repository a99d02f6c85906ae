//! Last year's file in hand, and a production database to replace: the file is imported, and takes the database's place.

use std::path::Path;

use lifeboat_tests::Major;
use lifeboat_tests::compare::contents;
use lifeboat_tests::foreign::{PASSPHRASE, Shelf, custom, gpg};

use crate::world::{Shop, contents_of, ended};

/// Imports the file as `old`.
#[track_caller]
fn imported(shop: &Shop, file: &Path) {
    let command = shop.depot.lifeboat("import").arg(file).args(["--name", "old", "--taken-at", "mtime"]);
    let command = command.args(["--passphrase", "env:PASSPHRASE"]).env("PASSPHRASE", PASSPHRASE);
    ended(command.env("LIFEBOAT_TOOLS_DIR", &shop.database.server.installation.bin).run(), 0);
}

/// Replaces the live database by what was imported, and takes that back; the rows are the file's, and then the old ones.
#[track_caller]
fn replaced_and_taken_back(shop: &Shop, options: &[&str]) {
    let (oid, old) = (shop.oid(), contents(&shop.database));
    let outcome = ended(shop.replace_by("old/latest", &[&["--yes", "--json"], options].concat()).run(), 0);
    let summary = &outcome.result()["summary"];
    assert!(summary["safety_backup"].as_str().unwrap().starts_with("old.replaced/"), "{summary}");
    shop.assert_restored();
    assert_eq!(contents_of(shop.database.server, &shop.kept()[0]), old);
    ended(shop.undo(&["--yes"]).run(), 0);
    assert_eq!((shop.oid(), contents(&shop.database)), (oid, old));
}

#[test]
fn a_file_of_gpg_that_was_imported_takes_the_place_of_a_live_database() {
    for major in Major::ALL {
        let (shop, shelf) = (Shop::backed_up(major), Shelf::new());
        imported(&shop, &shelf.put("shop-2025.gpg", &gpg(&custom(&shop.database))));
        let shop = shop.in_use();
        shop.database.psql("CREATE TABLE added_since (a int)");
        let dry = ended(shop.replace_by("old/latest", &["--dry-run"]).run(), 0);
        for word in [
            "has 1 table that the backup lacks: public.added_since\n",
            "of the backup: imported: the file tells neither settings nor privileges of the database itself",
            "nobody knows whether every table of the source is in it",
            "compare every row with the backup",
            "are proven by their number of rows alone",
            "old.replaced, class safety",
        ] {
            assert!(dry.stdout.contains(word), "{word} in {}", dry.stdout);
        }
        replaced_and_taken_back(&shop, &[]);
    }
}

/// The rows of its partitions are in the file, under the name of the whole table.
#[test]
fn partitions_whose_rows_came_through_their_root_are_not_called_missing() {
    let (shop, shelf) = (Shop::backed_up(Major::V15), Shelf::new());
    shop.database.psql(
        "CREATE TABLE parts (id int) PARTITION BY HASH (id);
         CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO parts SELECT generate_series(1, 9)",
    );
    imported(&shop, &shelf.put("shop.sql", &shop.database.pg_dump(&["--load-via-partition-root"])));
    shop.database.psql("CREATE TABLE added_since (a int)");
    let dry = ended(shop.replace_by("old/latest", &["--dry-run"]).run(), 0);
    assert!(dry.stdout.contains("has 1 table that the backup lacks: public.added_since\n"), "{}", dry.stdout);
}

#[test]
fn rows_in_an_encoding_do_not_take_the_place_of_a_database_without_one() {
    let (shop, shelf) = (Shop::backed_up(Major::V15), Shelf::new());
    imported(&shop, &shelf.put("shop.sql", &shop.database.pg_dump(&[])));
    let (server, name) = (shop.database.server, format!("{}_ascii", shop.database.name));
    server.psql(
        "postgres",
        &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"),
    );
    let dry = ended(shop.replace_by("old/latest", &["--dry-run"]).env("LIVE_URL", server.dsn(&name)).run(), 40);
    assert!(dry.stdout.contains("the backup is in UTF8 and the database in SQL_ASCII"), "{}", dry.stdout);
}

#[test]
fn rows_that_nothing_proves_take_the_place_of_a_live_database_when_somebody_says_so() {
    let (shop, shelf) = (Shop::backed_up(Major::V15), Shelf::new());
    imported(&shop, &shelf.put("shop.sql", &shop.database.pg_dump(&["--inserts", "--rows-per-insert", "1000"])));
    let shop = shop.in_use();
    let oid = shop.oid();
    let words = ["rows come as INSERT", "nobody can prove that all of them are there", "--create", "--unproven-rows"];
    let dry = ended(shop.replace_by("old/latest", &["--dry-run"]).run(), 40);
    let refused = ended(shop.replace_by("old/latest", &["--yes"]).run(), 40);
    for word in words {
        assert!(dry.stdout.contains(word), "{word} in {}", dry.stdout);
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    assert_eq!((shop.oid(), shop.others()), (oid, Vec::new()));
    let listed = shop.depot.lifeboat("list").arg("old.replaced").run().expect(0).stdout;
    assert!(listed.contains("no backup"), "{listed}");

    let dry = ended(shop.replace_by("old/latest", &["--dry-run", "--unproven-rows"]).run(), 0);
    for word in ["of the backup: rows come as INSERT", "compare nothing, for its rows have no fingerprints"] {
        assert!(dry.stdout.contains(word), "{word} in {}", dry.stdout);
    }
    replaced_and_taken_back(&shop, &["--unproven-rows"]);
}
