//! Databases of drills on a server that is not production.

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::index::Source;
use lifeboat_core::{Kind, Result};
use lifeboat_drill::scratch::{Collected, Needs, Scratch, ScratchOptions, gc};
use lifeboat_tests::places::{collect, drill, job, left, server};
use lifeboat_tests::servers::postgres::{Options, PASSWORD, PLAIN_ROLE};
use lifeboat_tests::{Major, PATIENCE, Postgres, run};
use tempfile::TempDir;

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

/// Drills on this server, and their folder.
fn place(on: &Postgres) -> (TempDir, ScratchOptions) {
    let dir = TempDir::new().unwrap();
    let options = server(dir.path(), &on.socket_dsn("postgres"));
    (dir, options)
}

/// Opens and closes.
fn open(on: &Postgres, needs: &Needs) -> Result<()> {
    let (_dir, options) = place(on);
    run(async { Scratch::open(&options, needs, &drill(), &job()).await?.close(&job()).await })
}

fn refusal(on: &Postgres, needs: &Needs) -> String {
    let error = open(on, needs).unwrap_err();
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
    open(&production, &elsewhere).unwrap();

    let newer = Needs {
        source: elsewhere.source.clone().map(|source| Source { server_version_num: 990_000, ..source }),
        ..needs(None, "")
    };
    assert_eq!(open(&production, &newer).unwrap_err().kind(), Kind::Tool);

    // What looks like a drill's there is none of ours to drop.
    let orphan = "drill_20261121t021700z_7f3a9c";
    production.psql("postgres", &format!("CREATE DATABASE {orphan}"));
    let configured = |url: &str| {
        let (dir, mut options) = place(&production);
        if let ScratchOptions::Server(options) = &mut options {
            options.settings = ConnectionSettings::parse(&production.dsn("postgres"), &|_| None).unwrap();
            options.production = vec![ConnectionSettings::parse(url, &|_| None).unwrap()];
        }
        let (opened, collected) = run(async {
            (Scratch::open(&options, &elsewhere, &drill(), &job()).await.map(|_| ()), gc(&options, &job()).await)
        });
        assert_eq!(left(dir.path()), Vec::<String>::new());
        [opened.err(), collected.err()]
    };
    let port = production.port();
    for url in [
        format!("host=localhost port={port} user=u dbname=shop"),
        format!("host=db,127.0.0.1 port=1,{port} user=u dbname=shop"),
    ] {
        for error in configured(&url) {
            let error = error.expect(&url);
            assert!(error.to_string().contains("configured to be backed up"), "{error:?}");
            assert_eq!(error.kind(), Kind::Policy);
        }
    }
    assert_eq!(production.databases_like("drill_"), orphan);
    // Of several servers the one that was judged is the one that is used.
    let (_dir, mut several) = place(&production);
    if let ScratchOptions::Server(options) = &mut several {
        let dsn = production.dsn("postgres").replace("127.0.0.1:", "127.0.0.1:1,127.0.0.1:");
        options.settings = ConnectionSettings::parse(&dsn, &|_| None).unwrap();
        assert_eq!(options.settings.hosts.len(), 2);
    }
    let hosts = run(async {
        let scratch = Scratch::open(&several, &elsewhere, &drill(), &job()).await.unwrap();
        let hosts = scratch.target().hosts.clone();
        scratch.close(&job()).await.unwrap();
        hosts
    });
    assert_eq!((hosts.len(), hosts[0].port), (1, port));
    assert_eq!(production.databases_like("drill_"), "", "where it is not production, it is dropped");
    production.psql("postgres", &format!("CREATE DATABASE {orphan}"));

    let standby = production.standby(&Options::default());
    let following = refusal(&standby, &elsewhere);
    assert!(following.contains("a standby of another server"), "{following}");
    let followed = refusal(&production, &elsewhere);
    assert!(followed.contains("1 other follows it"), "{followed}");
    let collected = run(async { gc(&place(&production).1, &job()).await });
    assert_eq!(collected.unwrap_err().kind(), Kind::Policy);
    assert_eq!(production.databases_like("drill_"), orphan);
}

#[test]
fn the_database_of_a_drill_is_dropped_whatever_is_in_it() {
    let shared = Postgres::start(Major::V18, &Options::default());
    let plain = server(TempDir::new().unwrap().path(), &shared.dsn_as(PLAIN_ROLE, PASSWORD, "postgres"));
    let refused = run(async { Scratch::open(&plain, &needs(None, "shop"), &drill(), &job()).await }).unwrap_err();
    assert!(refused.help().unwrap().contains("ALTER ROLE \"plain\" CREATEDB"), "{refused:?}");
    shared.psql("postgres", "CREATE DATABASE drill_notes");
    let (dir, place) = place(&shared);
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
    assert_eq!(left(dir.path()), Vec::<String>::new());
}

#[test]
fn the_database_of_a_killed_drill_is_dropped_by_the_next_and_a_live_ones_is_not() {
    let shared = Postgres::start(Major::V15, &Options::default());
    let (dir, place) = place(&shared);
    let (path, dsn) = (dir.path().display().to_string(), shared.socket_dsn("postgres"));
    let (mut dead, mut live) = (Holder::start(&["server", &path, &dsn]), Holder::start(&["server", &path, &dsn]));
    let names = [dead.opened(), live.opened()].map(|target| target.rsplit('/').next().unwrap().to_owned());
    assert_ne!(names[0], names[1]);
    for name in &names {
        shared.psql("postgres", &format!("CREATE DATABASE {name}"));
    }
    dead.kill();
    // The server needs a moment to see it.
    let began = std::time::Instant::now();
    let mut removed = Vec::new();
    while removed.is_empty() && began.elapsed() < PATIENCE {
        removed.extend(collect(&place).removed.into_iter().filter(|removed| removed.contains("drill_")));
    }
    assert!(removed.len() == 1 && removed[0].ends_with(&names[0]), "{removed:?}");
    assert_eq!(shared.databases_like("drill_"), names[1]);
    // A session that is lost is replaced: the drill is not taken for dead.
    let holds = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted";
    let lost = shared.psql("postgres", holds);
    shared.psql("postgres", &format!("SELECT pg_terminate_backend({lost}, 60000)"));
    // Nor in the moment before, by who finds its lease.
    assert_eq!(collect(&place).removed, Vec::<String>::new());
    let began = std::time::Instant::now();
    while ["", lost.as_str()].contains(&shared.psql("postgres", holds).as_str()) {
        assert!(began.elapsed() < PATIENCE, "the lock is not held again");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(collect(&place).alive.len(), 1);
    assert_eq!(shared.databases_like("drill_"), names[1]);
}
