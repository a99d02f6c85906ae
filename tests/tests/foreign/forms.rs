//! Every form comes back whole, whatever the file is called.

use std::fs::File;

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::foreign::{Shelf, custom, end_agent, gpg, gpg_home, gpg_to, gzip, openssl, plain, zstd};
use lifeboat_tests::{Depot, Fault, Identity, Major, Postgres, Proxy, Seaweed, When, fixtures, unused_name};

use crate::world::{restore, restored};

fn every_form_comes_back(major: Major) {
    let (shop, shelf, server) = (fixtures::small(major), Shelf::new(), Postgres::shared(major));
    let (sql, archive) = (plain(&shop), custom(&shop));
    let forms = [
        ("a", sql.clone(), &[][..]),
        ("b", gzip(&sql), &[]),
        ("c", zstd(&sql), &[]),
        ("d", archive.clone(), &[]),
        ("e", shop.pg_dump(&["--format=tar"]), &[]),
        ("f", gpg(&gzip(&sql)), &[]),
        ("g.sql", openssl(&gzip(&sql), 100_000), &["--openssl-iterations", "100000"]),
        ("h.gz", openssl(&archive, 10_000), &[]),
        ("i", gpg(&zstd(&archive)), &[]),
    ];
    for (name, bytes, options) in forms {
        let database = restored(&shelf.put(name, &bytes), server, options);
        assert_same_but_settings(&shop, &database);
    }
}

#[test]
fn every_form_of_15_comes_back() {
    every_form_comes_back(Major::V15);
}

#[test]
fn every_form_of_18_comes_back() {
    every_form_comes_back(Major::V18);
}

/// Owners, privileges, large objects, partitions, odd names: as pg_dump writes them without being told to quote all names, and as
/// `--clean --if-exists` writes them.
#[test]
fn the_hard_database_comes_back_from_what_pg_dump_writes_by_itself() {
    for major in [Major::V15, Major::V18] {
        let (hard, shelf, server) = (fixtures::hard(major), Shelf::new(), Postgres::shared(major));
        let clean = hard.pg_dump(&["--clean", "--if-exists"]);
        for (name, bytes) in [("plain", plain(&hard)), ("custom", custom(&hard)), ("clean", clean)] {
            let database = restored(&shelf.put(name, &bytes), server, &[]);
            assert_same_but_settings(&hard, &database);
        }
    }
}

#[test]
fn an_archive_of_15_comes_back_on_18_and_one_of_18_is_refused_on_15() {
    let (old, new) = (fixtures::small(Major::V15), fixtures::small(Major::V18));
    let (shelf, server) = (Shelf::new(), Postgres::shared(Major::V18));
    let database = restored(&shelf.put("old", &custom(&old)), server, &[]);
    assert_same_but_settings(&old, &database);
    let file = shelf.put("new", &plain(&new));
    let outcome = crate::world::refused(&file, Postgres::shared(Major::V15), 40, &[]);
    assert!(crate::world::said(&outcome).contains("PostgreSQL 18"), "{}", outcome.text());
}

#[test]
fn what_a_newer_pg_dump_made_of_an_older_server_comes_back_there() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let newer = Postgres::shared(Major::V18);
    let mut pg_dump = newer.client("pg_dump", "unused");
    pg_dump.arg("--dbname").arg(shop.dsn());
    let sql = lifeboat_tests::foreign::through(&mut pg_dump, b"");
    assert!(String::from_utf8_lossy(&sql).contains("SET transaction_timeout"));
    assert_same_but_settings(&shop, &restored(&shelf.put("newer", &sql), shop.server, &[]));
}

