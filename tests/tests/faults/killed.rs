//! `kill -9` at random moments: what it leaves is never taken for a backup or for a database.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use lifeboat_backup::archive::BackupState;
use lifeboat_core::counted;
use lifeboat_core::store::Store;
use lifeboat_tests::kills::{kill_at_random_moments, length_of};
use lifeboat_tests::sweep::long;
use lifeboat_tests::{
    Bucket, Database, Fault, Identity, Lifeboat, Major, Postgres, Proxy, Seaweed, Way, When, every_method, run,
    unused_name,
};
use tempfile::TempDir;

use crate::signals::uploading;
use crate::world::{add_blobs, backup_command, hasty_store, lifeboat, list, several_tables, verify};

/// Kills of one test.
fn kills() -> u32 {
    if long() { 100 } else { 30 }
}

/// Two connections by the method that has several, whatever the cores.
fn backup_in(state: &Path, database: &Database<'_>, bucket: &Bucket, way: Way) -> Lifeboat {
    backup_command(database, bucket, "x").args(["--method", way.method, "--jobs", "2"]).state_dir(state)
}

every_method!(
    a_killed_backup_is_no_backup_and_the_next_run_aborts_its_upload,
    a_run_killed_within_an_upload_has_it_aborted_by_the_next,
);

/// The uploads that the runs before have written down as open.
fn journalled(state: &Path) -> BTreeSet<String> {
    let id = |path: std::path::PathBuf| {
        let entry: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        entry["id"].as_str().unwrap().to_owned()
    };
    let paths = std::fs::read_dir(state.join("lifeboat/uploads")).unwrap().map(|file| file.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).map(id).collect()
}

/// Verifies what is listed as available and was not known so far; `known` then holds all of them.
fn prove_new_backups(store: &Store, known: &mut BTreeSet<String>) {
    run(async {
        for backup in list(store).await {
            let name = format!("{}/{}", backup.database, backup.id);
            match backup.state {
                BackupState::InFlight => {}
                BackupState::Available if known.contains(&name) => {}
                BackupState::Available => {
                    verify(store, &name).await.unwrap_or_else(|error| panic!("available and not whole: {error:?}"));
                    known.insert(name);
                }
                other => panic!("{name} is {other:?}: neither a backup nor an unfinished one"),
            }
        }
    });
}

fn a_killed_backup_is_no_backup_and_the_next_run_aborts_its_upload(way: Way) {
    let (database, bucket) = (several_tables("killed"), Seaweed::shared().bucket("killed"));
    add_blobs(&database, 18);
    let state = TempDir::new().unwrap();
    let backup = || backup_in(state.path(), &database, &bucket, way);
    let store = hasty_store(&Seaweed::shared().endpoint(), &bucket, "x", Identity::Admin);

    let (mut proven, mut uploads, mut ended) = (BTreeSet::new(), BTreeSet::new(), 2);
    kill_at_random_moments("a_killed_backup_is_no_backup", kills() / 2, length_of(backup), |moment| {
        let cut_short = backup().spawn().kill_after(moment);
        database.wait_until_let_go();
        ended += usize::from(!cut_short);
        prove_new_backups(&store, &mut proven);
        let left = journalled(state.path());
        if !left.is_empty() {
            let next = backup().run().expect(0);
            ended += 1;
            let told = format!("aborted {} that an earlier run left open", counted(left.len() as u64, "upload"));
            assert!(next.stderr.contains(&told), "{left:?}: {}", next.stderr);
            assert_eq!(journalled(state.path()), BTreeSet::new());
            uploads.extend(left);
        }
        cut_short
    });
    prove_new_backups(&store, &mut proven);
    // A kill may come after the commit and before the end of the program.
    assert!((ended..=ended + 5).contains(&proven.len()), "{ended} runs ended, {} backups", proven.len());
    eprintln!("{} uploads were left open and aborted by the next run", uploads.len());
    // That may be none, where the store is quick: the test below kills within one.
    // A kill between the store's answer and the journal leaves an upload that nobody knows of; none that was known is.
    let open: BTreeSet<_> = bucket.open_uploads().into_iter().map(|upload| upload.id).collect();
    assert!(open.is_disjoint(&uploads), "{open:?} was not aborted");
    assert!(open.len() <= 3, "{open:?} was not written down");
}

