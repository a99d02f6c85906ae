//! The archives in `fixtures/archives`: what was written once is read for ever.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use lifeboat_core::codec::Sha256;
use lifeboat_core::keys::Keyring;
use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::recover::python;
use lifeboat_tests::{Database, Lifeboat, Major, Postgres, scratch, unused_name};
use tempfile::TempDir;

use crate::archive::{END, HEAD};
use crate::sealed::{recovered_into, secret};

const ARCHIVE: &str = "v1-draft";

#[test]
fn the_kept_archive_is_opened_by_either_key_and_holds_the_same_script() {
    let kept = Kept::open();
    for keyring in [&kept.keyring, &kept.recovery] {
        let mut recover = python(&recover_py());
        let recover = recover.arg("--keyring").arg(keyring).args(["--signer", &kept.signer]).arg(kept.backup());
        let output = recover.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let script = output.stdout.strip_prefix(HEAD.as_bytes()).and_then(|rest| rest.strip_suffix(END.as_bytes()));
        assert_eq!(Sha256::of(script.unwrap()).to_string(), kept.script_digest());
        let cat = kept.lifeboat("cat", keyring).arg("shop/latest").command().output().unwrap();
        assert!(cat.status.success(), "{}", String::from_utf8_lossy(&cat.stderr));
        assert_eq!(Sha256::of(&cat.stdout).to_string(), kept.script_digest());
    }
}

#[test]
fn the_kept_archive_is_restored_and_recovered_as_what_it_was_made_of() {
    let kept = Kept::open();
    for major in Major::ALL {
        let server = Postgres::shared(major);
        let original = source(server);
        let recovered = recovered_into(server, &recover_py(), &kept.recovery, &kept.backup());
        assert_same_but_settings(&original, &recovered);
        let restored = server.adopt(&unused_name("restored"));
        let restore = kept.lifeboat("restore", &kept.keyring).latest_into(server, &restored.name);
        restore.arg("--create").run().expect(0);
        assert_same_but_settings(&original, &restored);
    }
}

#[test]
fn every_kept_archive_is_tested() {
    let folders = fs::read_dir(archives()).unwrap().map(|entry| entry.unwrap());
    let folders: Vec<_> = folders.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name()).collect();
    assert_eq!(folders, [ARCHIVE]);
}

#[test]
#[ignore = "makes fixtures/archives/v1-draft anew"]
fn make_the_archive() {
    let original = source(Postgres::shared(Major::V15));
    let store = archives().join(ARCHIVE).join("store");
    let _ = fs::remove_dir_all(&store);
    let kept = Kept::open();
    let recovery = Keyring::load(&kept.recovery).unwrap();
    let recipient = recovery.keys()[0].recipient().unwrap().to_string();
    kept.lifeboat("backup", &kept.keyring).of(&original).args(["--recipient", &recipient]).run().expect(0);
    fs::remove_dir_all(store.join("runs")).unwrap();
    let cat = kept.lifeboat("cat", &kept.keyring).arg("shop/latest").command().output().unwrap();
    fs::write(store.with_file_name("script.sha256"), format!("{}\n", Sha256::of(&cat.stdout))).unwrap();
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

/// The archive, and copies of its keys that only their owner can read: a checkout's files are open to everybody.
struct Kept {
    _folder: TempDir,
    keyring: PathBuf,
    recovery: PathBuf,
    signer: String,
}

impl Kept {
    fn open() -> Kept {
        let folder = TempDir::new().unwrap();
        let copied = |name: &str| {
            let copy = folder.path().join(name);
            fs::copy(archives().join(ARCHIVE).join(name), &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
            copy
        };
        let (keyring, recovery) = (copied("keyring.toml"), copied("recovery.toml"));
        let keys = Keyring::load(&keyring).unwrap();
        let signer = keys.key("test-signer").unwrap().signer_key().unwrap().to_string();
        Kept { _folder: folder, keyring, recovery, signer }
    }

    /// A command with the archive's store, a keyring, and the signer as the only one that is trusted.
    fn lifeboat(&self, verb: &str, keyring: &Path) -> Lifeboat {
        let store = format!("file://{}", archives().join(ARCHIVE).join("store").display());
        Lifeboat::new()
            .args([verb, "--store", &store, "--keyring", &secret(keyring)])
            .env("LIFEBOAT_TRUSTED_SIGNERS", &self.signer)
    }

    /// The folder of its only backup.
    fn backup(&self) -> PathBuf {
        let mut backups = fs::read_dir(archives().join(ARCHIVE).join("store/backups/daily/shop")).unwrap();
        let backup = backups.next().expect("there is a backup").unwrap().path();
        assert!(backups.next().is_none(), "there is one backup");
        backup
    }

    fn script_digest(&self) -> String {
        let digest = fs::read_to_string(archives().join(ARCHIVE).join("script.sha256")).unwrap();
        digest.trim_end().to_owned()
    }
}