#[test]
fn a_file_comes_from_standard_input_and_from_the_store_too() {
    let (shop, depot) = (fixtures::small(Major::V15), Depot::s3());
    let bytes = gzip(&plain(&shop));
    let shelf = Shelf::new();
    let path = shelf.put("dump", &bytes);

    let piped = shop.server.adopt(&unused_name("piped"));
    let lifeboat = restore("-".as_ref(), shop.server, &piped.name).arg("--create");
    let output = lifeboat.command().stdin(File::open(&path).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_same_but_settings(&shop, &piped);

    depot.bucket().write("prod/old/2024/shop.sql.gz", bytes);
    let stored = shop.server.adopt(&unused_name("stored"));
    let key = "store:old/2024/shop.sql.gz";
    let command = restore(key.as_ref(), shop.server, &stored.name).args(["--create", "--store", &depot.url]);
    command.envs(depot.environment.clone()).run().expect(0);
    assert_same_but_settings(&shop, &stored);
    let missing = restore("store:old/none".as_ref(), shop.server, "none").args(["--create", "--store", &depot.url]);
    missing.envs(depot.environment.clone()).run().expect(10);
}

/// Names that no program of today would give, and that some of these stores escape in requests.
#[test]
fn an_object_of_the_store_may_be_called_anything() {
    let server = Postgres::shared(Major::V15);
    let source = server.database("named");
    source.psql("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let dump = gzip(&plain(&source));
    for depot in [Depot::s3(), Depot::file()] {
        for name in ["old {a}/shop~2024 #1 [50%].sql.gz", "old/%7Ewhat^|*?&+=höhe.gz"] {
            let key = format!("prod/{name}");
            if depot.url.starts_with("s3:") {
                depot.bucket().write(&key, dump.clone());
            } else {
                std::fs::create_dir_all(depot.path(&key).parent().unwrap()).unwrap();
                std::fs::write(depot.path(&key), &dump).unwrap();
            }
            let restored = server.adopt(&unused_name("stored"));
            let command = restore(format!("store:{name}").as_ref(), server, &restored.name).arg("--create");
            command.args(["--store", &depot.url]).envs(depot.environment.clone()).run().expect(0);
            assert_eq!(restored.psql("SELECT a FROM t"), "1", "{name}");
        }
    }
}

#[test]
fn a_file_comes_back_into_an_empty_database_and_not_into_another() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let file = shelf.put("dump", &plain(&shop));
    let empty = shop.server.database("empty");
    restore(&file, shop.server, &empty.name).run().expect(0);
    assert_same_but_settings(&shop, &empty);
    let again = restore(&file, shop.server, &empty.name).run().expect(40);
    assert!(crate::world::said(&again).contains("is not empty"), "{}", again.text());
    assert_same_but_settings(&shop, &empty);
}

#[test]
fn roles_that_are_missing_are_listed_before_anything_is_done() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let shop = server.database("owned");
    let role = unused_name("gone");
    server.psql("postgres", &format!("CREATE ROLE {role}"));
    shop.psql(&format!("CREATE TABLE t (a int); ALTER TABLE t OWNER TO {role}; GRANT SELECT ON t TO {role}"));
    let file = shelf.put("dump", &plain(&shop));
    shop.psql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    let outcome = crate::world::refused(&file, server, 40, &[]);
    assert!(crate::world::said(&outcome).contains(&format!("lacks the roles {role}")), "{}", outcome.text());
    assert_eq!(restored(&file, server, &["--roles", "skip"]).psql("SELECT count(*) FROM t"), "0");
    let name = unused_name("dry");
    let planned = restore(&file, server, &name).args(["--create", "--dry-run", "--roles", "stub"]).run().expect(0);
    assert_eq!(planned.result()["plan"]["roles"][0], role.as_str());
    assert_eq!(server.databases_like(&name), "");
}

#[test]
fn what_is_encrypted_to_a_public_key_opens_with_the_keys_of_whoever_runs_it() {
    let (shop, shelf, home) = (fixtures::small(Major::V15), Shelf::new(), gpg_home());
    let file = shelf.put("dump", &gpg_to(home.path(), &gzip(&plain(&shop))));
    let database = shop.server.adopt(&unused_name("by_key"));
    let command = restore(&file, shop.server, &database.name).arg("--create");
    command.env("GNUPGHOME", home.path()).run().expect(0);
    assert_same_but_settings(&shop, &database);
    crate::world::refused(&file, shop.server, 12, &[]);
    end_agent(home.path());
}

/// A list of what is in a bucket is more than an object, and not everybody's to read.
#[test]
fn a_key_that_may_read_and_not_list_suffices() {
    let (shop, depot) = (fixtures::small(Major::V15), Depot::s3());
    depot.bucket().write("prod/old/shop.sql.gz", gzip(&plain(&shop)));
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::operation("ListObjects"), Fault::ACCESS_DENIED);
    let restored = shop.server.adopt(&unused_name("read"));
    let command = restore("store:old/shop.sql.gz".as_ref(), shop.server, &restored.name).arg("--create");
    command.args(["--store", &depot.url]).envs(proxy.environment(Identity::Reader)).run().expect(0);
    assert_same_but_settings(&shop, &restored);
    assert!(!proxy.operations().contains(&"ListObjects"), "{:?}", proxy.operations());
}
