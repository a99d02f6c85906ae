//! The canary for keys: no byte of one is in an argument, a child, a log, an error, a stored object or a file of ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use lifeboat_tests::canary::Canary;
use lifeboat_tests::keyring::{DECEMBER, NOVEMBER, OFFLINE, OTHER_NOVEMBER, SIGNER, data_key, public};
use lifeboat_tests::watched::{Folders, Watched};
use lifeboat_tests::{Backup, Database, Lifeboat, files};
use tempfile::TempDir;

use crate::vault::{Vault, tiny};

/// A database, a store, and folders of our own to search afterwards.
struct Scene {
    vault: Vault,
    database: Database<'static>,
    folders: Folders,
}

impl Scene {
    fn new() -> Scene {
        Scene { vault: Vault::new(), database: tiny(), folders: Folders::new() }
    }

    /// The command with all it can log.
    fn loud(&self, command: Lifeboat) -> Lifeboat {
        let command =
            command.arg("-vvv").env("RUST_LOG", "trace").env("LIFEBOAT_LOG", "trace").env("RUST_BACKTRACE", "full");
        self.folders.of(command)
    }

    fn backup(&self) -> Lifeboat {
        self.loud(self.vault.backup_command(&self.database))
    }

    /// Fails the test when any of these keys, or a data key of a backup here, is where it may not be.
    #[track_caller]
    fn assert_clean(&self, seen: &Watched, canaries: &[Canary]) {
        for (place, bytes) in &seen.places(&self.vault.bucket, &self.folders) {
            let found = canaries.iter().position(|canary| canary.is_in(bytes));
            assert_eq!(found, None, "a key is in {place}:\n{}", String::from_utf8_lossy(bytes));
        }
    }
}

/// Every data key that is wrapped in the bucket, for backups and runs.
fn data_keys(vault: &Vault, entries: &[&str]) -> Vec<Canary> {
    let wraps = vault.bucket.objects().into_keys().filter(|key| key.ends_with("/keys/2026-11.json"));
    let opened = |key: String| {
        let owner = key.rsplit('/').nth(2).unwrap().to_owned();
        data_key(&owner, entries, |_| vault.bucket.read(&key))
    };
    wraps.map(|key| Canary::of_data_key(&opened(key))).collect()
}

fn private_file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[test]
fn the_canary_is_found_in_every_form() {
    let canary = Canary::of_entry(NOVEMBER);
    let bytes = canary.bytes;
    let forms = [
        hex::encode(bytes).into_bytes(),
        hex::encode_upper(bytes).into_bytes(),
        format!("{bytes:?}").into_bytes(),
        base64::engine::general_purpose::STANDARD.encode(bytes).into_bytes(),
        bytes.to_vec(),
        bytes[..16].to_vec(),
    ];
    for form in forms {
        assert!(canary.is_in(&[b"key=", &form[..], b"\n"].concat()), "{}", String::from_utf8_lossy(&form));
    }
    assert!(!canary.is_in(&Canary::of_entry(DECEMBER).bytes));
}

#[test]
fn no_key_gets_out_of_a_backup_by_whichever_way_the_keyring_came() {
    let scene = Scene::new();
    let entries = [NOVEMBER, OFFLINE, SIGNER];
    let (keyring, text) = (scene.vault.keyring(&entries), entries.concat());
    let home = TempDir::new().unwrap();
    let file = private_file(home.path(), "keys", &text);
    let ways = [
        scene.backup().args(["--keyring", &keyring]),
        scene.backup().args(["--keyring", "env:KEYS"]).env("KEYS", &text),
        scene.backup().args(["--keyring", "credential:keys"]).env("CREDENTIALS_DIRECTORY", home.path()),
        scene.backup().args(["--keyring", &format!("command:[\"cat\", \"{file}\"]")]),
        scene.backup().env("LIFEBOAT_KEYRING", &keyring).env("LIFEBOAT_RECIPIENTS", public(OFFLINE)),
    ];
    for way in ways {
        let seen = Watched::run(way);
        assert!(seen.children.contains("pg_dump"), "the children were seen at all");
        assert!(seen.outcome.stderr.contains("DEBUG") || seen.outcome.stderr.contains("TRACE"), "the log is loud");
        let mut canaries: Vec<_> = entries.map(Canary::of_entry).into();
        canaries.extend(data_keys(&scene.vault, &[NOVEMBER]));
        scene.assert_clean(&seen, &canaries);
        Backup::of(&seen.outcome.expect(0));
    }
    assert_eq!(data_keys(&scene.vault, &[NOVEMBER]).len(), 5);
}

