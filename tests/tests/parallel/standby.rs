//! A standby as source.

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::scratch;
use lifeboat_tests::servers::postgres::{Options, PASSWORD, SUPERUSER};
use lifeboat_tests::session::{wait_closely, wait_for};
use lifeboat_tests::{Backup, Database, Depot, Major, Outcome, Postgres};

use crate::world::{BOTH_READ, add_busy_tables, assert_no_backup, depot, go_on, over_two, stopped_when};

fn wait_until_replayed(primary: &Postgres, standby: &Database<'_>) {
    let lsn = primary.psql("postgres", "SELECT pg_current_wal_lsn()");
    wait_for(standby, &format!("SELECT pg_last_wal_replay_lsn() >= '{lsn}'"));
}

/// The run ended for the sake of replay, says what to do about it, and left nothing.
#[track_caller]
fn assert_gave_way(depot: &Depot, outcome: Outcome) {
    let outcome = outcome.expect(75);
    for word in
        ["conflict with recovery", "run again; for good", "hot_standby_feedback = on", "max_standby_streaming_delay"]
    {
        assert!(outcome.text().contains(word), "{word} in {}", outcome.text());
    }
    assert_no_backup(depot);
}

#[test]
fn a_standby_gives_what_its_primary_holds_and_says_what_it_lacks() {
    let primary = Postgres::start(Major::V15, &Options::default());
    let original = primary.database("followed");
    add_busy_tables(&original);
    original.psql(
        "CREATE UNLOGGED TABLE fleeting AS SELECT 1 AS id;
         CREATE SEQUENCE ticket; SELECT nextval('ticket');
         CREATE TABLE keyed (id serial PRIMARY KEY, of int REFERENCES keyed); INSERT INTO keyed (of) VALUES (NULL), (1)",
    );
    let server =
        primary.standby(&Options { settings: vec![("max_standby_streaming_delay", "0".into())], ..Options::default() });
    let standby = server.adopt(&original.name);
    wait_until_replayed(&primary, &standby);

    let depot = depot();
    let backup = Backup::of(&over_two(&depot, &standby).run().expect(0));
    assert_eq!(backup.result["method"], "parallel");
    let index = depot.index(&backup);
    assert!(index.source.unwrap().standby);
    let skipped = index.skipped.iter().find(|skipped| skipped.name == "fleeting").unwrap();
    assert_eq!(skipped.reason, "an unlogged table: a standby does not have its rows");
    original.psql("TRUNCATE fleeting");
    let restored = depot.restore(&primary, &[]);
    assert_same_but_settings(&original, &restored);
    drop(restored);

    // The first of several servers that is as wanted is asked, whatever stands before it.
    let ports = format!("{},{},{}", scratch::free_port(), primary.port(), server.port());
    for (wanted, is_standby) in [("standby", true), ("read-write", false), ("prefer-standby", true)] {
        let hosts = format!(
            "host=127.0.0.1,127.0.0.1,127.0.0.1 port={ports} user={SUPERUSER} password={PASSWORD} dbname={} target_session_attrs={wanted}",
            original.name
        );
        let depot = crate::world::depot();
        let backup = Backup::of(&depot.backup_command(&standby).env("DATABASE_URL", hosts).run().expect(0));
        assert_eq!(depot.index(&backup).source.unwrap().standby, is_standby, "{wanted}");
    }

    // The primary truncates what is being read: the standby lets it, and ends those who hold it.
    let depot = crate::world::depot();
    let running = stopped_when(BOTH_READ, &standby, over_two(&depot, &standby));
    original.psql("TRUNCATE small_1, small_2");
    wait_closely(
        &standby,
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'lifeboat/leader'",
    );
    assert_gave_way(&depot, go_on(running));
    // Not there to be dropped: it is not a server that can be written to.
    std::mem::forget(standby);
}
