//! A standby as source.

use std::mem::ManuallyDrop;

use lifeboat_core::index::Index;
use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::servers::postgres::{Options, PASSWORD, SUPERUSER};
use lifeboat_tests::session::{wait_closely, wait_for};
use lifeboat_tests::{Backup, Database, Depot, Major, Outcome, Postgres, unused_name};
use tempfile::NamedTempFile;

use crate::world::{BOTH_READ, add_busy_tables, assert_no_backup, depot, go_on, over_two, stopped_when};

/// What a timer backs up, by the servers that are as wanted.
const CLUSTER: &str = "[[database]]
name = \"reports\"
url = \"service=cluster target_session_attrs=standby\"

[[database]]
name = \"books\"
url = \"service=cluster target_session_attrs=read-write\"
";

/// A file of the test.
fn scratch_file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

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

    // The first of several servers that is as wanted is asked, whatever stands before it: on port 1 nobody listens.
    let ports = format!("1,{},{}", primary.port(), server.port());
    for (wanted, is_standby) in [("standby", true), ("read-write", false), ("prefer-standby", true)] {
        let hosts = format!(
            "host=127.0.0.1,127.0.0.1,127.0.0.1 port={ports} user={SUPERUSER} password={PASSWORD} dbname={} target_session_attrs={wanted}",
            original.name
        );
        let depot = crate::world::depot();
        let backup = Backup::of(&depot.backup_command(&standby).env("DATABASE_URL", hosts).run().expect(0));
        assert_eq!(depot.index(&backup).source.unwrap().standby, is_standby, "{wanted}");
    }

    // What is restored goes to the one that can be written to.
    let target = primary.adopt(&unused_name("by_the_primary"));
    let one = format!("127.0.0.1:{}", primary.port());
    let (standby_first, wanted) = (format!("127.0.0.1:1,127.0.0.1:{},{one}", server.port()), "target_session_attrs");
    let several = primary.dsn(&target.name).replace(&one, &standby_first);
    let restore =
        |url: &str| depot.restore_command(&primary, &target.name).arg("--create").env("TARGET_URL", url).run();
    let refused = restore(&several).expect(40);
    assert!(refused.text().contains("standby"), "{}", refused.text());
    for attribute in ["primary", "read-write"] {
        restore(&format!("{several}?{wanted}={attribute}")).expect(0);
        assert_same_but_settings(&original, &target);
        primary.psql("postgres", &format!("DROP DATABASE {}", target.name));
    }

    // Several databases in one run, each by a service of these servers, by one pg_dump.
    let service = format!("host=127.0.0.1,127.0.0.1,127.0.0.1\nport={ports}\nuser={SUPERUSER}\npassword={PASSWORD}");
    let services = scratch_file(&format!("[cluster]\n{service}\ndbname=postgres\n"));
    let (depot, config) = (crate::world::depot(), scratch_file(CLUSTER));
    let command = depot.lifeboat("backup").args(["--json", "--method", "stream", "--config"]).arg(config.path());
    let backups = command.env("PGSERVICEFILE", services.path()).run().expect(0).result()["backups"].take();
    let sources = backups.as_array().unwrap().iter().map(|backup| {
        let text = |key: &str| backup[key].as_str().unwrap();
        assert_eq!(text("method"), "stream");
        let index = format!("prod/backups/daily/{}/{}/index.json.gz", text("database"), text("id"));
        (text("database"), Index::parse(&depot.read(&index)).unwrap().source.unwrap().standby)
    });
    assert_eq!(sources.collect::<Vec<_>>(), [("reports", true), ("books", false)]);

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

/// Rows that a dump still reads are vacuumed on the primary, which knows of the dump only where the standby tells it.
#[test]
fn a_vacuum_of_the_primary_ends_a_dump_of_a_standby_unless_that_tells_what_it_reads() {
    let primary = Postgres::start(Major::V15, &Options::default());
    let original = primary.database("vacuumed");
    add_busy_tables(&original);
    let settings = [("max_standby_streaming_delay", "0".into()), ("wal_receiver_status_interval", "1".into())];
    let server = primary.standby(&Options { settings: settings.into(), ..Options::default() });
    // Not there to be dropped: it is not a server that can be written to.
    let standby = ManuallyDrop::new(server.adopt(&original.name));
    // Whoever asks in the database itself would be in the way of the replay, too.
    let beside = ManuallyDrop::new(server.adopt("postgres"));
    let vacuum = || {
        original.psql("UPDATE small_20 SET id = -id");
        original.psql("VACUUM small_20");
        let lsn = primary.psql("postgres", "SELECT pg_current_wal_insert_lsn()");
        wait_for(&beside, &format!("SELECT pg_last_wal_receive_lsn() >= '{lsn}'"));
    };

    for (method, reads) in [("parallel", BOTH_READ), ("stream", PG_DUMP_READS)] {
        wait_until_replayed(&primary, &standby);
        let depot = depot();
        let running = stopped_when(reads, &standby, over_two(&depot, &standby).args(["--method", method]));
        vacuum();
        assert_gave_way(&depot, go_on(running));
        depot.backup_command(&standby).args(["--method", method]).run().expect(0);
    }

    server.psql("postgres", "ALTER SYSTEM SET hot_standby_feedback = on");
    server.psql("postgres", "SELECT pg_reload_conf()");
    let depot = depot();
    let running = stopped_when(BOTH_READ, &standby, over_two(&depot, &standby));
    wait_for(&original, "SELECT backend_xmin IS NOT NULL FROM pg_stat_replication");
    vacuum();
    go_on(running).expect(0);
}

/// Whether pg_dump reads rows.
const PG_DUMP_READS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
     AND application_name = 'lifeboat/dump' AND query LIKE 'COPY%'";
