//! The same damage as an operator meets it: exit codes, and messages that say what to do.

use std::fs;
use std::path::{Path, PathBuf};

use lifeboat_core::codec::Sha256;
use lifeboat_tests::{Database, Lifeboat, Major, Postgres, unused_name};
use tempfile::TempDir;

use crate::world::{of, several_tables};

struct Folder {
    dir: TempDir,
    database: Database<'static>,
}

impl Folder {
    /// A store in a folder with two backups.
    fn with_two_backups() -> Folder {
        let folder = Folder { dir: TempDir::new().unwrap(), database: several_tables("by_hand") };
        for _ in 0..2 {
            of(folder.lifeboat("backup"), &folder.database).run().expect(0);
            // Ids count seconds: the second backup is to be the newer one.
            std::thread::sleep(std::time::Duration::from_millis(1100));
        }
        folder
    }

    fn lifeboat(&self, command: &str) -> Lifeboat {
        Lifeboat::new().args([command, "--store", &format!("file://{}", self.dir.path().display())])
    }

    /// Folders of the backups, oldest first.
    fn backups(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path().join("backups/daily/shop")).unwrap();
        let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        found.sort();
        found
    }
}

fn id(backup: &Path) -> &str {
    backup.file_name().unwrap().to_str().unwrap()
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_flipped_bit_is_exit_30_with_the_objects_name() {
    let folder = Folder::with_two_backups();
    let [older, newest] = &folder.backups()[..] else { panic!("two backups") };
    let script = newest.join("pre-data-0000.sql.gz");
    flip(&script, fs::metadata(&script).unwrap().len() as usize / 2);

    let name = unused_name("target");
    let into = folder.database.server.socket_dsn(&name);
    let copy = folder.dir.path().join("copy").display().to_string();
    let readers = [
        ("verify", vec![]),
        ("cat", vec![]),
        ("download", vec!["--to", copy.as_str()]),
        ("restore", vec!["--create", "--into", into.as_str()]),
    ];
    let instead = format!("the next older one that looks whole is shop/{}", id(older));
    for (command, more) in &readers {
        let refused = folder.lifeboat(command).arg("shop/latest").args(more).run().expect(30);
        assert!(refused.stderr.contains("pre-data-0000.sql.gz"), "{}", refused.stderr);
        assert!(refused.stderr.contains(&instead), "{}", refused.stderr);
    }
    fs::remove_dir_all(older).unwrap();
    let alone = folder.lifeboat("verify").arg("shop/latest").run().expect(30);
    assert!(alone.stderr.contains("no other backup of shop looks whole"), "{}", alone.stderr);
    assert_eq!(Postgres::shared(Major::V15).databases_like(&name), "");
}

#[test]
fn latest_that_is_cut_is_exit_30_and_names_the_next_one() {
    let folder = Folder::with_two_backups();
    let [older, newest] = &folder.backups()[..] else { panic!("two backups") };
    let script = newest.join("pre-data-0000.sql.gz");
    let bytes = fs::read(&script).unwrap();
    fs::write(&script, &bytes[..bytes.len() - 1]).unwrap();

    for command in ["verify", "show"] {
        let refused = folder.lifeboat(command).arg("shop/latest").run().expect(30);
        let whole = format!("the next older one that looks whole is shop/{}", id(older));
        assert!(refused.stderr.contains(&whole), "{}", refused.stderr);
        assert!(refused.stderr.contains("pre-data-0000.sql.gz has"), "{}", refused.stderr);
    }
    let listed = folder.lifeboat("list").run().expect(0);
    let row = listed.stdout.lines().find(|line| line.contains(id(newest))).unwrap();
    assert!(row.contains("damaged"), "{}", listed.stdout);
    folder.lifeboat("verify").arg(format!("shop/{}", id(older))).run().expect(0);
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let folder = Folder::with_two_backups();
    let manifest = folder.backups().pop().unwrap().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap().replace("\"format\": 1,", "\"format\": 2,");
    let body = text.rsplit_once(",\n  \"sha256\"").unwrap().0;
    fs::write(&manifest, format!("{body},\n  \"sha256\": \"{}\"\n}}\n", Sha256::of(body.as_bytes()))).unwrap();

    let refused = folder.lifeboat("verify").arg("shop/latest").run().expect(78);
    assert!(refused.stderr.contains("archive format 2"), "{}", refused.stderr);
    assert!(refused.stderr.contains("release of lifeboat"), "{}", refused.stderr);
    let listed = folder.lifeboat("list").run().expect(0);
    assert!(listed.stdout.contains("archive format 2"), "{}", listed.stdout);
}
