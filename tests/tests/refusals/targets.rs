//! Targets that a restore refuses, before anything is written.

use lifeboat_tests::{Database, Lifeboat, Major, Postgres};

use crate::shop::{Shop, Store, assert_refused};

fn empty_target() -> Database<'static> {
    Postgres::shared(Major::V15).database("target")
}

/// Without the lines whose key differs from dump to dump.
fn dumped(database: &Database<'_>) -> String {
    let script = String::from_utf8(database.pg_dump(&[])).unwrap();
    script.lines().filter(|line| !line.starts_with(r"\restrict") && !line.starts_with(r"\unrestrict")).collect()
}

fn names_like(server: &Postgres, name: &str) -> String {
    server.psql("postgres", &format!("SELECT datname FROM pg_database WHERE starts_with(datname, '{name}') ORDER BY 1"))
}

/// Each makes one object, or as few as it can be made of.
const OBJECTS: &[&str] = &[
    "CREATE TABLE precious (x int); INSERT INTO precious VALUES (1)",
    "CREATE SCHEMA precious",
    "CREATE VIEW precious AS SELECT 1 AS x",
    "CREATE FUNCTION precious() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SELECT lo_create(4711)",
    "CREATE TYPE precious AS ENUM ('a')",
    "CREATE DOMAIN precious AS int",
    "CREATE TYPE precious AS (x int)",
    "CREATE TYPE precious AS RANGE (subtype = int)",
    "CREATE EXTENSION hstore",
    "CREATE PUBLICATION precious",
    "CREATE FOREIGN DATA WRAPPER precious",
    "CREATE FOREIGN DATA WRAPPER precious; CREATE SERVER precious FOREIGN DATA WRAPPER precious",
    "CREATE CAST (money AS uuid) WITH INOUT",
    "CREATE COLLATION precious FROM \"C\"",
    "CREATE CONVERSION precious FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    "CREATE TEXT SEARCH DICTIONARY precious (TEMPLATE = simple)",
    "CREATE TEXT SEARCH CONFIGURATION precious (COPY = simple)",
    "CREATE TEXT SEARCH TEMPLATE precious (LEXIZE = dsimple_lexize)",
    "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    "CREATE OPERATOR FAMILY precious USING btree",
    "CREATE ACCESS METHOD precious TYPE INDEX HANDLER bthandler",
    "CREATE LANGUAGE precious HANDLER plpgsql_call_handler",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "CREATE FUNCTION precious() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
     CREATE EVENT TRIGGER precious ON sql_drop EXECUTE FUNCTION precious()",
];

fn assert_not_empty(shop: &Shop, target: &Database<'_>, object: &str) {
    let before = dumped(target);
    let outcome = assert_refused(shop.store.restore(&target.dsn()).run(), 40, &["not empty", &target.name]);
    assert!(!outcome.text().contains("it has 0 objects"), "{object}");
    assert_eq!(before, dumped(target), "{object}");
}

#[test]
fn a_target_that_is_not_empty() {
    let shop = Shop::backed_up(Major::V15);
    for major in Major::ALL {
        for object in OBJECTS {
            let target = Postgres::shared(major).database("target");
            target.psql(object);
            assert_not_empty(&shop, &target, object);
        }
        let target = Postgres::shared(major).database("target");
        let options = "WITH (connect = false, slot_name = NONE)";
        let subscription = format!("CREATE SUBSCRIPTION precious CONNECTION 'dbname=x' PUBLICATION p {options}");
        target.psql(&subscription);
        assert_not_empty(&shop, &target, &subscription);
        // The database cannot be dropped with it.
        target.psql("DROP SUBSCRIPTION precious");
    }
}

