//! Definitions and rows that others change while a backup runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lifeboat_tests::session::{Busy, Held, wait_closely};
use lifeboat_tests::sweep::long;
use lifeboat_tests::{Database, Major, Postgres};
use rustix::process::Signal;

use crate::world::{BOTH_READ, add_busy_tables, assert_no_backup, depot, go_on, over_two, stopped_when};

/// `ledger` says of each table how many rows it has and what they sum up to, always.
const LEDGER: &str = "
CREATE TABLE ledger (name text PRIMARY KEY, rows bigint, sum bigint);
CREATE TABLE moving AS SELECT g AS id, g::bigint AS v FROM generate_series(1, 2000) g;
CREATE TABLE emptied AS SELECT g AS id, g::bigint AS v FROM generate_series(1, 2000) g;
CREATE TABLE altered AS SELECT g AS id, g::bigint AS v FROM generate_series(1, 2000) g;
INSERT INTO ledger SELECT name, 2000, 2001000 FROM unnest(ARRAY['moving', 'emptied', 'altered']) AS name;
CREATE FUNCTION note(t text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE format('UPDATE ledger SET (rows, sum) = (SELECT count(*), coalesce(sum(v), 0) FROM %I) WHERE name = %L', t, t);
END $$;";

/// What jobs beside a backup do, each over and over.
const JOBS: &[&str] = &[
    "BEGIN; DELETE FROM moving WHERE random() < 0.1; UPDATE moving SET v = v + 1 WHERE random() < 0.1;
     INSERT INTO moving SELECT g, g FROM generate_series(1, 200) g; SELECT note('moving'); COMMIT",
    "VACUUM moving",
    "VACUUM FULL moving",
    "BEGIN; TRUNCATE emptied; INSERT INTO emptied SELECT g, g FROM generate_series(1, (random() * 3000)::int) g;
     SELECT note('emptied'); COMMIT",
    "BEGIN; ALTER TABLE altered ALTER v TYPE numeric; ALTER TABLE altered ALTER v TYPE bigint USING v + 1;
     SELECT note('altered'); COMMIT",
    "ALTER TABLE altered ADD COLUMN IF NOT EXISTS more int DEFAULT 1; ALTER TABLE altered DROP COLUMN more",
    "CREATE TABLE IF NOT EXISTS fleeting AS SELECT 1 AS id; CREATE SCHEMA IF NOT EXISTS passing; DROP TABLE fleeting;
     DROP SCHEMA passing",
    "BEGIN; CREATE TABLE fresh AS SELECT g AS id, g::bigint AS v FROM generate_series(1, 500) g; DROP TABLE emptied;
     ALTER TABLE fresh RENAME TO emptied; SELECT note('emptied'); COMMIT",
];

/// Says so to those who go on until then, when it is dropped: with a test that failed, too.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Gives up soon where it would have to wait, as a careful job does.
fn over_and_over(database: &Database<'_>, job: &str, ends: &AtomicBool) {
    while !ends.load(Ordering::Relaxed) {
        let _ = database.server.try_psql(&database.name, &format!("SET lock_timeout = '100ms';\n{job};"));
        std::thread::sleep(Duration::from_millis(150));
    }
}

#[test]
fn a_backup_beside_every_kind_of_change_is_the_state_of_one_moment_or_none() {
    let (depot, database) = (depot(), Postgres::shared(Major::V15).database("changing"));
    database.psql(LEDGER);
    database.psql(
        "CREATE TABLE bulk AS SELECT g AS id, repeat(md5(g::text), 10) AS text FROM generate_series(1, 150000) g",
    );
    let (ends, mut tried, mut whole) = (AtomicBool::new(false), 0, 0);
    let rounds = if long() { 25 } else { 2 };
    std::thread::scope(|scope| {
        let _ends = Ends(&ends);
        for job in JOBS {
            scope.spawn(|| over_and_over(&database, job, &ends));
        }
        // Each may rightly give way to the changes; all of many do not.
        while tried < rounds || (whole == 0 && tried < 10) {
            tried += 1;
            let outcome = over_two(&depot, &database).run();
            match outcome.code() {
                0 => whole += 1,
                75 => continue,
                _ => panic!("{}", outcome.text()),
            }
            let restored = depot.restore(database.server, &[]);
            for table in ["moving", "emptied", "altered"] {
                let told = restored.psql(&format!("SELECT rows, sum FROM ledger WHERE name = '{table}'"));
                let is = restored.psql(&format!("SELECT count(*), coalesce(sum(v), 0) FROM {table}"));
                assert_eq!(is, told, "{table}");
            }
            assert_eq!(restored.psql("SELECT count(*) FROM bulk"), "150000");
        }
    });
    eprintln!("{whole} of {tried} backups");
    assert!(whole > 0, "no backup came about");
}

fn busy_database(prefix: &str) -> Database<'static> {
    let database = Postgres::shared(Major::V15).database(prefix);
    add_busy_tables(&database);
    database
}

