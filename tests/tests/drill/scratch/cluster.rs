//! Throwaway clusters.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lifeboat_backup::postgres::{ConnectOptions, ConnectionSettings, Session, connect};
use lifeboat_core::index::Source;
use lifeboat_core::monitor::Silent;
use lifeboat_core::{Kind, Result};
use lifeboat_drill::scratch::{Needs, Scratch, ScratchOptions};
use lifeboat_tests::places::{self, collect, drill, job, left, orphaned_dynamic_memory, orphaned_segments, processes};
use lifeboat_tests::servers::installation::Installation;
use lifeboat_tests::sweep::Dice;
use lifeboat_tests::{Major, PATIENCE, run};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::holder::Holder;

/// A folder that the server's account can pass.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    folder
}

fn cluster(dir: &Path, major: Major) -> ScratchOptions {
    let installation = Installation::of(major);
    places::cluster(dir, &installation.bin, installation.number)
}

fn open(options: &ScratchOptions, needs: &Needs) -> Result<Scratch> {
    run(Scratch::open(options, needs, &drill(), &job()))
}

fn close(scratch: Scratch) {
    run(scratch.close(&job())).unwrap();
}

fn holder(dir: &Path) -> Holder {
    let installation = Installation::of(Major::V15);
    let (dir, bin) = (dir.display().to_string(), installation.bin.display().to_string());
    Holder::start(&["cluster", &dir, &bin, &installation.number.to_string()])
}

/// What a query says in a database of the scratch server.
fn ask(target: &ConnectionSettings, database: &str, query: &str) -> String {
    run(async {
        let settings = target.with_dbname(database);
        let mut session = connect(&settings, "test", &ConnectOptions::default(), &Silent).await.unwrap();
        let answer = session.text(query).await.unwrap().unwrap_or_default();
        session.close().await;
        answer
    })
}

/// A source whose database is in this encoding and locale.
fn needs(encoding: &str, collate: &str) -> Needs {
    let source = Source {
        system_identifier: None,
        server_version: "15.0".into(),
        server_version_num: 150_000,
        database: "shop".into(),
        encoding: encoding.into(),
        locale_provider: "libc".into(),
        collate: collate.into(),
        ctype: collate.into(),
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

/// Files of the one cluster below this folder that lie open: folders of others may be passed, and nothing in them be read.
fn readable_by_others(dir: &Path) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| std::fs::metadata(path).unwrap().permissions().mode() & 0o077 != 0).collect()
}

/// The postmaster of the one cluster below this folder.
fn postmaster(dir: &Path) -> Pid {
    let folder = std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    Pid::from_raw(file.lines().next().unwrap().parse().unwrap()).unwrap()
}

/// Shared memory that servers left which are gone.
fn outside() -> Vec<String> {
    orphaned_segments().into_iter().chain(orphaned_dynamic_memory()).collect()
}