fn a_run_killed_within_an_upload_has_it_aborted_by_the_next(way: Way) {
    let (database, bucket) = (several_tables("held"), Seaweed::shared().bucket("held"));
    add_blobs(&database, 20);
    let state = TempDir::new().unwrap();
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::operation("UploadPart"), Fault::Hang);
    let running = backup_in(state.path(), &database, &bucket, way).envs(proxy.environment(Identity::Admin)).spawn();
    uploading(&running, &proxy);
    assert!(running.kill_after(Duration::ZERO));
    assert!(!bucket.open_uploads().is_empty(), "the killed run left no upload");
    database.wait_until_let_go();

    let next = backup_in(state.path(), &database, &bucket, way).run().expect(0);
    assert!(next.stderr.contains("that an earlier run left open"), "{}", next.stderr);
    assert_eq!(bucket.open_uploads(), []);
    let store = hasty_store(&Seaweed::shared().endpoint(), &bucket, "x", Identity::Admin);
    let mut proven = BTreeSet::new();
    prove_new_backups(&store, &mut proven);
    assert_eq!(proven.len(), 1);
}

#[test]
fn a_killed_restore_leaves_no_database_of_the_final_name() {
    let (database, bucket) = (several_tables("unrestored"), Seaweed::shared().bucket("unrestored"));
    backup_command(&database, &bucket, "x").run().expect(0);
    let server = Postgres::shared(Major::V15);
    let restore = |name: &str| {
        let into = server.socket_dsn(name);
        lifeboat("restore", &bucket, "x").args(["shop/latest", "--create", "--into", &into])
    };
    let rows = "SELECT (SELECT count(*) FROM wide) + (SELECT count(*) FROM both_sides)";
    let names = std::cell::RefCell::new(Vec::new());
    let new_name = || {
        names.borrow_mut().push(unused_name("target"));
        names.borrow().last().cloned().unwrap()
    };
    let span = length_of(|| restore(&new_name()));
    kill_at_random_moments("a_killed_restore_leaves_no_database", kills(), span, |moment| {
        // A name of its own: the server may go on creating a database whose creator is dead.
        let name = new_name();
        let cut_short = restore(&name).spawn().kill_after(moment);
        if server.has_database(&name) {
            assert_eq!(server.psql(&name, rows), "5600", "the name was given to a database that is not whole");
        } else {
            assert!(cut_short, "a restore that ended left nothing");
        }
        cut_short
    });
    names.borrow().iter().for_each(|name| server.drop_databases_like(name));
}

#[test]
fn a_restore_after_a_killed_one_says_what_to_drop_and_then_succeeds() {
    let (database, bucket) = (several_tables("again"), Seaweed::shared().bucket("again"));
    backup_command(&database, &bucket, "x").run().expect(0);
    let (name, server) = (unused_name("target"), Postgres::shared(Major::V15));
    let into = server.socket_dsn(&name);
    let restore = || lifeboat("restore", &bucket, "x").args(["shop/latest", "--create", "--into", &into]);
    let running = restore().spawn();
    while server.databases_like(&name).is_empty() && running.is_running() {}
    assert!(running.kill_after(Duration::ZERO), "the kill came too late");

    let left = server.databases_like(&name);
    let statement = format!("DROP DATABASE IF EXISTS \"{left}\" WITH (FORCE)");
    for again in [restore().arg("--dry-run"), restore()] {
        let refused = again.run().expect(40);
        assert!(refused.text().contains(&statement), "{}", refused.text());
    }
    server.psql("postgres", &statement);
    restore().run().expect(0);
    assert!(server.has_database(&name));
    server.drop_databases_like(&name);
}
