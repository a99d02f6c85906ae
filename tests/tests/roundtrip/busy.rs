//! A backup is the state of one moment, whatever others do meanwhile.

use lifeboat_tests::{Backup, Depot, Fault, Identity, Major, Postgres, Proxy, Seaweed, Way, When, every_method};

use lifeboat_tests::session::{Busy, Held, LEADER_WAITS, wait_for};

/// Each transaction moves money from one table to the other and notes its number in two others. `bulk` takes pg_dump
/// a while between them.
const BANK: &str = "
CREATE TABLE accounts_a (id int PRIMARY KEY, amount bigint);
CREATE TABLE log_a (writer int, n int, PRIMARY KEY (writer, n));
CREATE TABLE bulk AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 400000) AS i;
CREATE TABLE accounts_b (id int PRIMARY KEY, amount bigint);
CREATE TABLE log_b (writer int, n int, PRIMARY KEY (writer, n));
CREATE TABLE fleeting (id int, text text);
CREATE TABLE stop ();
INSERT INTO accounts_a SELECT i, 1000 FROM generate_series(1, 100) AS i;
INSERT INTO accounts_b SELECT i, 1000 FROM generate_series(1, 100) AS i;
CREATE PROCEDURE write(writer int) LANGUAGE plpgsql AS $$
DECLARE
    moved int;
    n int := 0;
BEGIN
    LOOP
        n := n + 1;
        moved := (random() * 100)::int;
        UPDATE accounts_a SET amount = amount - moved WHERE id = writer * 20 + n % 20;
        INSERT INTO log_a VALUES (writer, n);
        INSERT INTO fleeting SELECT n, repeat('x', 100) FROM generate_series(1, 3);
        DELETE FROM fleeting WHERE id < n - 10;
        UPDATE accounts_b SET amount = amount + moved WHERE id = writer * 20 + n % 20;
        INSERT INTO log_b VALUES (writer, n);
        COMMIT;
        EXIT WHEN EXISTS (SELECT FROM stop);
    END LOOP;
END $$;";

// Whose moment a backup is, is settled with the server: what comes of it is sealed later, or not.
every_method!(
    a_backup_beside_writers_is_the_state_of_one_moment,
    a_table_truncated_between_snapshot_and_lock_gets_a_fresh_snapshot,
    a_table_dropped_between_snapshot_and_lock_gets_a_fresh_snapshot,
    a_table_replaced_between_snapshot_and_lock_gets_a_fresh_snapshot,
    a_schema_dropped_between_snapshot_and_lock_gets_a_fresh_snapshot,
    columns_that_are_others_between_snapshot_and_lock_get_a_fresh_snapshot,
    a_change_of_a_table_that_waits_for_the_dump_is_told_and_ends_it_where_asked,
    a_snapshot_that_gets_older_than_allowed_ends_the_dump,
);

fn a_backup_beside_writers_is_the_state_of_one_moment(way: Way) {
    let depot = Depot::s3().by(way);
    let original = Postgres::shared(Major::V15).database("bank");
    original.psql(BANK);
    let writers: Vec<_> = (1..=3).map(|writer| Busy::new(&original, &format!("CALL write({writer})"))).collect();
    wait_for(&original, "SELECT count(DISTINCT writer) = 3 FROM log_a");
    depot.backup(&original);
    original.psql("INSERT INTO stop DEFAULT VALUES");
    writers.into_iter().for_each(Busy::join);

    let restored = depot.restore(original.server, &[]);
    assert_eq!(
        restored.psql("SELECT (SELECT sum(amount) FROM accounts_a) + (SELECT sum(amount) FROM accounts_b)"),
        "200000"
    );
    let apart = "SELECT count(*) FROM (SELECT * FROM log_a EXCEPT SELECT * FROM log_b) AS x";
    assert_eq!(restored.psql(apart), "0");
    assert_eq!(restored.psql(&apart.replace("log_a EXCEPT", "log_b EXCEPT").replace("log_b)", "log_a)")), "0");
    assert_eq!(
        restored.psql("SELECT bool_and(count = max) FROM (SELECT count(*), max(n) FROM log_a GROUP BY writer) AS x"),
        "t"
    );
    assert_eq!(
        restored.psql("SELECT bool_and(id > 0) FROM (SELECT max(n) AS id FROM log_a GROUP BY writer) AS x"),
        "t"
    );
    let count =
        |database: &lifeboat_tests::Database<'_>| database.psql("SELECT count(*) FROM log_a").parse::<u64>().unwrap();
    assert!(count(&restored) + 20 < count(&original), "the writers went on during the backup");
}

