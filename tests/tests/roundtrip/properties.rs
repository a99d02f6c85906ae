//! What belongs to the database itself, as `pg_dump --create` has it.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use lifeboat_tests::compare::assert_same;
use lifeboat_tests::{Database, Depot, Major, Postgres, Way, every_method, unused_name};

/// A database that is a template in a tablespace of its own, with a security label and rules of its locale.
///
/// The package's Postgres 18 is built without ICU and has no label provider, so the catalog is written to.
fn furnished(server: &'static Postgres, tablespace: &str) -> Database<'static> {
    let database = server.database("furnished");
    let place = format!("ALTER DATABASE {} SET TABLESPACE {tablespace}", database.name);
    server
        .psql("postgres", &format!("SET allow_in_place_tablespaces = on; CREATE TABLESPACE {tablespace} LOCATION ''"));
    server.psql("postgres", &place);
    database.psql(&format!(
        "SET allow_system_table_mods = on;
         INSERT INTO pg_shseclabel SELECT oid, 'pg_database'::regclass, 'nobody', 'top secret' FROM pg_database
             WHERE datname = current_database();
         UPDATE pg_database SET daticurules = '&V << w <<< W' WHERE datname = current_database();
         CREATE TABLE t AS SELECT 1 AS x;
         ALTER DATABASE {} IS_TEMPLATE true",
        database.name
    ));
    database
}

fn place(database: &Database<'_>) -> String {
    database.psql(
        "SELECT t.spcname, d.datistemplate FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
         WHERE d.datname = current_database()",
    )
}

/// A template cannot be dropped.
fn no_template(database: &Database<'_>) {
    database.server.psql("postgres", &format!("ALTER DATABASE {} IS_TEMPLATE false", database.name));
}

every_method!(tablespace_template_rules_and_labels_are_those_of_the_source);

fn tablespace_template_rules_and_labels_are_those_of_the_source(way: Way) {
    let (depot, server) = (Depot::file().by(way), Postgres::shared(Major::V18));
    let tablespace = unused_name("space");
    let original = furnished(server, &tablespace);
    let backup = depot.backup(&original);
    assert_eq!(depot.index(&backup).source.unwrap().icu_rules.as_deref(), Some("&V << w <<< W"));
    let mut script = String::new();
    MultiGzDecoder::new(&depot.gzip_bytes(&backup, "database.sql.gz")[..]).read_to_string(&mut script).unwrap();
    assert!(script.contains("SECURITY LABEL FOR \"nobody\" ON DATABASE"), "{script}");

    let restored = server.adopt(&unused_name("restored"));
    let outcome = depot.restore_command(server, &restored.name).arg("--create").run().expect(0);
    assert_eq!(place(&restored), format!("{tablespace}|t"));
    let left_out = "left out a security label of the database";
    assert!(outcome.text().contains(left_out), "{}", outcome.text());

    no_template(&original);
    no_template(&restored);
    server.psql("postgres", &format!("ALTER TABLESPACE {tablespace} RENAME TO {tablespace}_gone"));
    let elsewhere = server.adopt(&unused_name("elsewhere"));
    let outcome = depot.restore_command(server, &elsewhere.name).arg("--create").run().expect(0);
    assert!(outcome.text().contains(&format!("the server has no tablespace {tablespace}")), "{}", outcome.text());
    assert_eq!(place(&elsewhere), "pg_default|t");
    no_template(&elsewhere);
    drop((original, restored));
    server.psql("postgres", &format!("DROP TABLESPACE {tablespace}_gone"));
}

/// A materialized view is filled by what the settings say, and a check on rows that are right holds under them only.
#[test]
fn settings_of_the_database_are_in_force_while_it_is_restored() {
    for major in Major::ALL {
        let (depot, server) = (Depot::file(), Postgres::shared(major));
        let original = server.database("settled");
        original.psql(&format!(
            "ALTER DATABASE {0} SET timezone TO 'Asia/Tokyo'; ALTER DATABASE {0} SET app.unit TO 'kg'",
            original.name
        ));
        original.psql(
            "CREATE TABLE t (at timestamptz, day date CHECK (day = at::date), unit text);
             INSERT INTO t VALUES ('2026-01-01 20:00+00', '2026-01-02', 'kg');
             ALTER TABLE t ADD CHECK (unit = current_setting('app.unit'));
             CREATE MATERIALIZED VIEW days AS SELECT at::date AS day, current_setting('app.unit') AS unit FROM t",
        );
        depot.backup(&original);
        let restored = depot.restore(server, &[]);
        assert_eq!(restored.psql("SELECT * FROM days"), "2026-01-02|kg");
        assert_same(&original, &restored);
    }
}

/// No session can have the configuration before the definitions are there, and only the database's own path finds its name.
#[test]
fn a_text_search_configuration_of_the_database_is_in_force_while_it_is_restored() {
    let (depot, server) = (Depot::file(), Postgres::shared(Major::V15));
    let original = server.database("searched");
    original.psql(
        "CREATE SCHEMA words; CREATE TEXT SEARCH CONFIGURATION words.ours (COPY = pg_catalog.german);
         CREATE TABLE words.notes (body text); INSERT INTO words.notes VALUES ('Katzen laufen')",
    );
    let set = |setting: &str| original.psql(&format!("ALTER DATABASE {} SET {setting}", original.name));
    set("search_path TO words, public");
    set("default_text_search_config TO 'ours'");
    original.psql("CREATE MATERIALIZED VIEW found AS SELECT to_tsvector(body) AS words FROM notes");
    depot.backup(&original);
    let restored = depot.restore(server, &[]);
    assert_eq!(restored.psql("SELECT * FROM found"), "'katz':1 'lauf':2");
    assert_same(&original, &restored);
}