#[test]
fn a_target_that_was_emptied_by_hand_is_none_of_them() {
    let shop = Shop::backed_up(Major::V15);
    for major in Major::ALL {
        let target = Postgres::shared(major).database("target");
        target.psql("CREATE TABLE t (); DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        target.psql("DROP EXTENSION plpgsql; CREATE EXTENSION plpgsql");
        shop.store.restore(&target.dsn()).run().expect(0);
        assert_eq!(target.psql("SELECT count(*) FROM items"), "24000");
    }
}

#[test]
fn the_source_itself() {
    let shop = Shop::backed_up(Major::V15);
    assert_refused(shop.store.restore(&shop.database.dsn()).run(), 40, &["the database the backup was taken of"]);
    assert_refused(shop.store.restore(&shop.database.dsn()).arg("--create").run(), 40, &["exists already"]);
}

#[test]
fn the_source_itself_is_restored_once_it_is_lost() {
    let shop = Shop::backed_up(Major::V15);
    let (server, name) = (shop.database.server, &shop.database.name);
    let items = shop.database.psql("SELECT count(*) FROM items");
    let drop = format!("DROP DATABASE {name} WITH (FORCE)");
    server.psql("postgres", &drop);
    shop.store.restore(&shop.database.dsn()).arg("--create").run().expect(0);
    assert_eq!(shop.database.psql("SELECT count(*) FROM items"), items);

    server.psql("postgres", &drop);
    server.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"));
    shop.store.restore(&shop.database.dsn()).run().expect(0);
    assert_eq!(shop.database.psql("SELECT count(*) FROM items"), items);
}

#[test]
fn a_database_to_be_created_that_exists() {
    let shop = Shop::backed_up(Major::V15);
    let target = empty_target();
    let outcome = shop.store.restore(&target.dsn()).arg("--create").run();
    assert_refused(outcome, 40, &["exists already", &target.name, "--create"]);
    assert_eq!(names_like(target.server, &target.name), target.name);
}

#[test]
fn a_database_that_does_not_exist_without_create() {
    let shop = Shop::backed_up(Major::V15);
    let name = format!("{}_missing", shop.database.name);
    let outcome = shop.store.restore(&shop.database.server.dsn(&name)).run();
    assert_refused(outcome, 20, &[&name, "--create"]);
    assert_eq!(names_like(shop.database.server, &name), "");
}

#[test]
fn a_server_older_than_the_backup() {
    let shop = Shop::backed_up(Major::V18);
    let target = empty_target();
    let older = target.server.installation.number;
    let words = ["PostgreSQL 18", &format!("the server is {older}"), "same or a later major"];
    assert_refused(shop.store.restore(&target.dsn()).run(), 40, &words);
    let name = format!("{}_new", target.name);
    assert_refused(shop.store.restore(&target.server.dsn(&name)).arg("--create").run(), 40, &words);
    assert_eq!(names_like(target.server, &name), "");
}

#[test]
fn a_server_that_lacks_an_extension() {
    let shop = Shop::new(Major::V15);
    // The Python package's Postgres is built without OpenSSL, which pgcrypto needs.
    shop.database.psql("CREATE EXTENSION pgcrypto");
    shop.backup().run().expect(0);
    let server = Postgres::shared(Major::V18);
    let name = format!("{}_copy", shop.database.name);
    let outcome = shop.store.restore(&server.dsn(&name)).arg("--create").run();
    assert_refused(outcome, 40, &["lacks the extensions pgcrypto", "install"]);
    assert_eq!(names_like(server, &name), "");
}

#[test]
fn an_existing_database_in_another_encoding() {
    let shop = Shop::backed_up(Major::V15);
    let server = shop.database.server;
    let name = format!("{}_latin", shop.database.name);
    server.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"));
    let target = server.adopt(&name);
    assert_refused(shop.store.restore(&target.dsn()).run(), 40, &["UTF8", "LATIN1", "--create"]);
}

#[test]
fn a_server_that_lacks_roles() {
    let (server, store) = (Postgres::shared(Major::V15), Store::new());
    let source = Postgres::start(Major::V15, &lifeboat_tests::servers::postgres::Options::default());
    source.psql("postgres", "CREATE ROLE only_there; CREATE TABLE t (x int); ALTER TABLE t OWNER TO only_there");
    store.backup(&source.dsn("postgres")).run().expect(0);
    let target = server.database("target");
    let outcome = store.restore(&target.dsn()).run();
    assert_refused(outcome, 40, &["lacks the roles", "only_there", "--roles create", "--roles stub", "--roles skip"]);
    store.restore(&target.dsn()).args(["--roles", "skip"]).run().expect(0);
}

#[test]
fn a_target_that_cannot_be_reached_is_told_from_a_store_that_cannot() {
    let shop = Shop::backed_up(Major::V15);
    let server = shop.database.server;
    let wrong = server.dsn_as("postgres", "canary-wrong", "anything");
    let outcome = assert_refused(shop.store.restore(&wrong).arg("--create").run(), 20, &["with this password"]);
    assert!(!outcome.text().contains("canary-wrong"));
    let missing = Lifeboat::new()
        .args(["restore", "latest", "--store", "file:///nowhere/at/all", "--into", "env:X"])
        .env("X", server.dsn("anything"))
        .run();
    assert_refused(missing, 10, &["/nowhere/at/all"]);
}

#[test]
fn a_role_that_may_not_create_databases() {
    use lifeboat_tests::servers::postgres::{PASSWORD, PLAIN_ROLE};
    let shop = Shop::backed_up(Major::V15);
    let server = shop.database.server;
    let name = format!("{}_copy", shop.database.name);
    let outcome = shop.store.restore(&server.dsn_as(PLAIN_ROLE, PASSWORD, &name)).arg("--create").run();
    assert_refused(outcome, 40, &["may not create databases", "CREATEDB", "leave --create out"]);
    assert_eq!(names_like(server, &name), "");
}

#[test]
fn text_that_is_no_connection_string() {
    let shop = Shop::backed_up(Major::V15);
    assert_refused(
        shop.store.lifeboat("restore shop/latest --into shop").run(),
        2,
        &["--into", "no connection string"],
    );
}
