//! A part of a backup that is being restored into a database in use.

use lifeboat_tests::session::wait_closely;
use lifeboat_tests::{Database, Major, Postgres};
use rustix::process::Signal;

use crate::world::{add_busy_tables, depot, stopped_when};

/// Whether rows are being loaded.
const LOADS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'lifeboat/%' AND query LIKE 'COPY%'";
const NOBODY_IS_LEFT: &str = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database()
    AND application_name LIKE 'lifeboat/%'";

/// Every relation of the database, by oid, and how many rows the tables have.
fn state(database: &Database<'_>) -> String {
    database.psql(
        "SELECT string_agg(oid || relname, ' ' ORDER BY oid) FROM pg_class WHERE oid >= 16384;
         SELECT count(*) FROM small_7; SELECT count(*) FROM wide",
    )
}

/// Its definitions and rows, and rows alone, into tables that are there.
#[test]
fn one_that_is_killed_or_cancelled_leaves_the_database_as_it_was() {
    let (depot, database) = (depot(), Postgres::shared(Major::V15).database("part_killed"));
    add_busy_tables(&database);
    // So many that a run is stopped while it loads them, and not after.
    database.psql("INSERT INTO wide SELECT g, repeat(md5(g::text), 40) FROM generate_series(5001, 50000) g");
    depot.backup(&database);
    database.psql("DROP TABLE blobs; TRUNCATE wide, small_7");
    let before = state(&database);
    for (part, signal, ends_with) in [
        (&["--table", "blobs"][..], Signal::KILL, None),
        (&["--table", "blobs"], Signal::INT, Some(130)),
        (&["--data-only", "--table", "wide", "--table", "small_7"], Signal::KILL, None),
        (&["--data-only", "--table", "wide", "--table", "small_7"], Signal::TERM, Some(143)),
    ] {
        let restore = || depot.restore_command(database.server, &database.name).args(part);
        let running = stopped_when(LOADS, &database, restore());
        running.signal(signal);
        running.signal(Signal::CONT);
        let ended = running.wait();
        if let Some(code) = ends_with {
            assert_eq!(ended.code(), code, "{}", ended.text());
        }
        wait_closely(&database, NOBODY_IS_LEFT);
        assert_eq!(state(&database), before, "{part:?}, {signal:?}");
    }
    for part in [&["--table", "blobs"][..], &["--data-only", "--table", "wide", "--table", "small_7"]] {
        depot.restore_command(database.server, &database.name).args(part).run().expect(0);
    }
    assert_eq!(database.psql("SELECT count(*) FROM blobs; SELECT count(*) FROM wide"), "400\n50000");
}
