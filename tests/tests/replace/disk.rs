//! A disk that has no room for two.

use std::path::{Path, PathBuf};
use std::process::Command;

use lifeboat_tests::compare::contents;
use lifeboat_tests::session::wait_for;
use lifeboat_tests::{Lifeboat, Major, Postgres, unused_name};
use tempfile::TempDir;

use crate::steps::within_the_safety_backup;
use crate::world::{Shop, ended, postgres};

/// A tablespace on a file system of a few MiB; gone when dropped.
struct SmallSpace {
    folder: TempDir,
    name: String,
}

impl SmallSpace {
    /// Mounting takes root: CI has it, and there it must work.
    fn mount(server: &Postgres, size: &str) -> Option<SmallSpace> {
        if !rustix::process::getuid().is_root() {
            eprintln!("NOT TESTED: a small file system can be mounted by root only");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path()).status();
        assert!(
            mounted.is_ok_and(|status| status.success()),
            "root can mount a file system, but for within a container"
        );
        let space = SmallSpace { folder, name: unused_name("small") };
        let path = space.path().to_string_lossy().into_owned();
        assert!(Command::new("chown").args(["postgres:postgres", &path]).status().unwrap().success());
        // The folder above is closed to others.
        assert!(Command::new("chmod").args(["755", &path]).status().unwrap().success());
        server.psql("postgres", &format!("CREATE TABLESPACE {} LOCATION '{path}'", space.name));
        Some(space)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Somebody puts a file there that leaves so many bytes.
    fn fill_but(&self, bytes: u64) {
        let found = rustix::fs::statvfs(self.path()).unwrap();
        let free = found.f_bavail * found.f_frsize;
        std::fs::write(self.stranger(), vec![7; usize::try_from(free - bytes).unwrap()]).unwrap();
    }

    /// That file.
    fn stranger(&self) -> PathBuf {
        self.path().join("stranger")
    }
}

impl Drop for SmallSpace {
    fn drop(&mut self) {
        Postgres::shared(Major::V15).try_psql("postgres", &format!("DROP TABLESPACE {}", self.name));
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// On one host with one disk the safety backup takes its share before the restore begins.
#[test]
fn a_safety_backup_on_the_servers_disk_is_counted_and_so_is_a_log_that_is_kept() {
    let server = Postgres::shared(Major::V15);
    let Some(space) = SmallSpace::mount(server, "32m") else { return };
    let shop = Shop::new(Major::V15);
    let name = &shop.database.name;
    server.psql("postgres", &format!("ALTER DATABASE {name} SET TABLESPACE {}", space.name));
    shop.database.psql("CREATE TABLE filling AS SELECT repeat('x', 900) AS text FROM generate_series(1, 4000)");
    let (oid, properties) = (shop.oid(), shop.settings());
    let here = space.path().join("backups");
    let moved = Command::new("cp").arg("-r").arg(shop.depot.path("prod")).arg(&here).status().unwrap();
    assert!(moved.success());
    let objects = files_below(&here);

    let command = Lifeboat::new().args(["restore", "shop/latest", "--replace", "--yes", "--into", "env:LIVE_URL"]);
    let command = command.args(["--store", &format!("file://{}", here.display())]).env("LIVE_URL", shop.database.dsn());
    let refused = ended(command.env("LIFEBOAT_TOOLS_DIR", &server.installation.bin).run(), 40);
    for word in ["the server's disk has", "with the safety backup, up to"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    assert_eq!((shop.oid(), shop.settings(), shop.others()), (oid, properties, Vec::new()));
    assert_eq!(files_below(&here), objects, "nothing was written");

    // Elsewhere it takes nothing of that disk.
    let slot = unused_name("slot");
    server.psql("postgres", &format!("SELECT pg_create_physical_replication_slot('{slot}', true)"));
    // It keeps nothing yet.
    let unused = unused_name("slot");
    server.psql("postgres", &format!("SELECT pg_create_physical_replication_slot('{unused}', false)"));
    let planned = shop.replace(&["--dry-run"]).run();
    server.psql("postgres", &format!("SELECT pg_drop_replication_slot('{unused}')"));
    server.psql("postgres", &format!("SELECT pg_drop_replication_slot('{slot}')"));
    let planned = ended(planned, 0);
    for word in ["keeps its write-ahead log because of the replication slots", &slot] {
        assert!(planned.stdout.contains(word), "{word} in {}", planned.stdout);
    }
    assert!(!planned.stdout.contains(&unused), "{}", planned.stdout);
    drop(shop);
}

/// What the plan saw is hours old by then.
#[test]
fn a_disk_that_was_filled_during_the_safety_backup_is_refused_before_anything_is_restored() {
    let server = Postgres::shared(Major::V15);
    let Some(space) = SmallSpace::mount(server, "48m") else { return };
    let shop = Shop::new(Major::V15);
    let name = &shop.database.name;
    server.psql("postgres", &format!("ALTER DATABASE {name} SET TABLESPACE {}", space.name));
    let (oid, properties, rows) = (shop.oid(), shop.settings(), contents(&shop.database));
    shop.watched(|| {
        let (running, table) = within_the_safety_backup(&shop);
        space.fill_but(4 << 20);
        table.release();
        let refused = ended(running.wait(), 40);
        let told = [
            &format!("the live database {name} is as it was"),
            &format!("restore beside {name}: its disk has"),
            "the safety backup shop.replaced/",
            "stays in the store",
            "free disk space, or --ignore-disk, and run it again",
        ];
        for words in told {
            assert!(refused.stderr.contains(words), "{words} in {}", refused.stderr);
        }
    });
    assert_eq!((shop.oid(), shop.settings(), shop.others()), (oid, properties, Vec::new()));
    assert_eq!(contents(&shop.database), rows);
    let listed = shop.depot.lifeboat("list").run().expect(0).stdout;
    assert!(listed.contains("shop.replaced"), "{listed}");

    // As it says.
    std::fs::remove_file(space.stranger()).unwrap();
    ended(shop.replace(&["--yes"]).run(), 0);
    shop.assert_restored();
    drop(shop);
}

/// What is not archived stays on the server's disk: the log of a restore as well.
#[test]
fn a_log_that_nobody_archives_is_told_of() {
    let shop = Shop::on_a_server_with(&[("archive_mode", "on"), ("wal_level", "replica")]);
    let postgres = postgres(shop.database.server);
    let plan = || shop.replace(&["--dry-run"]).run().stdout;
    let archived_by = |command: &str, until: &str| {
        postgres.psql(&format!("ALTER SYSTEM SET archive_command = '{command}'"));
        postgres.psql("SELECT pg_reload_conf()");
        shop.database.psql("CREATE TABLE IF NOT EXISTS logged (id int); INSERT INTO logged VALUES (1)");
        postgres.psql("SELECT pg_switch_wal()");
        wait_for(&postgres, &format!("SELECT {until} FROM pg_stat_archiver"));
    };
    let kept = "keeps its write-ahead log because";
    assert!(plan().contains(&format!("{kept} archive_mode is on and archive_command empty")), "{}", plan());
    archived_by("false", "last_failed_time IS NOT NULL");
    assert!(plan().contains(&format!("{kept} its archive_command fails")), "{}", plan());
    archived_by("true", "last_archived_time > last_failed_time");
    assert!(!plan().contains(kept), "{}", plan());
}

fn files_below(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[test]
fn a_disk_that_is_too_small_is_refused_and_one_that_runs_full_costs_nothing() {
    let server = Postgres::shared(Major::V15);
    let Some(space) = SmallSpace::mount(server, "32m") else { return };
    let shop = Shop::new(Major::V15);
    let name = &shop.database.name;
    server.psql("postgres", &format!("ALTER DATABASE {name} SET TABLESPACE {}", space.name));
    shop.database.psql("CREATE TABLE filling AS SELECT repeat('x', 900) AS text FROM generate_series(1, 18000)");
    let (oid, properties) = (shop.oid(), shop.settings());

    let refused = ended(shop.replace(&["--yes"]).run(), 40);
    for word in ["the server's disk has", "free disk space", "--ignore-disk"] {
        assert!(refused.stderr.contains(word), "{word} in {}", refused.stderr);
    }
    let full = ended(shop.replace(&["--yes", "--ignore-disk", "--no-safety-backup"]).run(), 20);
    assert!(full.stderr.contains("free space on the server's disk"), "{}", full.stderr);
    assert_eq!((shop.oid(), shop.settings(), shop.others()), (oid, properties, Vec::new()));
    assert_eq!(shop.database.psql("SELECT v, (SELECT count(*) FROM filling) FROM version"), "live|18000");

    shop.database.psql("DROP TABLE filling; CHECKPOINT");
    ended(shop.replace(&["--yes", "--no-safety-backup"]).run(), 0);
    shop.assert_restored();
    let tablespace = "SELECT spcname FROM pg_database d JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = current_database()";
    assert_eq!(shop.database.psql(tablespace), space.name);
    drop(shop);
}