/// pg_dump reads a table that was truncated after the snapshot as empty, and says nothing.
fn a_table_truncated_between_snapshot_and_lock_gets_a_fresh_snapshot(way: Way) {
    let depot = Depot::s3().by(way);
    let original = Postgres::shared(Major::V15).database("truncated");
    original.psql(
        "CREATE TABLE a_locked (id int); CREATE TABLE emptied (id int); CREATE TABLE rows_in (name text, rows int);
         INSERT INTO emptied SELECT generate_series(1, 100); INSERT INTO rows_in VALUES ('emptied', 100)",
    );
    // Tables are locked by name: this one first.
    let held = Held::new(&original, "BEGIN; LOCK TABLE a_locked");
    let running = depot.backup_command(&original).spawn();
    wait_for(&original, LEADER_WAITS);
    original.psql("BEGIN; TRUNCATE emptied; INSERT INTO emptied VALUES (1), (2); UPDATE rows_in SET rows = 2; COMMIT");
    held.release();
    let outcome = running.wait().expect(0);
    assert!(outcome.text().contains("truncated or rewritten"), "{}", outcome.text());

    let restored = depot.restore(original.server, &[]);
    assert_eq!(restored.psql("SELECT (SELECT count(*) FROM emptied), rows FROM rows_in"), "2|2");
}

fn a_table_dropped_between_snapshot_and_lock_gets_a_fresh_snapshot(way: Way) {
    let depot = Depot::s3().by(way);
    let original = Postgres::shared(Major::V18).database("dropped");
    original.psql("CREATE TABLE a_locked (id int); CREATE TABLE dropped (id int); CREATE TABLE kept AS SELECT 1 AS id");
    let held = Held::new(&original, "BEGIN; LOCK TABLE a_locked");
    let running = depot.backup_command(&original).spawn();
    wait_for(&original, LEADER_WAITS);
    original.psql("DROP TABLE dropped");
    held.release();
    let backup = Backup::of(&running.wait().expect(0));
    let names: Vec<_> = depot.index(&backup).relations.into_iter().map(|relation| relation.name).collect();
    assert_eq!(names, ["a_locked", "kept"]);
}

fn a_table_replaced_between_snapshot_and_lock_gets_a_fresh_snapshot(way: Way) {
    let depot = Depot::s3().by(way);
    let original = Postgres::shared(Major::V18).database("replaced");
    original.psql("CREATE TABLE a_locked (id int); CREATE TABLE replaced AS SELECT 1 AS id");
    let held = Held::new(&original, "BEGIN; LOCK TABLE a_locked");
    let running = depot.backup_command(&original).spawn();
    wait_for(&original, LEADER_WAITS);
    original.psql(
        "BEGIN; CREATE TABLE fresh AS SELECT generate_series(1, 3) AS id; DROP TABLE replaced;
         ALTER TABLE fresh RENAME TO replaced; COMMIT",
    );
    held.release();
    running.wait().expect(0);

    let restored = depot.restore(original.server, &[]);
    assert_eq!(restored.psql("SELECT count(*) FROM replaced"), "3");
}

