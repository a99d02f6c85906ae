//! A sealed download of the program's own backup needs no Lifeboat.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::{Database, Identity, Lifeboat, Major, Postgres, Seaweed, fixtures};
use tempfile::TempDir;

use lifeboat_tests::recover::python;

#[test]
fn a_sealed_download_gives_the_database_back_on_15() {
    comes_back(Major::V15);
}

#[test]
fn a_sealed_download_gives_the_database_back_on_18() {
    comes_back(Major::V18);
}

/// By the keyring's own key, and by the private key of a recipient that the backing-up host never had.
fn comes_back(major: Major) {
    let folder = TempDir::new().unwrap();
    let (keyring, recovery) = (key(&folder, "keyring", "aes256"), key(&folder, "recovery", "x25519"));
    let recipient = Lifeboat::new().args(["key", "recipient", "--keyring", &secret(&recovery)]).run().expect(0).stdout;
    let server = Seaweed::shared();
    let bucket = server.bucket("sealed");
    let lifeboat = |verb: &str| {
        Lifeboat::new().arg(verb).args(["--store", &bucket.url("prod")]).envs(server.environment(Identity::Admin))
    };
    let original = fixtures::hard(major);
    lifeboat("backup")
        .of(&original)
        .args(["--keyring", &secret(&keyring), "--recipient", recipient.trim()])
        .run()
        .expect(0);
    let to = folder.path().join("downloaded");
    // No key is needed to fetch it.
    lifeboat("download").args(["shop/latest", "--sealed", "--to"]).arg(&to).run().expect(0);
    for keyring in [keyring, recovery] {
        let copy = recovered_into(original.server, &to.join("recover.py"), &keyring, &to);
        assert_same_but_settings(&original, &copy);
    }
}

/// `recover.py … | psql`, as one would type it: both must end well.
#[track_caller]
pub(crate) fn recovered_into<'s>(server: &'s Postgres, recover: &Path, keyring: &Path, folder: &Path) -> Database<'s> {
    let database = server.database("recovered");
    let mut recover = python(recover);
    let mut recover = recover.arg("--keyring").arg(keyring).arg(folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut psql = server.client("psql", &database.name);
    let psql = psql.args(["-X", "-q"]).stdin(recover.stdout.take().unwrap()).output().unwrap();
    assert!(psql.status.success(), "{}", String::from_utf8_lossy(&psql.stderr));
    assert!(recover.wait().unwrap().success());
    database
}

fn key(folder: &TempDir, id: &str, kind: &str) -> PathBuf {
    let path = folder.path().join(format!("{id}.toml"));
    let generate = Lifeboat::new().args(["key", "generate", "--kind", kind, "--id", id, "--out"]).arg(&path);
    generate.run().expect(0);
    path
}

/// The file as a reference to a secret.
pub(crate) fn secret(path: &Path) -> String {
    format!("file:{}", path.display())
}
