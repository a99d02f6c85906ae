//! The archives in `fixtures/archives`: what was written once is read for ever.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lifeboat_core::codec::Sha256;
use lifeboat_core::keys::{KeyKind, Keyring};
use lifeboat_core::store::layout::MANIFEST;
use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::recover::python;
use lifeboat_tests::{Database, Lifeboat, Major, Postgres, files, scratch, unused_name};
use tempfile::TempDir;

use crate::archive::{END, HEAD};
use crate::sealed::{recovered_into, secret};

/// Each with the compression that it was taken with.
const ARCHIVES: [(&str, &str); 2] = [("v1", "gzip"), ("v1-zstd", "zstd")];

#[test]
fn each_kept_archive_is_opened_by_either_key_and_holds_the_same_script() {
    ARCHIVES.iter().map(|(name, _)| Kept::open(name)).for_each(|kept| either_key_opens(&kept));
}

fn either_key_opens(kept: &Kept) {
    for keyring in [&kept.keyring, &kept.recovery] {
        let mut recover = python(&recover_py());
        let recover = recover.arg("--keyring").arg(keyring).args(["--signer", &kept.signer]).arg(kept.backup());
        let output = recover.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let script = output.stdout.strip_prefix(HEAD.as_bytes()).and_then(|rest| rest.strip_suffix(END.as_bytes()));
        assert_eq!(Sha256::of(script.unwrap()).to_string(), kept.script_digest());
        assert_eq!(kept.cat(keyring), kept.script_digest());
    }
}

#[test]
fn each_kept_archive_is_restored_and_recovered_as_what_it_was_made_of() {
    for major in Major::ALL {
        let server = Postgres::shared(major);
        let original = source(server);
        for (name, _) in ARCHIVES {
            let kept = Kept::open(name);
            let recovered = recovered_into(server, &recover_py(), &kept.recovery, &kept.backup());
            assert_same_but_settings(&original, &recovered);
            let restored = server.adopt(&unused_name("restored"));
            let restore = kept.lifeboat("restore", &kept.keyring).latest_into(server, &restored.name);
            restore.arg("--create").run().expect(0);
            assert_same_but_settings(&original, &restored);
        }
    }
}

#[test]
fn each_kept_archive_is_sealed_anew_and_holds_the_same_script() {
    for (name, _) in ARCHIVES {
        let mut kept = Kept::open(name);
        let before = kept.backup();
        kept.move_store();
        let next = "next".parse().unwrap();
        Keyring::edit(&kept.keyring, |ring| ring.add(&next, KeyKind::Aes256, true, Timestamp::now())).unwrap();
        let recovery = Keyring::load(&kept.recovery).unwrap();
        let recipient = recovery.keys()[0].recipient().unwrap().to_string();
        let reencrypt = kept.lifeboat("rotate", &kept.keyring).args(["backups", "reencrypt", "--yes"]);
        let told = reencrypt.args(["--from", "test-2026-11"]).env("LIFEBOAT_RECIPIENTS", &recipient).run().expect(0);
        assert!(told.stdout.contains("sealed 1 backup anew"), "{}", told.stdout);
        assert_ne!(kept.backup().file_name(), before.file_name());
        assert_eq!(kept.cat(&kept.keyring), kept.script_digest());
        assert_eq!(kept.cat(&kept.recovery), kept.script_digest());
    }
}

#[test]
fn every_kept_archive_is_tested() {
    let folders = fs::read_dir(archives()).unwrap().map(|entry| entry.unwrap());
    let folders: Vec<_> = folders.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect();
    assert_eq!(folders.len(), ARCHIVES.len());
    assert!(ARCHIVES.iter().all(|(name, _)| folders.iter().any(|folder| folder == name)), "{folders:?}");
}

#[test]
#[ignore = "makes the stores below fixtures/archives that are not there yet"]
fn make_the_archives() {
    let original = source(Postgres::shared(Major::V15));
    for (name, compression) in ARCHIVES {
        let store = archives().join(name).join("store");
        if store.exists() {
            continue;
        }
        let kept = Kept::open(name);
        let recovery = Keyring::load(&kept.recovery).unwrap();
        let recipient = recovery.keys()[0].recipient().unwrap().to_string();
        let backup = kept.lifeboat("backup", &kept.keyring).of(&original).args(["--compression", compression]);
        backup.args(["--recipient", &recipient]).run().expect(0);
        fs::remove_dir_all(store.join("runs")).unwrap();
        fs::write(store.with_file_name("script.sha256"), format!("{}\n", kept.cat(&kept.keyring))).unwrap();
    }
}

fn archives() -> PathBuf {
    scratch::workspace().join("fixtures/archives")
}

fn recover_py() -> PathBuf {
    scratch::workspace().join("crates/backup/recover.py")
}

fn source(server: &Postgres) -> Database<'_> {
    let database = server.database("kept");
    database.load(&archives().join("source.sql"));
    database
}

/// An archive, and copies of its keys that only their owner can read: a checkout's files are open to everybody.
struct Kept {
    folder: TempDir,
    store: PathBuf,
    keyring: PathBuf,
    recovery: PathBuf,
    signer: String,
    script_digest: String,
}

impl Kept {
    fn open(name: &str) -> Kept {
        let folder = TempDir::new().unwrap();
        let archive = archives().join(name);
        let copied = |name: &str| {
            let copy = folder.path().join(name);
            fs::copy(archive.join(name), &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
            copy
        };
        let (keyring, recovery) = (copied("keyring.toml"), copied("recovery.toml"));
        let keys = Keyring::load(&keyring).unwrap();
        let signer = keys.key("test-signer").unwrap().signer_key().unwrap().to_string();
        let script_digest = fs::read_to_string(archive.join("script.sha256")).unwrap_or_default().trim_end().to_owned();
        Kept { folder, store: archive.join("store"), keyring, recovery, signer, script_digest }
    }

    /// Works on a copy of the store from here on.
    fn move_store(&mut self) {
        let copy = self.folder.path().join("store");
        for (name, bytes) in files(&self.store) {
            let to = copy.join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::write(to, bytes).unwrap();
        }
        self.store = copy;
    }

    /// A command with the archive's store, a keyring, and the signer as the only one that is trusted.
    fn lifeboat(&self, verb: &str, keyring: &Path) -> Lifeboat {
        let store = format!("file://{}", self.store.display());
        Lifeboat::new()
            .args([verb, "--store", &store, "--keyring", &secret(keyring)])
            .env("LIFEBOAT_TRUSTED_SIGNERS", &self.signer)
    }

    /// The folder of its only backup. Of one that was removed, a store of files keeps the empty folder.
    fn backup(&self) -> PathBuf {
        let folders = fs::read_dir(self.store.join("backups/daily/shop")).unwrap().map(|entry| entry.unwrap().path());
        let mut backups = folders.filter(|folder| folder.join(MANIFEST).exists());
        let backup = backups.next().expect("there is a backup");
        assert!(backups.next().is_none(), "there is one backup");
        backup
    }

    /// The digest of the script that `lifeboat cat` prints.
    fn cat(&self, keyring: &Path) -> String {
        let cat = self.lifeboat("cat", keyring).arg("shop/latest").command().output().unwrap();
        assert!(cat.status.success(), "{}", String::from_utf8_lossy(&cat.stderr));
        Sha256::of(&cat.stdout).to_string()
    }

    fn script_digest(&self) -> &str {
        &self.script_digest
    }
}
