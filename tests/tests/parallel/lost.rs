//! Connections that are lost while rows are read.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::kills::{Strike, strike_at_random_moments};
use lifeboat_tests::session::wait_for;
use lifeboat_tests::sweep::long;
use lifeboat_tests::{Database, Lifeboat, Major, Postgres, Running};
use tempfile::TempDir;

use crate::world::{
    BOTH_READ, ONE_READS, add_busy_tables, assert_alone, assert_no_backup, assert_whole_and_alone, depot, go_on, held,
    over_two, stopped_when,
};

/// Ends so many sessions of this name.
fn terminate(database: &Database<'_>, name: &str, and: &str, count: u32) -> String {
    database.psql(&format!(
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = '{name}' AND {and} LIMIT {count}) AS s"
    ))
}

/// Ends a session of this name, if there is one, while the run goes on.
fn strike(database: &Database<'_>, name: &str, running: &Running) -> Strike {
    match terminate(database, name, "true", 1).as_str() {
        "1" => Strike::Hit,
        _ if running.is_running() => Strike::TooEarly,
        _ => Strike::TooLate,
    }
}

/// Whoever runs the program first in a test may wait for it to be built: that is no part of a backup's time.
fn built() {
    Lifeboat::new().arg("--version").run().expect(0);
}

fn busy_database(prefix: &str) -> Database<'static> {
    let database = Postgres::shared(Major::V15).database(prefix);
    add_busy_tables(&database);
    database
}

#[test]
fn a_lost_connection_leaves_its_rows_to_the_other() {
    let (depot, database) = (depot(), busy_database("lost_one"));
    let running = stopped_when(BOTH_READ, &database, over_two(&depot, &database));
    assert_eq!(terminate(&database, "lifeboat/rows", "true", 1), "1");
    let outcome = go_on(running).expect(0);
    assert!(outcome.text().contains("a connection was lost, others dump its"), "{}", outcome.text());
    assert_whole_and_alone(&depot, &outcome);
    let restored = depot.restore(database.server, &[]);
    assert_same_but_settings(&database, &restored);
}

#[test]
fn connections_lost_at_any_moment_cost_no_row_and_double_none() {
    let (depot, database) = (depot(), busy_database("lost_any"));
    built();
    let began = Instant::now();
    let undisturbed = held(&depot, &over_two(&depot, &database).run().expect(0));
    let span = began.elapsed();
    let strikes = if long() { 60 } else { 4 };
    strike_at_random_moments("connections_lost_at_any_moment", strikes, span, |moment| {
        let running = over_two(&depot, &database).spawn();
        std::thread::sleep(moment);
        let strike = strike(&database, "lifeboat/rows", &running);
        let outcome = running.wait().expect(0);
        assert_eq!(held(&depot, &outcome), undisturbed, "{strike:?} at {moment:?}");
        assert_alone(&depot, &outcome);
        strike
    });
}

/// One table of one page is one chunk; the other connection has nothing to do, and is there for what may come back.
fn one_page_database(prefix: &str) -> Database<'static> {
    let database = Postgres::shared(Major::V15).database(prefix);
    database.psql(
        "CREATE TABLE tall (id int, text text);
         ALTER TABLE tall ALTER text SET STORAGE EXTERNAL;
         INSERT INTO tall SELECT g, repeat(md5(g::text), 300000) FROM generate_series(1, 12) g;
         CREATE TABLE small AS SELECT generate_series(1, 10) AS id",
    );
    database
}

#[test]
fn a_connection_lost_when_it_has_nothing_left_to_do_is_no_failure() {
    let (depot, database) = (depot(), one_page_database("lost_idle"));
    let running = stopped_when(ONE_READS, &database, over_two(&depot, &database));
    assert_eq!(terminate(&database, "lifeboat/rows", "state <> 'active'", 1), "1");
    let outcome = go_on(running).expect(0);
    assert_whole_and_alone(&depot, &outcome);
}

