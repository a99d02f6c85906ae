//! The canary: a marked password and a marked key appear in no argument, child, log, error, stored object or state file.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use lifeboat_tests::servers::postgres::{PASSWORD, SUPERUSER};
use lifeboat_tests::watched::{Folders, Watched};
use lifeboat_tests::{Bucket, Database, Identity, Lifeboat, Major, Seaweed, fixtures};
use tempfile::TempDir;

/// A database with passwords in it, a bucket, and folders of our own to search afterwards.
struct Scene {
    database: Database<'static>,
    bucket: Bucket,
    folders: Folders,
}

impl Scene {
    fn new() -> Scene {
        let bucket = Seaweed::shared().bucket("canary");
        Scene { database: fixtures::small(Major::V15), bucket, folders: Folders::new() }
    }

    fn lifeboat(&self, command: &str) -> Lifeboat {
        let command = Lifeboat::new().args(command.split(' ')).args(["--store", &self.bucket.url("prod"), "-vvv"]);
        self.folders.of(command.envs(Seaweed::shared().environment(Identity::Admin)))
    }

    fn backup(&self) -> Lifeboat {
        self.lifeboat("backup --name shop --database-url env:DATABASE_URL")
    }

    /// Fails the test when a secret is anywhere it may not be.
    #[track_caller]
    fn assert_clean(&self, seen: &Watched, more: &[&str]) {
        let secrets = [PASSWORD, Identity::Admin.secret_key()];
        for (place, bytes) in seen.places(&self.bucket, &self.folders) {
            let bytes = plain(&bytes);
            for secret in secrets.iter().chain(more) {
                assert!(!contains(&bytes, secret), "{secret} in {place}:\n{}", String::from_utf8_lossy(&bytes));
            }
        }
    }
}

fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

/// Decompressed where it is gzip.
fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    match MultiGzDecoder::new(bytes).read_to_end(&mut text) {
        Ok(_) if bytes.starts_with(&[0x1f, 0x8b]) => text,
        _ => bytes.to_vec(),
    }
}

fn password_file(scene: &Scene, folder: &Path) -> String {
    let path = folder.join("pgpass");
    fs::write(&path, format!("127.0.0.1:{}:*:*:{PASSWORD}\n", scene.database.server.port())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[test]
fn no_secret_gets_out_of_a_backup_by_whichever_way_the_password_came() {
    let scene = Scene::new();
    let home = TempDir::new().unwrap();
    let without = scene.database.server.dsn_without_password(&scene.database.name);
    let ways = [
        scene.backup().env("DATABASE_URL", scene.database.dsn()),
        scene.backup().env("DATABASE_URL", &without).env("PGPASSWORD", PASSWORD),
        scene.backup().env("DATABASE_URL", &without).env("PGPASSFILE", password_file(&scene, home.path())),
    ];
    for way in ways {
        let seen = Watched::run(way);
        assert!(seen.children.contains("pg_dump"), "the children were seen at all");
        scene.assert_clean(&seen, &[]);
        seen.outcome.expect(0);
    }
}

#[test]
fn no_secret_gets_out_of_restore_list_show_verify_and_config() {
    let scene = Scene::new();
    let copy = scene.database.server.adopt(&format!("{}_copy", scene.database.name));
    scene.backup().env("DATABASE_URL", scene.database.dsn()).run().expect(0);
    for command in
        ["list", "list --json", "show shop/latest", "verify shop/latest", "config show", "config show --json"]
    {
        let seen = Watched::run(
            scene
                .lifeboat(command)
                .env("LIFEBOAT_DATABASE_URL", "env:DATABASE_URL")
                .env("DATABASE_URL", scene.database.dsn())
                .env("LIFEBOAT_NAME", "shop"),
        );
        scene.assert_clean(&seen, &[]);
        seen.outcome.expect(0);
    }
    let restore =
        scene.lifeboat("restore shop/latest --create --roles skip --into env:TARGET").env("TARGET", copy.dsn());
    let seen = Watched::run(restore);
    scene.assert_clean(&seen, &[]);
    seen.outcome.expect(0);
}

#[test]
fn no_secret_gets_out_of_runs_that_fail() {
    let scene = Scene::new();
    let server = scene.database.server;
    let wrong = "canary-wrong-4d11";
    let cases = [
        (server.dsn_as(SUPERUSER, wrong, &scene.database.name), 20),
        (server.dsn_as(SUPERUSER, PASSWORD, "no_such_database"), 20),
        (format!("postgresql://postgres:{wrong}@127.0.0.1:notaport/shop"), 78),
        (format!("postgresql://postgres:{wrong}@no-such-host.invalid/shop"), 20),
        (format!("postgresql://postgres:{wrong}@127.0.0.1/shop?no_such_parameter=1"), 78),
        (format!("host=127.0.0.1 password='{wrong} dbname=shop"), 78),
    ];
    for (dsn, code) in &cases {
        for arguments in [&[][..], &["--json"], &["--dry-run"]] {
            let seen = Watched::run(scene.backup().args(arguments).env("DATABASE_URL", dsn));
            scene.assert_clean(&seen, &[wrong]);
            seen.outcome.expect(*code);
        }
        let restore = scene.lifeboat("restore shop/latest --into env:TARGET --create").env("TARGET", dsn);
        scene.assert_clean(&Watched::run(restore), &[wrong]);
    }
    let key = "canary-other-key-77e0";
    let backup = scene.backup().env("DATABASE_URL", scene.database.dsn()).env("AWS_SECRET_ACCESS_KEY", key);
    let seen = Watched::run(backup);
    scene.assert_clean(&seen, &[key]);
    assert_ne!(seen.outcome.code(), 0);
}
