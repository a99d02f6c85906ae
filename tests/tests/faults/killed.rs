//! `kill -9` at random moments: what it leaves is never taken for a backup or for a database.

use std::path::Path;
use std::time::{Duration, Instant};

use lifeboat_backup::archive::BackupState;
use lifeboat_tests::{Bucket, Database, Fault, Identity, Lifeboat, Major, Postgres, Proxy, Seaweed, When};
use tempfile::TempDir;

use crate::world::{
    Dice, add_blobs, backup_command, databases, drop_databases, hasty_store, lifeboat, list, long, proven_backups, run,
    several_tables, target_name,
};

const KILLS: usize = 30;
const TIME: Duration = Duration::from_secs(15);

/// Calls `kill` with random moments within `span`, [`KILLS`] times or until the time is up.
fn kill_at_random_moments(test: &str, span: Duration, mut kill: impl FnMut(Duration)) {
    let mut dice = Dice::new(test);
    let began = Instant::now();
    for _ in 0..KILLS {
        if !long() && began.elapsed() > TIME {
            break;
        }
        kill(dice.time_below(span));
    }
}

fn backup_in(state: &Path, database: &Database<'_>, bucket: &Bucket) -> Lifeboat {
    backup_command(database, bucket, "x").state_dir(state)
}

#[test]
fn a_killed_backup_is_no_backup_and_the_next_run_aborts_its_upload() {
    let (database, bucket) = (several_tables("killed"), Seaweed::shared().bucket("killed"));
    add_blobs(&database, 20);
    let state = TempDir::new().unwrap();
    let began = Instant::now();
    backup_in(state.path(), &database, &bucket).run().expect(0);
    let whole = began.elapsed();
    let store = hasty_store(&Seaweed::shared().endpoint(), &bucket, "x", Identity::Admin);

    let (mut cut_short, mut finished) = (0, 1);
    kill_at_random_moments("a_killed_backup_is_no_backup", whole, |moment| {
        let killed = backup_in(state.path(), &database, &bucket).spawn().kill_after(moment);
        if killed { cut_short += 1 } else { finished += 1 }
    });
    assert!(cut_short > 0, "no kill came in time");
    // A kill may come after the commit and before the end of the program.
    let proven = run(proven_backups(&store)).len();
    assert!((finished..=finished + 3).contains(&proven), "{finished} runs ended, {proven} backups, {cut_short} killed");

    // One that is sure to leave an upload open: its parts are held back.
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::operation("UploadPart"), Fault::Hang);
    let environment = proxy.environment(Identity::Admin);
    let running = backup_in(state.path(), &database, &bucket).envs(environment).spawn();
    while !proxy.operations().contains(&"UploadPart") {
        assert!(running.is_running(), "the backup ended before it uploaded anything");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(running.kill_after(Duration::ZERO));
    assert!(!bucket.open_uploads().is_empty(), "the killed run left no upload");

    let next = backup_in(state.path(), &database, &bucket).run().expect(0);
    assert!(next.stderr.contains("uploads that an earlier run left open"), "{}", next.stderr);
    assert_eq!(bucket.open_uploads(), []);
    let listed = run(list(&store));
    let available = listed.iter().filter(|backup| backup.state == BackupState::Available).count();
    assert_eq!(available, proven + 1);
}

#[test]
fn a_killed_restore_leaves_no_database_of_the_final_name() {
    let (database, bucket) = (several_tables("unrestored"), Seaweed::shared().bucket("unrestored"));
    backup_command(&database, &bucket, "x").run().expect(0);
    let (name, server) = (target_name(), Postgres::shared(Major::V15));
    let into = server.socket_dsn(&name);
    let restore = || lifeboat("restore", &bucket, "x").args(["shop/latest", "--create", "--into", &into]);
    let began = Instant::now();
    restore().run().expect(0);
    let whole = began.elapsed();
    let rows = "SELECT (SELECT count(*) FROM wide) + (SELECT count(*) FROM both_sides)";
    assert_eq!(server.psql(&name, rows), "5600");
    drop_databases(&name);

    let (mut cut_short, mut names) = (0, Vec::new());
    kill_at_random_moments("a_killed_restore_leaves_no_database", whole, |moment| {
        // A name of its own: the server may go on creating a database whose creator is dead.
        let name = target_name();
        let into = server.socket_dsn(&name);
        let restore = lifeboat("restore", &bucket, "x").args(["shop/latest", "--create", "--into", &into]);
        let killed = restore.spawn().kill_after(moment);
        cut_short += usize::from(killed);
        if databases(&name).contains(&name) {
            assert_eq!(server.psql(&name, rows), "5600", "the name was given to a database that is not whole");
        } else {
            assert!(killed, "a restore that ended left nothing");
        }
        names.push(name);
    });
    assert!(cut_short > 0, "no kill came in time");
    names.iter().for_each(|name| drop_databases(name));
}

#[test]
fn a_restore_after_a_killed_one_says_what_to_drop_and_then_succeeds() {
    let (database, bucket) = (several_tables("again"), Seaweed::shared().bucket("again"));
    backup_command(&database, &bucket, "x").run().expect(0);
    let (name, server) = (target_name(), Postgres::shared(Major::V15));
    let into = server.socket_dsn(&name);
    let restore = || lifeboat("restore", &bucket, "x").args(["shop/latest", "--create", "--into", &into]);
    let running = restore().spawn();
    while databases(&name).is_empty() && running.is_running() {}
    assert!(running.kill_after(Duration::ZERO), "the kill came too late");

    let left = databases(&name).pop().unwrap();
    let refused = restore().run().expect(40);
    let statement = format!("DROP DATABASE IF EXISTS \"{left}\" WITH (FORCE)");
    assert!(refused.stderr.contains(&statement), "{}", refused.stderr);
    server.psql("postgres", &statement);
    restore().run().expect(0);
    assert!(databases(&name).contains(&name));
    drop_databases(&name);
}
