//! A passphrase is in no argument and no child's environment, and what it opened is nowhere on the disk.

use std::time::Duration;

use lifeboat_tests::foreign::{PASSPHRASE, Shelf, gpg, openssl, plain};
use lifeboat_tests::{Major, Postgres, unused_name};
use tempfile::TempDir;

use crate::world::{restore, tells};

#[test]
fn nothing_tells_the_passphrase_or_the_rows_while_a_file_is_restored() {
    let (server, shelf) = (Postgres::shared(Major::V15), Shelf::new());
    let source = server.database("secret");
    source.psql("CREATE TABLE t (a text); INSERT INTO t SELECT 'canary-of-a-row ' || md5(i::text) FROM generate_series(1, 60000) i");
    let sql = plain(&source);
    let mut seen = 0;
    for (name, bytes) in [("gpg", gpg(&sql)), ("openssl", openssl(&sql, 10_000))] {
        let (file, spool) = (shelf.put(name, &bytes), TempDir::new().unwrap());
        let database = server.adopt(&unused_name("restored"));
        let command = restore(&file, server, &database.name).args(["--create", "-vvv"]).env("TMPDIR", spool.path());
        let running = command.spawn();
        while running.is_running() {
            let exposed = running.exposed_by_descendants();
            assert!(!exposed.contains(PASSPHRASE), "{exposed}");
            seen += usize::from(!exposed.is_empty());
            for (path, bytes) in files_below(spool.path()) {
                assert!(!tells(&bytes, b"canary-of-a-row") && !tells(&bytes, PASSPHRASE.as_bytes()), "{path}");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let outcome = running.wait().expect(0);
        assert!(!outcome.text().contains(PASSPHRASE) && !outcome.text().contains("canary-of-a-row"));
        assert_eq!(files_below(spool.path()).len(), 0, "nothing is left behind");
        assert_eq!(database.psql("SELECT count(*) FROM t"), "60000");
    }
    assert!(seen > 0, "gpg was never looked at");
}

/// Every file below a folder, with what is in it.
pub(crate) fn files_below(folder: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&path)),
            Ok(kind) if kind.is_file() => {
                files.push((path.display().to_string(), std::fs::read(&path).unwrap_or_default()));
            }
            _ => {}
        }
    }
    files
}