#[test]
fn a_connection_that_waits_takes_over_from_one_that_is_lost() {
    let (depot, database) = (depot(), one_page_database("lost_last"));
    let running = stopped_when(ONE_READS, &database, over_two(&depot, &database));
    assert_eq!(terminate(&database, "lifeboat/rows", "state = 'active'", 1), "1");
    let outcome = go_on(running).expect(0);
    assert!(outcome.text().contains("a connection was lost, others dump its 1 chunk again"), "{}", outcome.text());
    assert_whole_and_alone(&depot, &outcome);
    let restored = depot.restore(database.server, &[]);
    assert_same_but_settings(&database, &restored);
}

#[test]
fn without_any_connection_left_there_is_no_backup() {
    let (depot, database) = (depot(), busy_database("lost_all"));
    let running = stopped_when(BOTH_READ, &database, over_two(&depot, &database));
    assert_eq!(terminate(&database, "lifeboat/rows", "true", 2), "2");
    let outcome = go_on(running).expect(20);
    assert!(outcome.text().contains("the last connection was lost"), "{}", outcome.text());
    assert_no_backup(&depot);
}

/// What nobody holds any more may be truncated, and reads as empty then; without sequences nothing else asks the leader.
#[test]
fn without_the_leader_there_is_no_backup() {
    let (depot, database) = (depot(), busy_database("lost_leader"));
    let running = stopped_when(BOTH_READ, &database, over_two(&depot, &database));
    assert_eq!(terminate(&database, "lifeboat/leader", "true", 1), "1");
    database.psql("TRUNCATE small_1, small_2");
    let outcome = go_on(running).expect(20);
    // On a crowded machine somebody looks after the leader before the end.
    let found = ["make sure that the tables were held to the end", "keep the leader's session"];
    assert!(found.iter().any(|found| outcome.text().contains(found)), "{}", outcome.text());
    assert_no_backup(&depot);
}

/// Client tools that are the real ones; before pg_dump dumps the definitions it says so, and waits until it is told to go on.
fn waiting_tools(database: &Database<'_>, tools: &Path, asked: &Path, told: &Path) {
    for tool in ["pg_dump", "pg_dumpall", "pg_restore"] {
        let wait = format!("touch {}; while [ ! -e {} ]; do sleep 0.01; done", asked.display(), told.display());
        let real = database.server.bin(tool);
        let text =
            format!("#!/bin/sh\ncase \"$*\" in *--format=custom*) {wait} ;; esac\nexec {} \"$@\"\n", real.display());
        std::fs::write(tools.join(tool), text).unwrap();
        std::fs::set_permissions(tools.join(tool), Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_leader_that_is_lost_before_pg_dump_has_its_snapshot_is_a_reason_to_run_again() {
    let (depot, database, tools) = (depot(), one_page_database("lost_snapshot"), TempDir::new().unwrap());
    let (asked, told) = (tools.path().join("asked"), tools.path().join("told"));
    waiting_tools(&database, tools.path(), &asked, &told);
    let running = over_two(&depot, &database).env("LIFEBOAT_TOOLS_DIR", tools.path()).spawn();
    while !asked.exists() && running.is_running() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(terminate(&database, "lifeboat/leader", "true", 1), "1");
    // The snapshot goes with the session.
    wait_for(
        &database,
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lifeboat/leader'",
    );
    std::fs::write(&told, "").unwrap();
    let outcome = running.wait().expect(75);
    assert!(outcome.text().contains("the leader's session was ended; run again"), "{}", outcome.text());
    assert_no_backup(&depot);
}

/// The leader is lost anywhere between its snapshot and the commit.
#[test]
fn a_leader_lost_at_any_moment_leaves_a_whole_backup_or_none() {
    let (depot, database) = (depot(), busy_database("lost_leader_any"));
    built();
    let began = Instant::now();
    over_two(&depot, &database).run().expect(0);
    let span = began.elapsed();
    let strikes = if long() { 40 } else { 2 };
    strike_at_random_moments("a_leader_lost_at_any_moment", strikes, span, |moment| {
        let running = over_two(&depot, &database).spawn();
        std::thread::sleep(moment);
        let strike = strike(&database, "lifeboat/leader", &running);
        let outcome = running.wait();
        match outcome.code() {
            0 => assert_whole_and_alone(&depot, &outcome),
            // The latter where its snapshot is gone before pg_dump has it, as above.
            20 | 75 => assert_eq!(depot.bucket().open_uploads(), []),
            _ => panic!("{}", outcome.text()),
        }
        strike
    });
}
