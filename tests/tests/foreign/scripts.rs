//! Scripts that do more than a dump of one database does.

use std::mem::ManuallyDrop;

use lifeboat_tests::foreign::{Shelf, gzip, plain, through};
use lifeboat_tests::relay::Relay;
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::session::{Held, wait_for};
use lifeboat_tests::{Major, Postgres, fixtures, unused_name};

use rustix::process::Signal;

use crate::world::{refused, restore, restored, said, typed};

/// Among the databases that appeared meanwhile: those of tests beside this one are on the same server.
fn tells_of(text: &str, database: &str) -> bool {
    text.split("the databases ").skip(1).any(|rest| {
        rest.split_once(" appeared while psql ran")
            .is_some_and(|(names, _)| names.split(", ").any(|name| name == database))
    })
}

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
        let names_another = ["\\connect", "CREATE", "DROP"].iter().any(|words| line.starts_with(words));
        let hint = if names_another { "without --create" } else { "with --trust-script psql runs the whole script" };
        assert!(said(&outcome).contains(hint), "{line}: {}", outcome.text());
    }
    assert!(!file.exists());
}

/// The server would roll back what nobody commits, and say nothing.
#[test]
fn a_script_with_a_transaction_of_its_own_is_refused() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let (dump, definitions) = (plain(&shop), shop.pg_dump(&["--schema-only"]));
    let trailer = "--\n-- PostgreSQL database dump complete";
    let around = with(&dump, "BEGIN;").replace(trailer, &format!("COMMIT;\n\n{trailer}"));
    let line = |script: &str| 1 + script[..script.find("BEGIN;").unwrap()].matches('\n').count();
    for script in [with(&definitions, "BEGIN;"), with(&dump, "BEGIN;"), with(&dump, "BEGIN;\nBEGIN;"), around] {
        let outcome = refused(&shelf.put("dump", script.as_bytes()), shop.server, 40, &[]);
        let words = format!("begins in line {}", line(&script));
        assert!(said(&outcome).contains(&words), "{words}: {}", outcome.text());
        assert!(said(&outcome).contains("take BEGIN and COMMIT out"), "{}", outcome.text());
    }
    shop.psql("SELECT lo_from_bytea(0, '\\x0102'), lo_from_bytea(0, '\\x03')");
    let dump = plain(&shop);
    let database = restored(&shelf.put("dump", &dump), shop.server, &[]);
    lifeboat_tests::compare::assert_same_but_settings(&shop, &database);
    let without = String::from_utf8_lossy(&dump).replace("\nBEGIN;\n", "\n").replace("\nCOMMIT;\n", "\n");
    let outcome = refused(&shelf.put("dump", without.as_bytes()), shop.server, 40, &[]);
    for words in ["outside of a transaction", "without --single-transaction"] {
        assert!(said(&outcome).contains(words), "{words}: {}", outcome.text());
    }
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
fn a_dump_with_create_and_the_roles_of_a_cluster_are_refused_with_what_to_do() {
    let (shop, shelf) = (fixtures::small(Major::V15), Shelf::new());
    let outcome = refused(&shelf.put("dump", &shop.pg_dump(&["--create"])), shop.server, 40, &[]);
    for words in ["CREATE DATABASE", "without --create", "would drop and fill the database that the script names"] {
        assert!(said(&outcome).contains(words), "{words}: {}", outcome.text());
    }
    let mut pg_dumpall = shop.server.client("pg_dumpall", "postgres");
    let roles = through(pg_dumpall.arg("--globals-only"), b"");
    for options in [&[][..], &["--trust-script"]] {
        let outcome = refused(&shelf.put("roles", &roles), shop.server, 40, options);
        assert!(said(&outcome).contains("(psql -X -d postgres < FILE)"), "{}", outcome.text());
    }
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

    let told = shop.server.adopt(&unused_name("told"));
    let command = typed(&shelf.put("dump", &plain(&shop)), shop.server, &told.name);
    let outcome = command.args(["--create", "--trust-script"]).run().expect(0);
    assert!(
        outcome.stdout.contains("warning: psql ran the script as it is: nobody counted its rows"),
        "{}",
        outcome.stdout
    );

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

/// Somebody wrote it who had a table in a file of commas: it is not damaged.
#[test]
fn rows_that_psql_alone_can_read_are_refused_with_how_it_does() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let script = "CREATE TABLE t (a int, b text);\nCOPY t FROM stdin WITH (FORMAT csv);\n1,x\n2,y\n\\.\n";
    let file = shelf.put("by-hand", script.as_bytes());
    let outcome = refused(&file, server, 40, &[]);
    for words in ["COPY t FROM stdin WITH (FORMAT csv)", "with --trust-script"] {
        assert!(said(&outcome).contains(words), "{words}: {}", outcome.text());
    }
    let database = restored(&file, server, &["--trust-script"]);
    assert_eq!(database.psql("SELECT string_agg(b, '' ORDER BY a) FROM t"), "xy");
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

/// As `pg_dump -C` and pg_dumpall write them: psql ends well, in another database.
#[test]
fn a_trusted_script_that_fills_another_database_does_not_pass() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let source = server.database("elsewhere");
    source.psql("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let file = shelf.put("dump", &source.pg_dump(&["--create"]));
    let name = source.name.clone();
    drop(source);
    let made = server.adopt(&name);
    let outcome = refused(&file, server, 1, &["--trust-script"]);
    for words in ["nothing in the database", &name, "--create"] {
        assert!(said(&outcome).contains(words), "{words}: {}", outcome.text());
    }
    assert_eq!(made.psql("SELECT a FROM t"), "1");
    drop(made);

    // It takes the very name that the database is to have.
    let made = server.adopt(&name);
    let outcome = restore(&file, server, &name).args(["--create", "--trust-script"]).run().expect(1);
    assert!(tells_of(&outcome.text(), &name), "{}", outcome.text());
    assert_eq!(server.databases_like(&name), name);
    drop(made);

    // What a script makes beside a database that it fills stays, and is told.
    let script = format!("CREATE TABLE t (a int);\nCREATE DATABASE {name};\n");
    let made = server.adopt(&name);
    let filled = server.adopt(&unused_name("filled"));
    let command = restore(&shelf.put("beside", script.as_bytes()), server, &filled.name);
    let outcome = command.args(["--create", "--trust-script"]).run().expect(0);
    assert!(outcome.text().contains(&name), "{}", outcome.text());
    assert!(server.has_database(&filled.name) && server.has_database(&made.name));
}

#[test]
fn a_trusted_script_that_makes_nothing_does_not_pass() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let outcome = refused(&shelf.put("nothing", b"SELECT 1;\n"), server, 1, &["--trust-script"]);
    assert!(said(&outcome).contains("or it makes nothing"), "{}", outcome.text());
}