/// Other tests kill servers at the same time; what they leave is gone when they are.
#[track_caller]
fn assert_no_more_segments(before: &[String]) {
    let began = Instant::now();
    loop {
        let more: Vec<_> = outside().into_iter().filter(|segment| !before.contains(segment)).collect();
        if more.is_empty() {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{more:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_cluster_is_private_quick_and_gone_when_it_is_closed() {
    for major in Major::ALL {
        let dir = folder();
        let began = Instant::now();
        let scratch = open(&cluster(dir.path(), major), &needs("LATIN1", "C")).unwrap();
        eprintln!("{major:?}: up within {:?}", began.elapsed());
        let say = |name: &str| ask(scratch.target(), "postgres", &format!("SHOW {name}"));
        // What makes it quick: it writes little, and waits for no disk.
        for (name, value) in [
            ("listen_addresses", ""),
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("wal_level", "minimal"),
            ("autovacuum", "off"),
            ("max_wal_senders", "0"),
            ("data_checksums", "off"),
            ("server_encoding", "LATIN1"),
        ] {
            assert_eq!(say(name), value, "{name}");
        }
        let socket = std::fs::metadata(say("unix_socket_directories")).unwrap();
        assert_eq!(socket.permissions().mode() & 0o777, 0o700);
        assert_eq!(readable_by_others(dir.path()), Vec::<PathBuf>::new());
        assert_eq!((scratch.target().dbname.as_str(), scratch.creates()), ("shop", true));
        assert!(scratch.facts().server_version.starts_with(&Installation::of(major).number.to_string()));
        let began = Instant::now();
        close(scratch);
        eprintln!("{major:?}: gone within {:?}", began.elapsed());
        assert_eq!(left(dir.path()), Vec::<String>::new());
    }
}

#[test]
fn a_drill_that_is_killed_while_its_cluster_comes_up_leaves_nothing() {
    let dir = folder();
    let (options, segments) = (cluster(dir.path(), Major::V15), outside());
    let began = Instant::now();
    holder(dir.path()).opened();
    let span = began.elapsed();
    for fraction in Dice::new("a_drill_that_is_killed_while_its_cluster_comes_up").fractions(12) {
        let holder = holder(dir.path());
        std::thread::sleep(span.mul_f64(fraction));
        holder.kill();
        let began = Instant::now();
        // What it was just starting holds its lock, too, until it has become another program.
        while !collect(&options).alive.is_empty() {
            assert!(began.elapsed() < PATIENCE, "a killed drill is taken for one that runs");
        }
        assert_eq!(left(dir.path()), Vec::<String>::new(), "killed after {fraction} of {span:?}");
    }
    assert_no_more_segments(&segments);
}

#[test]
fn the_server_of_a_killed_drill_ends_by_itself_and_its_folder_is_collected() {
    let dir = folder();
    let mut drill = holder(dir.path());
    drill.opened();
    drill.kill();
    let began = Instant::now();
    while !processes(dir.path()).is_empty() {
        assert!(began.elapsed() < PATIENCE, "{:?}", processes(dir.path()));
    }
    assert_eq!(left(dir.path()).len(), 1);
    let collected = collect(&cluster(dir.path(), Major::V15));
    assert_eq!((collected.removed.len(), collected.left), (1, Vec::new()));
    assert_eq!(left(dir.path()), Vec::<String>::new());
}

#[test]
fn a_killed_server_and_then_its_killed_drill_leave_nothing() {
    let (dir, segments) = (folder(), outside());
    let options = cluster(dir.path(), Major::V15);
    // The server alone: the drill cleans up after it.
    let scratch = open(&options, &Needs::default()).unwrap();
    kill_process(postmaster(dir.path()), Signal::KILL).unwrap();
    close(scratch);
    assert_eq!(left(dir.path()), Vec::<String>::new());
    // Both: the next one does.
    let mut drill = holder(dir.path());
    drill.opened();
    kill_process(postmaster(dir.path()), Signal::KILL).unwrap();
    drill.kill();
    assert_eq!(collect(&options).removed.len(), 1);
    assert_eq!(left(dir.path()), Vec::<String>::new());
    assert_no_more_segments(&segments);
}

#[test]
fn a_drill_removes_what_a_dead_one_left_and_leaves_a_live_one_alone() {
    let dir = folder();
    let options = cluster(dir.path(), Major::V15);
    let mut dead = holder(dir.path());
    dead.opened();
    let live = open(&options, &Needs::default()).unwrap();
    dead.kill();
    // Two at once, and what the dead one left is gone before the second is there.
    let other = open(&options, &Needs::default()).unwrap();
    let collected = collect(&options);
    assert_eq!((collected.removed.len(), collected.alive.len()), (0, 2), "{collected:?}");
    assert_eq!(left(dir.path()).iter().filter(|left| left.starts_with('/')).count(), 2);
    for scratch in [&live, &other] {
        assert_eq!(ask(scratch.target(), "postgres", "SELECT 1"), "1");
    }
    assert_ne!(live.target().display(), other.target().display());
    close(live);
    assert_eq!(ask(other.target(), "postgres", "SELECT 1"), "1");
    // As it is when a drill panics.
    drop(other);
    assert_eq!(left(dir.path()), Vec::<String>::new());
}

#[test]
fn a_cluster_in_a_folder_with_a_long_name_has_its_socket_elsewhere_and_leaves_it_no_longer() {
    let dir = folder();
    let long = dir.path().join("x".repeat(100));
    let mut drill = holder(&long);
    let target = drill.opened();
    assert!(target.contains("/tmp/lifeboat-drill-"), "{target}");
    let socket = format!("/{}", target.split('/').skip(1).take(2).collect::<Vec<_>>().join("/"));
    let socket = socket.split(':').next().unwrap();
    assert!(Path::new(socket).exists(), "{socket}");
    drill.kill();
    collect(&cluster(&long, Major::V15));
    assert!(!Path::new(socket).exists(), "{socket}");
    assert_eq!(left(&long), Vec::<String>::new());
}

#[test]
fn what_cannot_hold_the_backup_is_refused_before_anything_is_made() {
    let dir = folder();
    let drills = dir.path().join("drills");
    let options = cluster(&drills, Major::V15);
    let refused = |options: &ScratchOptions, needs: &Needs| open(options, needs).map(|_| ()).unwrap_err();

    let large = Needs { database_bytes: 1 << 50, ..Needs::default() };
    let error = refused(&options, &large);
    assert_eq!(error.kind(), Kind::Failure);
    assert!(error.to_string().contains("MiB are free"), "{error}");

    let mut newer = needs("UTF8", "C");
    newer.source.as_mut().unwrap().server_version_num = 990_000;
    let mut any = options.clone();
    if let ScratchOptions::Cluster(options) = &mut any {
        options.major = None;
    }
    assert_eq!(refused(&any, &newer).kind(), Kind::Tool);
    assert_eq!(refused(&options, &newer).kind(), Kind::Config);
    assert!(!drills.exists());
}

#[test]
fn a_missing_locale_is_named_and_leaves_nothing() {
    let dir = folder();
    let error = open(&cluster(dir.path(), Major::V15), &needs("UTF8", "xx_YY.UTF-8")).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Tool);
    assert!(error.help().unwrap().contains("xx_YY.UTF-8"), "{error:?}");
    assert_eq!(left(dir.path()), Vec::<String>::new());
}

#[test]
fn a_folder_that_the_servers_account_cannot_pass_is_named() {
    if !rustix::process::getuid().is_root() {
        eprintln!("NOT TESTED: only root starts servers as another account");
        return;
    }
    let dir = folder();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
    let error = open(&cluster(dir.path(), Major::V15), &Needs::default()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.to_string().ends_with(&format!("Postgres may not pass {}", dir.path().display())), "{error:?}");
    assert_eq!(left(dir.path()), Vec::<String>::new());
}

#[test]
fn a_cancelled_start_leaves_nothing() {
    let dir = folder();
    let (options, job) = (cluster(dir.path(), Major::V15), job());
    let (cancel, place) = (job.cancel.clone(), dir.path().to_owned());
    let opened = run(async move {
        let cancelling = async {
            // initdb is at work.
            while processes(&place).is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            cancel.cancel();
        };
        let (id, needs) = (drill(), Needs::default());
        let (opened, ()) = tokio::join!(Scratch::open(&options, &needs, &id, &job), cancelling);
        opened.map(|_| ())
    });
    assert_eq!(opened.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(left(dir.path()), Vec::<String>::new());
}