#[test]
fn no_key_gets_out_of_what_reads() {
    let scene = Scene::new();
    let entries = [NOVEMBER, OFFLINE, SIGNER, DECEMBER.replace("primary", "retired").leak()];
    let keyring = scene.vault.keyring(&entries);
    Backup::of(&scene.backup().args(["--keyring", &keyring, "--recipient", &public(OFFLINE)]).run().expect(0));
    let mut canaries: Vec<_> = entries.map(Canary::of_entry).into();
    canaries.extend(data_keys(&scene.vault, &[NOVEMBER]));

    let to = |name: &str| scene.vault.path(name).display().to_string();
    let copy = scene.database.server.adopt(&format!("{}_copy", scene.database.name));
    let commands = [
        "list".to_owned(),
        "show shop/latest --json".to_owned(),
        "verify shop/latest --json".to_owned(),
        "cat shop/latest".to_owned(),
        format!("download shop/latest --to {}", to("opened")),
        format!("download shop/latest --sealed --json --to {}", to("sealed")),
        "restore shop/latest --create --into env:TARGET --json".to_owned(),
        "config show".to_owned(),
        "config show --json".to_owned(),
        "config check".to_owned(),
        "key list".to_owned(),
        "key list --json".to_owned(),
        "key fingerprint".to_owned(),
        "key recipient --json".to_owned(),
        "key signer".to_owned(),
    ];
    for command in commands {
        let mut words = command.split(' ');
        let lifeboat = scene.vault.lifeboat(words.next().unwrap()).args(words).args(["--keyring", &keyring]);
        let lifeboat = lifeboat.env("TARGET", copy.dsn()).env("LIFEBOAT_NAME", "shop");
        let lifeboat =
            lifeboat.env("LIFEBOAT_DATABASE_URL", "env:DATABASE_URL").env("DATABASE_URL", scene.database.dsn());
        let lifeboat = scene.loud(lifeboat);
        let seen = match command.starts_with("cat") {
            // It has no children, and stops while nobody reads what it prints.
            true => Watched { outcome: lifeboat.run(), children: String::new(), arguments: String::new() },
            false => Watched::run(lifeboat),
        };
        scene.assert_clean(&seen, &canaries);
        let told = format!("{command}: {}", seen.outcome.text());
        assert_eq!(seen.outcome.code(), 0, "{told}");
    }
    for folder in [to("opened"), to("sealed")] {
        for (name, bytes) in files(Path::new(&folder)) {
            assert!(!canaries.iter().any(|canary| canary.is_in(&bytes)), "a key is in {name}");
        }
    }
}

#[test]
fn no_key_gets_out_of_what_fails() {
    let scene = Scene::new();
    let sealed = scene.vault.keyring(&[NOVEMBER]);
    let backup = Backup::of(&scene.backup().args(["--keyring", &sealed]).run().expect(0));
    let all = || {
        let mut canaries: Vec<_> = [NOVEMBER, OTHER_NOVEMBER, DECEMBER, OFFLINE].map(Canary::of_entry).into();
        canaries.extend(data_keys(&scene.vault, &[NOVEMBER]));
        canaries
    };
    let fails = |command: Lifeboat, code: i32| {
        let seen = Watched::run(scene.loud(command));
        scene.assert_clean(&seen, &all());
        seen.outcome.expect(code);
    };
    let read = |entries: &[&str]| {
        scene
            .vault
            .lifeboat("restore")
            .args(["shop/latest", "--create", "--into", "env:TARGET", "--json"])
            .env("TARGET", scene.database.server.dsn("never_made"))
            .args(["--keyring", &scene.vault.keyring(entries)])
    };
    fails(read(&[OTHER_NOVEMBER]), 12);
    fails(read(&[DECEMBER, OFFLINE]), 12);
    // Keyrings that cannot be read, with whole secrets in them.
    let misspelt = NOVEMBER.replace("secret =", "secrte =");
    let unclosed = NOVEMBER.replace("36d\"", "36d");
    let doubled = [NOVEMBER, OTHER_NOVEMBER].concat();
    let base64 = NOVEMBER.replace("secret =", "encoding = \"base64\"\nsecret =");
    let table = NOVEMBER.replace("[[key]]", "[key]");
    for text in [misspelt, unclosed, doubled, base64, table] {
        fails(read(&[&text]), 78);
        let backup = scene.vault.backup_command(&scene.database);
        fails(backup.args(["--keyring", &scene.vault.keyring(&[&text])]), 78);
    }
    // A secret where a reference, a recipient or a signer is expected.
    let secret = hex::encode(Canary::of_entry(NOVEMBER).bytes);
    for line in ["keyring = \"SECRET\"", "recipients = [\"x25519:SECRET0\"]", "trusted_signers = [\"SECRET\"]"] {
        let text = format!("[encryption]\n{}\n", line.replace("SECRET", &secret));
        let elsewhere = private_file(scene.vault.path("").as_path(), "misplaced.toml", &text);
        fails(scene.vault.lifeboat("config").args(["check", "--config", &elsewhere]), 78);
    }
    // Damage, and a database that is not there.
    scene.vault.bucket.damage(&backup.object("keys/2026-11.json"), |wrap| wrap[150] ^= 1);
    let damaged = read(&[NOVEMBER]).run();
    assert!([12, 30].contains(&damaged.code()), "{}", damaged.text());
    scene.vault.bucket.damage(&backup.object("keys/2026-11.json"), |wrap| wrap[150] ^= 1);
    scene.vault.bucket.damage(&backup.object("index.json.gz.sealed"), |index| index[60] ^= 1);
    fails(read(&[NOVEMBER]), 30);
    let missing = scene.vault.backup_command(&scene.database).args(["--keyring", &sealed]);
    fails(missing.env("DATABASE_URL", scene.database.server.dsn("no_such_database")), 20);
    assert_eq!(data_keys(&scene.vault, &[NOVEMBER]).len(), 2, "the failed run has sealed what it said");
}

#[test]
fn key_generate_writes_a_private_file_and_tells_no_secret() {
    let scene = Scene::new();
    let path = scene.vault.path("made.toml");
    for (id, kind) in [("2026-11", "aes256"), ("offline", "x25519"), ("host", "ed25519")] {
        let command =
            Lifeboat::new().args(["key", "generate", "--id", id, "--kind", kind, "--json", "--out"]).arg(&path);
        let seen = Watched::run(scene.loud(command));
        let text = fs::read_to_string(&path).unwrap();
        let secrets = text.split("secret = \"").skip(1).map(|rest| rest[..64].to_owned());
        let canaries: Vec<_> = secrets.map(|secret| Canary::of_entry(&format!("secret = \"{secret}\""))).collect();
        scene.assert_clean(&seen, &canaries);
        assert_eq!(seen.outcome.expect(0).result()["key"]["id"], id);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::read_to_string(&path).unwrap().matches("[[key]]").count(), 3);
}
