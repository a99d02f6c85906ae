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
    assert!(
        said(&outcome).contains("pg_dumpall") && said(&outcome).contains("psql -X -d postgres"),
        "{}",
        outcome.text()
    );
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

/// psql ends well then, whatever failed.
#[test]
fn a_trusted_script_that_has_psql_go_on_behind_errors_does_not_pass() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let script = "\\set ON_ERROR_STOP off\nDROP TABLE IF EXISTS t;\nCREATE TABLE t (a int);\nALTER TABLE t OWNER TO nobody_at_all;\n\
                  SELECT 1 / 0;\n\\nonsense\nINSERT INTO t VALUES (1);\n";
    let outcome = refused(&shelf.put("script", script.as_bytes()), server, 1, &["--trust-script"]);
    for words in ["3 statements of it failed", "42704", "nobody_at_all", ":4:", "ON_ERROR_STOP"] {
        assert!(said(&outcome).contains(words), "{words}: {}", outcome.text());
    }
    // Notices and warnings are none.
    let quiet = "\\set ON_ERROR_STOP off\nDROP TABLE IF EXISTS t;\nCREATE TABLE t (a int);\nROLLBACK;\n";
    restored(&shelf.put("quiet", quiet.as_bytes()), server, &["--trust-script"]);
}

/// Each in the middle of a whole dump, behind statements that worked.
#[test]
fn a_statement_that_the_server_refuses_leaves_nothing_and_is_told() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let dump = plain(&shop);
    let archive_of = |line: &str| with(&dump, &format!("CREATE TABLE public.before_it (a int);\n\n{line}\n"));
    for (line, code, words) in [
        ("SELECT 1 / 0;", 20, "division by zero"),
        (
            "CREATE EXTENSION IF NOT EXISTS no_such_extension WITH SCHEMA public;",
            40,
            "lacks the extensions no_such_extension",
        ),
        ("ALTER TABLE public.before_it OWNER TO nobody_at_all;", 40, "lacks the roles nobody_at_all"),
    ] {
        let outcome = refused(&shelf.put("dump", archive_of(line).as_bytes()), shop.server, code, &[]);
        assert!(said(&outcome).contains(words), "{line}: {}", outcome.text());
    }
    let owner = "CREATE TABLE t (a int);\nALTER TABLE t OWNER TO nobody_at_all;\nINSERT INTO t VALUES (1);\n";
    let outcome = refused(&shelf.put("owner", owner.as_bytes()), shop.server, 1, &["--trust-script"]);
    assert!(said(&outcome).contains("nobody_at_all") && said(&outcome).contains(":2:"), "{}", outcome.text());
}

/// A row that its table does not take, in the middle.
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
