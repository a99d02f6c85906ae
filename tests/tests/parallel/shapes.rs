//! Tables of odd shapes.

use std::time::Duration;

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::sweep::long;
use lifeboat_tests::{Backup, Database, Major, Postgres};

use crate::world::{assert_whole_and_alone, depot, held, over_two};

fn comes_back(database: &Database<'_>) {
    let depot = depot();
    let outcome = over_two(&depot, database).run().expect(0);
    assert_whole_and_alone(&depot, &outcome);
    let restored = depot.restore(database.server, &[]);
    assert_same_but_settings(database, &restored);
}

#[test]
fn tables_of_no_rows_of_one_and_of_no_columns_come_back() {
    for major in Major::ALL {
        let database = Postgres::shared(major).database("shapes");
        database.psql(
            "CREATE TABLE no_rows (id int, text text); CREATE TABLE one_row AS SELECT 1 AS id, 'x' AS text;
             CREATE TABLE no_columns (); INSERT INTO no_columns SELECT FROM generate_series(1, 5);
             CREATE TABLE dropped (a int, b int); INSERT INTO dropped VALUES (1, 2), (3, 4); ALTER TABLE dropped DROP a;
             CREATE TABLE computed (a int, twice int GENERATED ALWAYS AS (a * 2) STORED, b text);
             INSERT INTO computed (a, b) SELECT g, 'x' FROM generate_series(1, 10) g;
             CREATE TABLE parent (a int); CREATE TABLE child (b int) INHERITS (parent);
             INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3)",
        );
        comes_back(&database);
    }
}

#[test]
fn the_rows_that_an_extension_asks_for_come_back() {
    let database = Postgres::shared(Major::V15).database("probe");
    database.psql(
        "CREATE SCHEMA probe; CREATE EXTENSION lifeboat_probe; INSERT INTO probe.setting VALUES ('own', 'kept');
         INSERT INTO probe.scratch VALUES ('lost on purpose'); SELECT nextval('probe.ticket')",
    );
    let depot = depot();
    let outcome = over_two(&depot, &database).run().expect(0);
    let tables = held(&depot, &outcome);
    assert_eq!(tables.iter().map(|table| table.fingerprint.rows).collect::<Vec<_>>(), [1]);
    assert_eq!(tables[0].condition.as_deref(), Some("WHERE NOT is_builtin"));
    let restored = depot.restore(database.server, &[]);
    assert_eq!(restored.psql("SELECT name FROM probe.setting ORDER BY 1"), "also shipped\nown\nshipped");
}

#[test]
fn a_thousand_partitions_come_back_and_those_by_hash_of_an_enum_through_their_root() {
    let database = Postgres::shared(Major::V15).database("partitions");
    database.psql(
        "CREATE TYPE color AS ENUM ('red', 'green', 'blue', 'white', 'black');
         CREATE TABLE hashed (c color, id int, gone int) PARTITION BY HASH (c);
         ALTER TABLE hashed DROP gone;
         CREATE TABLE hashed_0 (id int, c color); ALTER TABLE hashed ATTACH PARTITION hashed_0 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
         CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
         INSERT INTO hashed SELECT (enum_range(NULL::color))[1 + g % 5], g FROM generate_series(1, 1000) g;
         CREATE TABLE ranged (id int, text text) PARTITION BY RANGE (id);
         DO $$ BEGIN FOR n IN 0..999 LOOP
             EXECUTE format('CREATE TABLE ranged_%s PARTITION OF ranged FOR VALUES FROM (%s) TO (%s)', n, n * 10, n * 10 + 10);
         END LOOP; END $$;
         INSERT INTO ranged SELECT g, md5(g::text) FROM generate_series(0, 9999) g",
    );
    let depot = depot();
    let outcome = over_two(&depot, &database).run().expect(0);
    let tables = held(&depot, &outcome);
    assert_eq!(tables.len(), 1001, "a thousand and the root");
    assert!(tables.iter().any(|table| table.name == "hashed" && table.fingerprint.rows == 1000));
    let restored = depot.restore(database.server, &[]);
    let rows = "SELECT (SELECT count(*) FROM hashed WHERE c = 'blue'), (SELECT count(*) FROM hashed),
        (SELECT md5(string_agg(r::text, ',' ORDER BY id)) FROM ranged AS r)";
    assert_eq!(restored.psql(rows), database.psql(rows));
}

/// The driver needs it whole, and room to grow while it comes.
#[test]
fn a_row_of_300_mb_takes_no_more_memory_than_twice_its_length() {
    const ROW_BYTES: u64 = 300 << 20;
    let database = Postgres::shared(Major::V15).database("long_row");
    database.psql(&format!(
        "CREATE TABLE long (text text); INSERT INTO long SELECT repeat(md5('1'), {});
         CREATE TABLE small AS SELECT 1 AS id",
        ROW_BYTES / 32
    ));
    let depot = depot();
    let running = over_two(&depot, &database).spawn();
    let mut peak = 0;
    while running.is_running() {
        peak = peak.max(running.peak_resident_bytes());
        std::thread::sleep(Duration::from_millis(20));
    }
    let outcome = running.wait().expect(0);
    eprintln!("peak {} MiB", peak >> 20);
    assert!(peak <= (128 << 20) + 2 * ROW_BYTES, "{} MiB resident", peak >> 20);
    let table = held(&depot, &outcome).into_iter().find(|table| table.name == "long").unwrap();
    assert_eq!((table.fingerprint.rows, table.fingerprint.bytes), (1, ROW_BYTES));
    depot.lifeboat("verify").arg(format!("shop/{}", Backup::of(&outcome).id)).run().expect(0);
    if long() {
        let restored = depot.restore(database.server, &[]);
        assert_same_but_settings(&database, &restored);
    }
}
