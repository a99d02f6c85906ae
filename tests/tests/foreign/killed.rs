//! `kill -9` at random moments: no database has the name before it is whole, no backup is listed before it is, and nothing that
//! was encrypted is left to read.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lifeboat_tests::foreign::{PASSPHRASE, Shelf, gpg, gzip, plain};
use lifeboat_tests::kills::{kill_at_random_moments, length_of};
use lifeboat_tests::sweep::long;
use lifeboat_tests::{Database, Depot, Lifeboat, Major, Postgres, unused_name};
use tempfile::TempDir;

use crate::imported::import;
use crate::secrets::files_below;
use crate::world::{restore, tells};

const ROWS: &str = "60000";
const MARK: &str = "canary-of-a-row";

/// A dump of so many marked rows, encrypted.
fn sealed_dump(shelf: &Shelf, server: &Postgres) -> PathBuf {
    let source = server.database("source");
    source.psql(&format!(
        "CREATE TABLE t (a text); INSERT INTO t SELECT '{MARK} ' || md5(i::text) FROM generate_series(1, {ROWS}) i"
    ));
    shelf.put("dump.sql.gz.gpg", &gpg(&gzip(&plain(&source))))
}

fn kills() -> u32 {
    if long() { 100 } else { 12 }
}

/// Neither rows nor the passphrase lie anywhere below `folder`.
#[track_caller]
fn assert_tells_nothing(folder: &Path) {
    for (path, bytes) in files_below(folder) {
        assert!(!tells(&bytes, MARK.as_bytes()) && !tells(&bytes, PASSPHRASE.as_bytes()), "{path}");
    }
}

/// What a run that ended well leaves of itself and of those that were killed before: no file, and nobody who holds one.
#[track_caller]
fn assert_swept(folder: &Path) {
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let text = folder.display().to_string();
    let agents: Vec<_> = lines.filter(|line| tells(line, text.as_bytes())).collect();
    assert!(agents.is_empty(), "{:?}", agents.iter().map(|line| String::from_utf8_lossy(line)).collect::<Vec<_>>());
}

#[test]
fn a_killed_restore_of_a_file_leaves_no_half_database_and_nothing_to_read() {
    let (server, shelf, spool) = (Postgres::shared(Major::V15), Shelf::new(), TempDir::new().unwrap());
    let file = sealed_dump(&shelf, server);
    let made: RefCell<Vec<Database<'_>>> = RefCell::default();
    let run = |name: &str| -> Lifeboat {
        made.borrow_mut().push(server.adopt(name));
        restore(&file, server, name).args(["--create", "--jobs", "2"]).env("TMPDIR", spool.path())
    };
    let mut whole = 0;
    let span = length_of(|| run(&unused_name("undisturbed")));
    kill_at_random_moments("a_killed_restore_of_a_file", kills(), span, |moment| {
        let name = unused_name("killed");
        let cut_short = run(&name).spawn().kill_after(moment);
        assert_tells_nothing(spool.path());
        for found in server.databases_like(&name).lines() {
            if found == name {
                assert_eq!(server.psql(&name, "SELECT count(*) FROM t"), ROWS);
                whole += 1;
            } else {
                assert!(found.starts_with(&format!("{name}_restoring_")), "{found}");
                server.drop_databases_like(found);
            }
        }
        assert!(cut_short || server.has_database(&name), "it ended well");
        cut_short
    });
    eprintln!("{whole} databases had their name");
    let name = unused_name("next");
    run(&name).run().expect(0);
    assert_eq!(server.psql(&name, "SELECT count(*) FROM t"), ROWS);
    assert_swept(spool.path());
}

#[test]
fn a_killed_import_is_no_backup_or_a_whole_one() {
    let (server, shelf, spool, state) =
        (Postgres::shared(Major::V15), Shelf::new(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let (file, depot) = (sealed_dump(&shelf, server), Depot::s3());
    let run = || {
        let command = import(&depot, &file, server).args(["--taken-at", "2025-03-01T02:17:00Z"]);
        command.state_dir(state.path()).env("TMPDIR", spool.path())
    };
    let listed = || -> BTreeSet<String> {
        let result = depot.lifeboat("list").arg("--json").run().expect(0).result();
        let id = |backup: &serde_json::Value| {
            assert_eq!(backup["state"], "available", "{backup}");
            format!("shop/{}", backup["id"].as_str().unwrap())
        };
        result["backups"].as_array().unwrap().iter().map(id).collect()
    };
    let span = length_of(run);
    let mut known = listed();
    assert_eq!(known.len(), 2);
    let prove_new_ones = |known: &mut BTreeSet<String>| {
        for backup in listed().difference(&known.clone()) {
            depot.lifeboat("verify").arg(backup).run().expect(0);
            known.insert(backup.clone());
        }
    };
    kill_at_random_moments("a_killed_import", kills(), span, |moment| {
        let cut_short = run().spawn().kill_after(moment);
        assert_tells_nothing(spool.path());
        prove_new_ones(&mut known);
        cut_short
    });
    // What the last one had sent may have been stored since.
    prove_new_ones(&mut known);
    run().run().expect(0);
    assert_swept(spool.path());
    assert_eq!(listed().len(), known.len() + 1);
}
