//! SIGINT and SIGTERM to a run: told, nothing half done, and the same command goes on.

use std::fs;

use lifeboat_tests::session::{Held, wait_for};
use lifeboat_tests::{Database, Lifeboat};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::commands::{NEW, OLD, modeless, plaintexts, table};

/// The last row by its key: everything else comes before it.
const HOLD: &str = "BEGIN; SELECT 1 FROM project_env_vars WHERE id = 'ev_9' FOR UPDATE";

/// Whether the sweep waits for somebody's row.
const WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                     AND application_name = 'lifeboat/rotate' AND wait_event_type = 'Lock'";

/// Small batches by one session, which waits for whoever holds a row as long as it takes.
fn patient(database: &Database<'_>, folder: &TempDir, mode: &str, verb: &str) -> Lifeboat {
    let file = folder.path().join("lifeboat.toml");
    fs::write(&file, "[rotate]\nlock_timeout = \"0s\"\njobs = 1\nbatch_rows = 5\n").unwrap();
    let command = modeless(database, "lifeboat", verb, "project_env_vars").args(["--mode", mode]);
    command.arg("--config").arg(&file)
}

/// Interrupts a command that waits for a row.
fn interrupted(database: &Database<'_>, command: Lifeboat, signal: Signal, code: i32) {
    let held = Held::new(database, HOLD);
    let running = command.spawn();
    wait_for(database, WAITS);
    running.signal(signal);
    let told = running.wait().expect(code).stderr;
    for line in
        ["cancelled: cleaning up", "the same command goes on from here; until it is through, both keys are needed"]
    {
        assert!(told.contains(line), "{line:?} in {told}");
    }
    // Nor does the server wait for the row any more, with what it holds itself.
    wait_for(database, GONE);
    held.release();
}

const GONE: &str = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() \
                    AND application_name = 'lifeboat/rotate'";

#[test]
fn an_interrupted_run_says_how_it_goes_on_and_goes_on() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (database, folder) = (table(), TempDir::new().unwrap());
        let all = plaintexts(&database, OLD);
        let command = |verb| patient(&database, &folder, "online", verb);
        interrupted(&database, command("run"), signal, code);
        let [old, new] = [OLD, NEW].map(|key| plaintexts(&database, key));
        assert!(!new.is_empty() && old.len() + new.len() == all.len(), "each under one key: {old:?}, {new:?}");

        let run = command("run").run().expect(0);
        assert!(run.stdout.contains("  went on in pass 1: "), "{}", run.stdout);
        assert_eq!((plaintexts(&database, NEW), plaintexts(&database, OLD).len()), (all, 0));
        command("finalize").run().expect(0);
    }
}

#[test]
fn an_interrupted_rollback_goes_on() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (database, folder) = (table(), TempDir::new().unwrap());
        let all = plaintexts(&database, OLD);
        let command = |verb| patient(&database, &folder, "online", verb);
        command("run").run().expect(0);
        interrupted(&database, command("rollback"), signal, code);
        command("rollback").run().expect(0);
        assert_eq!((plaintexts(&database, OLD), plaintexts(&database, NEW).len()), (all, 0));
    }
}

#[test]
fn an_interrupted_transaction_has_written_nothing_and_begins_again() {
    let (database, folder) = (table(), TempDir::new().unwrap());
    let all = plaintexts(&database, OLD);
    let offline = || patient(&database, &folder, "offline", "run");
    interrupted(&database, offline(), Signal::TERM, 143);
    assert_eq!(plaintexts(&database, OLD), all);
    offline().run().expect(0);
    assert_eq!((plaintexts(&database, NEW), plaintexts(&database, OLD).len()), (all, 0));
}