fn a_schema_dropped_between_snapshot_and_lock_gets_a_fresh_snapshot(way: Way) {
    let depot = Depot::s3().by(way);
    let original = Postgres::shared(Major::V18).database("schema_dropped");
    original.psql("CREATE TABLE a_locked (id int); CREATE SCHEMA zz_gone; CREATE TABLE zz_gone.t (id int)");
    let held = Held::new(&original, "BEGIN; LOCK TABLE a_locked");
    let running = depot.backup_command(&original).spawn();
    wait_for(&original, LEADER_WAITS);
    original.psql("DROP SCHEMA zz_gone CASCADE");
    held.release();
    running.wait().expect(0);
}

/// Rows are read by the names that columns have under the snapshot: by the lock, others may bear them.
fn columns_that_are_others_between_snapshot_and_lock_get_a_fresh_snapshot(way: Way) {
    let depot = Depot::s3().by(way);
    let original = Postgres::shared(Major::V15).database("columns");
    original.psql(
        "CREATE TABLE a_locked (id int); CREATE TABLE \"z Swapped\" AS SELECT 1 AS one, 2 AS two;
         CREATE TABLE z_again AS SELECT 1 AS id, 'old' AS text",
    );
    let held = Held::new(&original, "BEGIN; LOCK TABLE a_locked");
    let running = depot.backup_command(&original).spawn();
    wait_for(&original, LEADER_WAITS);
    original.psql(
        "BEGIN; ALTER TABLE \"z Swapped\" RENAME one TO three; ALTER TABLE \"z Swapped\" RENAME two TO one;
         ALTER TABLE \"z Swapped\" RENAME three TO two;
         ALTER TABLE z_again DROP text, ADD text text; UPDATE z_again SET text = 'new'; COMMIT",
    );
    held.release();
    let outcome = running.wait().expect(0);
    assert!(outcome.text().contains("columns were renamed or dropped"), "{}", outcome.text());

    let restored = depot.restore(original.server, &[]);
    assert_eq!(restored.psql("SELECT one, two, text FROM \"z Swapped\", z_again"), "2|1|new");
}

/// The store takes nothing after the first object, so that the dump goes on while others come and want the table.
fn a_change_of_a_table_that_waits_for_the_dump_is_told_and_ends_it_where_asked(way: Way) {
    let depot = Depot::s3().by(way);
    let original = Postgres::shared(Major::V15).database("yielding");
    original.psql("CREATE TABLE wanted AS SELECT generate_series(1, 1000) AS id");
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::call(|call| call.path.contains("schema.dump")), Fault::Hang);
    let backup = depot.backup_command(&original).args(["--yield-to-ddl", "12s", "--parts-in-flight", "1"]);
    let running = backup.envs(proxy.environment(Identity::Writer)).spawn();
    wait_for(&original, "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'wanted'::regclass AND granted");
    let change = Busy::new(&original, "ALTER TABLE wanted ADD COLUMN more int");
    let outcome = running.wait().expect(75);
    change.join();
    let text = outcome.text();
    assert!(
        text.contains("to change public.wanted, which this dump reads") && text.contains("--yield-to-ddl"),
        "{text}"
    );
    // Once as a warning, while the change waits, and once as the reason of the end.
    assert!(text.matches("to change public.wanted").count() >= 2, "{text}");
    assert_eq!(original.psql("SELECT count(more) FROM wanted"), "0");
}

/// The same store; what vacuum may not remove for the sake of the dump is bounded.
fn a_snapshot_that_gets_older_than_allowed_ends_the_dump(way: Way) {
    let depot = Depot::s3().by(way);
    let original = Postgres::shared(Major::V15).database("aging");
    original.psql("CREATE TABLE wanted AS SELECT generate_series(1, 1000) AS id");
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::call(|call| call.path.contains("schema.dump")), Fault::Hang);
    let backup = depot.backup_command(&original).args(["--snapshot-max-age", "3s", "--parts-in-flight", "1"]);
    let outcome = backup.envs(proxy.environment(Identity::Writer)).run().expect(75);
    let text = outcome.text();
    assert!(text.contains("finish within --snapshot-max-age of 3 seconds"), "{text}");
    assert!(text.contains("raise the limit"), "{text}");
    original.wait_until_let_go();
}
