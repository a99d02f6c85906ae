//! The target is looked at before the file is read: of a file of 50 GB its operator would wait an hour for "exists already".

use lifeboat_tests::foreign::{Shelf, gzip, plain};
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::{Major, Postgres, fixtures, unused_name};

use crate::world::{refused, restore, restored, said};

/// Damaged from the first byte on: whoever reads it says so.
fn unreadable(shelf: &Shelf) -> std::path::PathBuf {
    shelf.put("shop.sql.gz", b"\x1f\x8bnot gzip at all")
}

#[test]
fn a_target_that_is_not_fit_is_told_before_the_file_is_read() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let file = unreadable(&shelf);
    let exists = restore(&file, shop.server, &shop.name).arg("--create").run().expect(40);
    assert!(said(&exists).contains(&format!("the database {} exists already", shop.name)), "{}", exists.text());
    let filled = restore(&file, shop.server, &shop.name).run().expect(40);
    assert!(said(&filled).contains("is not empty"), "{}", filled.text());
    let missing = restore(&file, shop.server, &unused_name("missing")).run().expect(20);
    assert!(said(&missing).contains("--create"), "{}", missing.text());
    for outcome in [exists, filled, missing] {
        assert!(said(&outcome).contains("shop.sql.gz") || outcome.code() == 20, "{}", outcome.text());
        assert!(!outcome.text().contains("gzip"), "the file was read: {}", outcome.text());
    }
}

#[test]
fn a_role_that_may_not_create_databases_is_told_before_the_file_is_read() {
    let (server, shelf, role) = (Postgres::shared(Major::V15), Shelf::new(), unused_name("poor"));
    server.psql("postgres", &format!("CREATE ROLE {role} LOGIN PASSWORD 'secret-of-the-poor'"));
    let command = restore(&unreadable(&shelf), server, "none").arg("--create");
    let outcome = command.env("TARGET_URL", server.dsn_as(&role, "secret-of-the-poor", "none")).run();
    server.psql("postgres", &format!("DROP ROLE {role}"));
    let outcome = outcome.expect(40);
    assert!(said(&outcome).contains("may not create databases"), "{}", outcome.text());
}

#[test]
fn a_standby_is_told_before_the_file_is_read() {
    let primary = Postgres::start(Major::V15, &Options::default());
    let (standby, shelf) = (primary.standby(&Options::default()), Shelf::new());
    let outcome = restore(&unreadable(&shelf), &standby, "none").arg("--create").run().expect(40);
    assert!(said(&outcome).contains("standby"), "{}", outcome.text());
}

/// The first bytes tell which server a dump is of: the rest need not be read to refuse it.
#[test]
fn a_dump_of_a_newer_server_is_refused_by_its_first_lines() {
    let (new, shelf) = (fixtures::small(Major::V18), Shelf::new());
    let sql = plain(&new);
    let cut = shelf.put("new.sql.gz", &gzip(&sql[..sql.len() / 2]));
    let outcome = refused(&cut, Postgres::shared(Major::V15), 40, &[]);
    assert!(said(&outcome).contains("new.sql.gz") && said(&outcome).contains("PostgreSQL 18"), "{}", outcome.text());
}

/// In SQL_ASCII the server takes any bytes for any text: nothing fails, and `é` is two characters long.
#[test]
fn rows_in_an_encoding_do_not_go_into_a_database_without_one() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let source = server.database("encoded");
    source.psql("CREATE TABLE t (a text); INSERT INTO t VALUES ('é')");
    let file = shelf.put("dump", &plain(&source));
    let name = unused_name("ascii");
    server.psql(
        "postgres",
        &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"),
    );
    let without = server.adopt(&name);
    let outcome = restore(&file, server, &name).run().expect(40);
    assert!(said(&outcome).contains("the backup is in UTF8 and the database in SQL_ASCII"), "{}", outcome.text());
    assert_eq!(without.psql("SELECT count(*) FROM pg_class WHERE relname = 't'"), "0");

    // As after `initdb --locale=C`.
    let server = Postgres::start(Major::V15, &Options::default());
    server.psql(
        "postgres",
        "SET allow_system_table_mods = on; UPDATE pg_database SET encoding = 0 WHERE datname = 'template0'",
    );
    let length = |file: &std::path::Path| restored(file, &server, &[]).psql("SELECT length(a) FROM t");
    assert_eq!(length(&file), "1");
    // A script that says that it is in none goes into one without.
    let bare =
        String::from_utf8(plain(&source)).unwrap().replace("client_encoding = 'UTF8'", "client_encoding = 'SQL_ASCII'");
    assert_eq!(length(&shelf.put("bare", bare.as_bytes())), "2");
}

