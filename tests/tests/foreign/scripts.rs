//! Scripts that do more than a dump of one database does.

use lifeboat_tests::foreign::{Shelf, gzip, plain, through};
use lifeboat_tests::{Major, Postgres, fixtures, unused_name};

use crate::world::{refused, restore, restored, said};

/// A dump with this put in behind its settings.
fn with(dump: &[u8], line: &str) -> String {
    let text = String::from_utf8_lossy(dump);
    let (before, after) = text.split_once("SET row_security = off;\n").unwrap();
    format!("{before}SET row_security = off;\n{line}\n{after}")
}

#[test]
fn a_script_that_does_more_is_refused_with_its_very_line() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let dump = plain(&shop);
    let file = shelf.0.path().join("touched");
    let touch = format!("\\! touch {}", file.display());
    for line in [
        "\\connect postgres",
        &touch,
        "\\i /etc/passwd",
        "CREATE DATABASE other;",
        "DROP DATABASE other;",
        "ALTER ROLE postgres SUPERUSER;",
        "COPY pg_class TO PROGRAM 'cat';",
    ] {
        let script = with(&dump, line);
        let number = 1 + script[..script.find(line).unwrap()].matches('\n').count();
        let outcome = refused(&shelf.put("dump", script.as_bytes()), shop.server, 40, &[]);
        assert!(said(&outcome).contains(&format!("line {number} of the script")), "{line}: {}", outcome.text());
        assert!(said(&outcome).contains("--trust-script"), "{line}: {}", outcome.text());
    }
    assert!(!file.exists());
}

#[test]
fn what_stands_in_rows_is_no_command() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let source = server.database("texts");
    source
        .psql("CREATE TABLE t (a text); INSERT INTO t VALUES (E'\\\\connect x'), (E'x\\nDROP DATABASE y;\\n\\\\! z')");
    let database = restored(&shelf.put("dump", &plain(&source)), server, &[]);
    lifeboat_tests::compare::assert_same_but_settings(&source, &database);
}

#[test]
fn a_dump_with_create_and_one_of_a_cluster_are_refused_with_what_to_do() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let outcome = refused(&shelf.put("dump", &shop.pg_dump(&["--create"])), shop.server, 40, &[]);
    assert!(said(&outcome).contains("CREATE DATABASE"), "{}", outcome.text());
    let mut pg_dumpall = shop.server.client("pg_dumpall", "postgres");
    let cluster = through(pg_dumpall.arg("--globals-only"), b"");
    let outcome = refused(&shelf.put("all", &gzip(&cluster)), shop.server, 40, &[]);
    assert!(said(&outcome).contains("pg_dumpall"), "{}", outcome.text());
}

#[test]
fn a_trusted_script_is_run_by_psql_and_its_errors_are_not_swallowed() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let marks = shelf.0.path().join("touched");
    // Behind `\restrict` psql itself refuses commands.
    let script = format!("\\! touch {}\n{}", marks.display(), String::from_utf8(plain(&shop)).unwrap());
    let database = restored(&shelf.put("dump", script.as_bytes()), shop.server, &["--trust-script"]);
    lifeboat_tests::compare::assert_same_but_settings(&shop, &database);
    assert!(marks.exists());

    let by_hand = shelf.put("by-hand", b"CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n");
    refused(&by_hand, shop.server, 30, &[]);
    assert_eq!(restored(&by_hand, shop.server, &["--trust-script"]).psql("SELECT a FROM t"), "1");

    let broken = shelf.put("broken", b"CREATE TABLE t (a int);\nSELECT 1 / 0;\nCREATE TABLE u (a int);\n");
    let outcome = refused(&broken, shop.server, 1, &["--trust-script"]);
    assert!(said(&outcome).contains("division by zero"), "{}", outcome.text());
    assert!(said(&outcome).contains(":2:"), "{}", outcome.text());
    let cut = gzip(&plain(&shop));
    refused(&shelf.put("cut", &cut[..cut.len() - 1]), shop.server, 30, &["--trust-script"]);
}

/// A statement that the server refuses, in the middle.
#[test]
fn an_error_in_the_middle_leaves_nothing() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let dump = String::from_utf8(plain(&shop)).unwrap().replacen("\\.\n", "1\tonly two\n\\.\n", 1);
    let outcome = refused(&shelf.put("dump", dump.as_bytes()), shop.server, 20, &[]);
    assert!(outcome.text().contains("only two"), "{}", outcome.text());
}

#[test]
fn a_dump_with_inserts_comes_back() {
    let (server, shelf) = (Postgres::shared(Major::V18), Shelf::new());
    let source = server.database("inserts");
    source.psql("CREATE TABLE t (a int PRIMARY KEY, b text); INSERT INTO t SELECT i, E'x\\n' || i FROM generate_series(1, 500) i");
    let database = restored(&shelf.put("dump", &source.pg_dump(&["--inserts"])), server, &[]);
    lifeboat_tests::compare::assert_same_but_settings(&source, &database);
}

#[test]
fn arguments_that_contradict_each_other_are_refused() {
    let server = Postgres::shared(Major::V15);
    let name = unused_name("none");
    for extra in [&["shop/latest"][..], &["--table", "t"], &["--data-only"]] {
        restore("x".as_ref(), server, &name).args(extra).run().expect(2);
    }
    let file = Shelf::new();
    let file = file.put("x", b"SELECT 1;\n");
    let command = restore(&file, server, &name).args(["--passphrase", "hunter2hunter2"]);
    assert!(!command.run().expect(2).text().contains("hunter2"));
}
