//! Databases of odd sizes and names.

use lifeboat_tests::compare::{assert_same, assert_same_but_settings};
use lifeboat_tests::stock::assert_psql_makes_it_of;
use lifeboat_tests::{Database, Depot, Major, Postgres, Way, every_method, every_way, unused_name};

fn comes_back(way: Way, original: &Database<'_>, rows: u64) {
    let depot = Depot::file().by(way);
    let backup = depot.backup(original);
    assert_eq!(backup.result["rows"], rows);
    assert_same(original, &depot.restore(original.server, &[]));
    let empty = original.server.database("empty");
    depot.restore_command(original.server, &empty.name).run().expect(0);
    assert_same_but_settings(original, &empty);
    depot.lifeboat("verify").arg("shop/latest").run().expect(0);
    assert_psql_makes_it_of(&depot.script_by_hand(&backup), original);
}

every_way!(an_empty_database_comes_back_empty, a_database_without_tables_comes_back);
// Neither names nor the number of tables is anything to who seals; that little or nothing is to be sealed may be.
every_method!(
    a_database_without_its_public_schema_comes_back,
    three_hundred_tables_with_references_come_back,
    a_database_with_quotes_spaces_and_signs_in_its_name_comes_back_under_such_a_name,
);

fn an_empty_database_comes_back_empty(way: Way) {
    for major in Major::ALL {
        comes_back(way, &Postgres::shared(major).database("nothing"), 0);
    }
}

fn a_database_without_tables_comes_back(way: Way) {
    let original = Postgres::shared(Major::V15).database("no_tables");
    original.psql(
        "CREATE TYPE t AS ENUM ('a'); CREATE SEQUENCE s; SELECT nextval('s'); SELECT nextval('s');
         CREATE VIEW v AS SELECT 1 AS one; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         COMMENT ON SCHEMA public IS 'changed'; SELECT lo_from_bytea(0, 'alone')",
    );
    comes_back(way, &original, 0);
}

fn a_database_without_its_public_schema_comes_back(way: Way) {
    let original = Postgres::shared(Major::V15).database("no_public");
    original.psql("CREATE SCHEMA app; CREATE TABLE app.t AS SELECT generate_series(1, 3) AS i; DROP SCHEMA public");
    let depot = Depot::file().by(way);
    depot.backup(&original);
    assert_same(&original, &depot.restore(original.server, &[]));
}

fn a_database_with_quotes_spaces_and_signs_in_its_name_comes_back_under_such_a_name(way: Way) {
    let server = Postgres::shared(Major::V15);
    let original = server.database("it's an \"odd\" näme; dbname=x host=/ %20 \\ $a$");
    original.psql("CREATE TABLE t AS SELECT generate_series(1, 10) AS i");
    let settings = "ALTER DATABASE %I SET work_mem = '8MB'";
    original.psql(&format!("DO $do$ BEGIN EXECUTE format($f${settings}$f$, current_database()); END $do$"));
    let depot = Depot::s3().by(way);
    depot.backup(&original);
    let restored = server.adopt(&unused_name("it's \"back\"; postgresql://x \\ %25"));
    depot.restore_command(server, &restored.name).arg("--create").run().expect(0);
    assert_same(&original, &restored);
}

#[test]
fn a_long_name_is_not_cut_into_another_databases() {
    let server = Postgres::shared(Major::V15);
    let original = server.database("source");
    let depot = Depot::file();
    depot.backup(&original);
    let long = unused_name(&"ö".repeat(25));
    assert_eq!(long.len(), 61);
    depot.restore_command(server, &long).arg("--create").run().expect(0);
    assert_same(&original, &server.adopt(&long));
}

fn three_hundred_tables_with_references_come_back(way: Way) {
    let original = Postgres::shared(Major::V18).database("many");
    original.psql(
        "DO $$ BEGIN FOR i IN 1..300 LOOP
            EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, text text, before int %s)', 'table ' || i,
                           CASE WHEN i > 1 THEN format('REFERENCES %I', 'table ' || i - 1) END);
            EXECUTE format('INSERT INTO %I SELECT n, md5(n::text), n FROM generate_series(1, 20) AS n', 'table ' || i);
         END LOOP; END $$",
    );
    comes_back(way, &original, 6000);
}