/// Whether a connection that dumps rows waits for somebody else.
const ROWS_WAIT: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()
    AND wait_event_type = 'Lock' AND application_name = 'lifeboat/rows'";

const ALTER_WAITS: &str = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'small_1'::regclass AND NOT granted
    AND mode = 'AccessExclusiveLock'";

#[test]
fn a_change_that_queues_up_and_gives_up_again_only_delays() {
    let (depot, database) = (depot(), busy_database("queued"));
    let running = stopped_when(BOTH_READ, &database, over_two(&depot, &database).args(["--lock-timeout", "2s"]));
    let change = Busy::new(&database, "ALTER TABLE small_1 ADD COLUMN late int");
    wait_closely(&database, ALTER_WAITS);
    running.signal(Signal::CONT);
    wait_closely(&database, ROWS_WAIT);
    // Longer than the first try waits, and shorter than all of them.
    std::thread::sleep(Duration::from_millis(2500));
    database.psql("SELECT pg_cancel_backend(pid) FROM pg_locks WHERE relation = 'small_1'::regclass AND NOT granted AND mode = 'AccessExclusiveLock'");
    let outcome = running.wait().expect(0);
    assert!(!change.ends_well(), "the change got a table that the backup holds");
    assert!(outcome.text().contains("public.small_1 is locked by others; trying again later"), "{}", outcome.text());
    let restored = depot.restore(database.server, &["--table", "public.small_1"]);
    assert_eq!(restored.psql("SELECT count(*) FROM small_1"), "10");
}

#[test]
fn a_change_that_queues_up_and_stays_ends_the_backup_and_is_named() {
    let (depot, database) = (depot(), busy_database("stays"));
    let running = stopped_when(BOTH_READ, &database, over_two(&depot, &database).args(["--lock-timeout", "300ms"]));
    let change = Busy::new(&database, "ALTER TABLE small_1 ADD COLUMN late int");
    wait_closely(&database, ALTER_WAITS);
    let outcome = go_on(running).expect(75);
    assert!(
        outcome.text().contains("dump public.small_1: others wait for it or hold it, 3 times over"),
        "{}",
        outcome.text()
    );
    assert_no_backup(&depot);
    assert!(change.ends_well(), "the backup still holds the table");
}

/// No lock holds a schema. Under its old name there is now another table of the same shape.
#[test]
fn schemas_that_change_places_end_the_backup() {
    let (depot, database) = (depot(), busy_database("blue_green"));
    database.psql(
        "CREATE SCHEMA blue; CREATE SCHEMA green;
         CREATE TABLE blue.color AS SELECT 'blue' AS name; CREATE TABLE green.color AS SELECT 'green' AS name",
    );
    let running = stopped_when(BOTH_READ, &database, over_two(&depot, &database));
    database.psql(
        "BEGIN; ALTER SCHEMA blue RENAME TO swap; ALTER SCHEMA green RENAME TO blue; ALTER SCHEMA swap RENAME TO green; COMMIT",
    );
    let outcome = go_on(running).expect(75);
    assert!(outcome.text().contains("blue.color, green.color: moved to another name"), "{}", outcome.text());
    assert_no_backup(&depot);
}

#[test]
fn a_schema_that_is_renamed_ends_the_backup() {
    let (depot, database) = (depot(), busy_database("renamed"));
    database.psql("CREATE SCHEMA before; CREATE TABLE before.t AS SELECT 1 AS id");
    let running = stopped_when(BOTH_READ, &database, over_two(&depot, &database));
    database.psql("ALTER SCHEMA before RENAME TO after");
    let outcome = go_on(running).expect(75);
    assert!(outcome.text().contains("dump before.t"), "{}", outcome.text());
    assert_no_backup(&depot);
}

/// Reading a range of pages asks for the indexes, too, and REINDEX holds those alone: longer than a table is waited for.
#[test]
fn an_index_that_is_being_rebuilt_only_delays() {
    let (depot, database) = (depot(), busy_database("reindexed"));
    database.psql("ALTER TABLE blobs ADD PRIMARY KEY (id)");
    let held = Held::new(&database, "BEGIN; REINDEX TABLE blobs");
    let running = over_two(&depot, &database).args(["--lock-timeout", "200ms"]).spawn();
    wait_closely(&database, ROWS_WAIT);
    std::thread::sleep(Duration::from_secs(2));
    held.release();
    let outcome = running.wait().expect(0);
    assert!(outcome.text().contains("an index of public.blobs is locked by others"), "{}", outcome.text());
}