#[test]
fn a_dry_run_warns_of_the_target_at_once_and_has_it_in_its_plan() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let file = shelf.put("shop.sql.gz", &gzip(&plain(&shop)));
    let outcome = restore(&file, shop.server, &shop.name).args(["--create", "--dry-run"]).run().expect(40);
    let records = outcome.records();
    let at = |what: &str| records.iter().position(|record| record.to_string().contains(what)).expect(what);
    assert!(at("it would be refused") < at("read shop.sql.gz"), "{}", outcome.text());
    assert!(outcome.result()["plan"]["refusals"][0].as_str().unwrap().contains("exists already"), "{}", outcome.text());
}

/// What an operator reads is about the file, not about where it lay meanwhile.
#[test]
fn messages_are_about_the_file() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let source = server.database("owned");
    let role = unused_name("gone");
    server.psql("postgres", &format!("CREATE ROLE {role}"));
    source.psql(&format!("CREATE TABLE t (a int); ALTER TABLE t OWNER TO {role}"));
    let file = shelf.put("owned.sql", &plain(&source));
    source.psql(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
    let outcome = refused(&file, server, 40, &["-vv"]);
    assert!(said(&outcome).contains("restore owned.sql into "), "{}", outcome.text());
    let database = server.adopt(&unused_name("told"));
    let done = restore(&file, server, &database.name).args(["--create", "--roles", "skip"]).run().expect(0);
    for outcome in [outcome, done] {
        for internal in ["lifeboat-restore-", "file/2", "spool", "latest"] {
            assert!(!outcome.text().contains(internal), "{internal}: {}", outcome.text());
        }
    }
}

#[test]
fn a_database_that_a_killed_restore_left_is_told_with_the_statement_that_drops_it() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let source = server.database("left");
    source.psql("CREATE TABLE t (a int)");
    let name = unused_name("target");
    let left = server.adopt(&format!("{name}_restoring_7f3a9c"));
    server.psql("postgres", &format!("CREATE DATABASE {}", left.name));
    let target = server.adopt(&name);
    let outcome = restore(&shelf.put("dump", &plain(&source)), server, &target.name).arg("--create").run().expect(0);
    let drop = format!("DROP DATABASE IF EXISTS \\\"{}\\\" WITH (FORCE)", left.name);
    assert!(outcome.text().contains(&drop), "{drop}: {}", outcome.text());
}

/// Who runs a script that nobody has looked into need not be who may create its extensions.
#[test]
fn a_trusted_script_fills_a_database_that_has_its_extensions_and_one_that_fills_nothing_does_not_pass() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let source = server.database("extended");
    source.psql("CREATE EXTENSION pgcrypto; CREATE TABLE t AS SELECT encode(digest('x', 'md5'), 'hex') AS a");
    let target = server.database("prepared");
    target.psql("CREATE EXTENSION pgcrypto");
    let nothing = shelf.put("nothing", b"SELECT 1;\n");
    let outcome = restore(&nothing, server, &target.name).arg("--trust-script").run().expect(1);
    assert!(said(&outcome).contains("nothing new in the database"), "{}", outcome.text());

    let script = shelf.put("dump", &plain(&source));
    let trusted = |options: &[&str]| restore(&script, server, &target.name).arg("--trust-script").args(options).run();
    let planned = trusted(&["--dry-run"]).expect(0);
    assert_eq!(planned.result()["plan"]["refusals"], serde_json::json!([]), "{}", planned.text());
    trusted(&[]).expect(0);
    assert_eq!(target.psql("SELECT a FROM t"), source.psql("SELECT a FROM t"));
    let again = trusted(&[]).expect(40);
    assert!(said(&again).contains("is not empty"), "{}", again.text());
}
