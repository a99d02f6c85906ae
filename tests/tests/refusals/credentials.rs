//! The ways a password may come: each works, and the child tools get it without anybody seeing it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use lifeboat_tests::servers::postgres::PASSWORD;
use lifeboat_tests::{Lifeboat, Major};
use tempfile::TempDir;

use crate::shop::{Shop, assert_refused};

/// A backup that is told where the database is, but not the password.
fn without_password(shop: &Shop) -> Lifeboat {
    shop.store.backup(&shop.database.server.dsn_without_password(&shop.database.name))
}

fn password_file(shop: &Shop, mode: u32) -> TempDir {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pgpass");
    fs::write(&path, format!("127.0.0.1:{}:*:postgres:{PASSWORD}\n", shop.database.server.port())).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    folder
}

#[test]
fn from_pgpassword() {
    let shop = Shop::new(Major::V15);
    without_password(&shop).env("PGPASSWORD", PASSWORD).run().expect(0);
}

#[test]
fn from_a_password_file() {
    let shop = Shop::new(Major::V15);
    let folder = password_file(&shop, 0o600);
    without_password(&shop).env("PGPASSFILE", folder.path().join("pgpass")).run().expect(0);
}

#[test]
fn a_password_file_that_others_can_read_is_not_read() {
    let shop = Shop::new(Major::V15);
    let folder = password_file(&shop, 0o644);
    let outcome = without_password(&shop).env("PGPASSFILE", folder.path().join("pgpass")).run();
    assert_refused(outcome, 20, &["without a password"]);
}

#[test]
fn from_a_private_file_a_credential_and_a_command() {
    let shop = Shop::new(Major::V15);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("dsn");
    fs::write(&path, format!("{}\n", shop.database.dsn())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let path = path.display();
    for reference in [format!("file:{path}"), "credential:dsn".to_owned(), format!("command:[\"cat\", \"{path}\"]")] {
        let backup = shop.store.lifeboat("backup --name shop --database-url").arg(&reference);
        backup.env("CREDENTIALS_DIRECTORY", folder.path()).run().expect(0);
    }
    assert_eq!(shop.store.list("").len(), 3);
}

#[test]
fn the_store_keys_of_a_file_come_from_credentials_too() {
    use lifeboat_tests::{Identity, Seaweed};
    let (shop, bucket) = (Shop::new(Major::V15), Seaweed::shared().bucket("credentials"));
    let folder = TempDir::new().unwrap();
    for (name, text) in [
        ("key-id", Identity::Admin.access_key().to_owned()),
        ("key", Identity::Admin.secret_key().to_owned()),
        ("dsn", shop.database.dsn()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let config = folder.path().join("lifeboat.toml");
    fs::write(
        &config,
        format!(
            "[store]\nurl = \"{}\"\nendpoint = \"{}\"\nregion = \"us-east-1\"\nallow_http = true\n\
             access_key_id = \"credential:key-id\"\nsecret_access_key = \"credential:key\"\n\
             [[database]]\nname = \"shop\"\nurl = \"credential:dsn\"\n",
            bucket.url("prod"),
            Seaweed::shared().endpoint()
        ),
    )
    .unwrap();
    let outcome = Lifeboat::program("lifeboat-backup")
        .env("LIFEBOAT_CONFIG", &config)
        .env("CREDENTIALS_DIRECTORY", folder.path())
        .run()
        .expect(0);
    assert!(!outcome.text().contains(PASSWORD));
    assert!(bucket.objects().keys().any(|key| key.ends_with("/manifest.json")));
}