#[test]
fn a_trusted_script_is_run_without_a_right_on_any_other_database() {
    let (server, shelf) = (Postgres::start(Major::V15, &Options::default()), Shelf::new());
    let (role, filled) = (unused_name("plain"), server.database("filled"));
    filled.psql(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'secret-of-the-plain'; ALTER DATABASE {} OWNER TO {role}; ALTER SCHEMA public OWNER TO {role};
         REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC",
        filled.name
    ));
    let command =
        restore(&shelf.put("script", b"CREATE TABLE t (a int);\n"), &server, &filled.name).arg("--trust-script");
    command.env("TARGET_URL", server.dsn_as(&role, "secret-of-the-plain", &filled.name)).run().expect(0);
    assert_eq!(filled.psql("SELECT count(*) FROM t"), "0");
}

#[test]
fn what_a_cancelled_script_made_beside_its_database_is_told() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let (made, filled) = (server.adopt(&unused_name("made")), server.adopt(&unused_name("filled")));
    let script = format!("CREATE DATABASE {};\nSELECT pg_sleep(600);\n", made.name);
    let file = shelf.put("script", script.as_bytes());
    let running = restore(&file, server, &filled.name).args(["--create", "--trust-script"]).spawn();
    let postgres = ManuallyDrop::new(server.adopt("postgres"));
    let asleep = format!(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname LIKE '{}%' AND query LIKE '%pg_sleep(600)%'",
        filled.name
    );
    wait_for(&postgres, &asleep);
    running.signal(Signal::INT);
    let outcome = running.wait().expect(130);
    assert!(tells_of(&outcome.text(), &made.name), "{}", outcome.text());
    assert_eq!(server.databases_like(&filled.name), "");
}

/// What the script starts may hold psql's output open for hours.
#[test]
fn errors_are_counted_although_something_keeps_psqls_output_open() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let script = "\\set ON_ERROR_STOP off\n\\! sleep 8 &\nCREATE TABLE t (a int);\nSELECT 1 / 0;\n";
    let outcome = refused(&shelf.put("script", script.as_bytes()), server, 1, &["--trust-script"]);
    assert!(said(&outcome).contains("1 statement of it failed"), "{}", outcome.text());
    assert!(said(&outcome).contains("division by zero"), "{}", outcome.text());
}

/// The last statement of a restore: a server that was told to do it does it, whether anybody hears of it or not.
#[test]
fn after_a_lost_answer_to_the_last_rename_the_server_is_asked_what_became_of_it() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let source = server.database("source");
    source.psql("CREATE TABLE t (a int); INSERT INTO t VALUES (1)");
    let slow = shelf.put("dump", with(&plain(&source), "SELECT pg_catalog.pg_sleep(5);").as_bytes());
    let (relay, postgres) = (Relay::to(server.port()), ManuallyDrop::new(server.adopt("postgres")));
    let target = server.adopt(&unused_name("renamed"));
    let url = server.dsn(&target.name).replace(&format!(":{}/", server.port()), &format!(":{}/", relay.port()));
    let running = restore(&slow, server, &target.name).arg("--create").env("TARGET_URL", url).spawn();
    while server.databases_like(&target.name).is_empty() && running.is_running() {}
    let temporary = server.databases_like(&target.name);
    let held = Held::new(&postgres, &format!("BEGIN; COMMENT ON DATABASE {temporary} IS 'looked at'"));
    wait_for(
        &postgres,
        &format!(
            "SELECT count(*) > 0 FROM pg_stat_activity \
             WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER DATABASE \"{temporary}\" RENAME%'"
        ),
    );
    assert!(relay.cut() > 0);
    held.release();
    running.wait().expect(0);
    assert_eq!(server.databases_like(&target.name), target.name);
    assert_eq!(target.psql("SELECT a FROM t"), "1");
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
