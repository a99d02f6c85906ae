//! Databases of drills on a server that is not production.

use lifeboat_core::index::Source;
use lifeboat_core::{Kind, Result};
use lifeboat_drill::scratch::{Collected, Needs, Scratch, gc};
use lifeboat_tests::places::{collect, drill, job, server};
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::{Major, Postgres, run};

use super::holder::Holder;

/// A backup of a server that says this of itself.
fn needs(identifier: Option<&str>, database: &str) -> Needs {
    let source = Source {
        system_identifier: identifier.map(str::to_owned),
        server_version: "15.0".into(),
        server_version_num: 150_000,
        database: database.into(),
        encoding: "UTF8".into(),
        locale_provider: "libc".into(),
        collate: "C".into(),
        ctype: "C".into(),
        locale: None,
        icu_rules: None,
        collation_version: None,
        size_bytes: 0,
        lsn: "0/0".into(),
        standby: false,
        snapshot: String::new(),
        snapshot_at: jiff::Timestamp::UNIX_EPOCH,
    };
    Needs { source: Some(source), ..Needs::default() }
}

fn open(on: &Postgres, needs: &Needs) -> Result<Scratch> {
    run(Scratch::open(&server(&on.socket_dsn("postgres")), needs, &drill(), &job()))
}

fn refusal(on: &Postgres, needs: &Needs) -> String {
    let error = open(on, needs).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Policy, "{error:?}");
    error.to_string()
}

#[test]
fn production_is_refused() {
    let production = Postgres::start(Major::V15, &Options::default());
    let identifier = production.psql("postgres", "SELECT system_identifier FROM pg_control_system()");
    let elsewhere = needs(Some("1"), "shop");
    let own = refusal(&production, &needs(Some(&identifier), "shop"));
    assert!(own.contains("the server that the backup was taken of"), "{own}");
    production.psql("postgres", "CREATE DATABASE shop");
    let namesake = refusal(&production, &needs(None, "shop"));
    assert!(namesake.contains("a database of the source's name"), "{namesake}");
    run(open(&production, &elsewhere).unwrap().close(&job())).unwrap();

    let newer = Needs {
        source: elsewhere.source.clone().map(|source| Source { server_version_num: 990_000, ..source }),
        ..needs(None, "")
    };
    assert_eq!(open(&production, &newer).map(|_| ()).unwrap_err().kind(), Kind::Tool);

    let standby = production.standby(&Options::default());
    let following = refusal(&standby, &elsewhere);
    assert!(following.contains("a standby of another server"), "{following}");
    let followed = refusal(&production, &elsewhere);
    assert!(followed.contains("1 other follows it"), "{followed}");
}

#[test]
fn the_database_of_a_drill_is_dropped_whatever_is_in_it() {
    let shared = Postgres::start(Major::V18, &Options::default());
    shared.psql("postgres", "CREATE DATABASE drill_notes");
    let place = server(&shared.socket_dsn("postgres"));
    // One runtime for all of it: in it lives what holds the lock.
    run(async {
        let needs = needs(Some("1"), "shop");
        let scratch = Scratch::open(&place, &needs, &drill(), &job()).await.unwrap();
        assert!(scratch.creates());
        let name = scratch.target().dbname.clone();
        // What a restore makes, and what it leaves when the drill is cancelled within.
        shared.psql("postgres", &format!("CREATE DATABASE {name}"));
        shared.psql("postgres", &format!("CREATE DATABASE {name}_restoring_0a1b2c"));
        shared.psql(&name, "CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)");
        shared.psql("postgres", &format!("ALTER DATABASE {name} IS_TEMPLATE true"));
        let collected = gc(&place, &job()).await.unwrap();
        assert_eq!((collected.alive.len(), collected.removed), (1, Vec::new()));
        scratch.close(&job()).await.unwrap();
    });
    assert_eq!(shared.databases_like("drill_"), "drill_notes");
    assert_eq!(collect(&place), Collected::default());
}

#[test]
fn the_database_of_a_killed_drill_is_dropped_by_the_next_and_a_live_ones_is_not() {
    let shared = Postgres::start(Major::V15, &Options::default());
    let dsn = shared.socket_dsn("postgres");
    let (mut dead, mut live) = (Holder::start(&["server", &dsn]), Holder::start(&["server", &dsn]));
    let names = [dead.opened(), live.opened()].map(|target| target.rsplit('/').next().unwrap().to_owned());
    assert_ne!(names[0], names[1]);
    for name in &names {
        shared.psql("postgres", &format!("CREATE DATABASE {name}"));
    }
    dead.kill();
    // The server needs a moment to see it.
    let began = std::time::Instant::now();
    let mut removed = Vec::new();
    while removed.is_empty() && began.elapsed().as_secs() < 10 {
        removed = collect(&server(&dsn)).removed;
    }
    assert!(removed.len() == 1 && removed[0].ends_with(&names[0]), "{removed:?}");
    assert_eq!(shared.databases_like("drill_"), names[1]);
}
