//! Wraps that are missing, cut, damaged, or of another backup: refused, each by its own name.

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::keyring::{DECEMBER, NOVEMBER, OFFLINE, public, public_id};
use lifeboat_tests::{Backup, Database, Postgres};

use crate::vault::{Vault, tiny};

const WRAP: &str = "keys/2026-11.json";

/// Two backups of one database, both opened by [`NOVEMBER`] and by [`OFFLINE`]; the newer one is what is read.
struct Scene {
    vault: Vault,
    database: Database<'static>,
    older: Backup,
    newer: Backup,
}

impl Scene {
    fn new() -> Scene {
        let (vault, database) = (Vault::new(), tiny());
        let keyring = vault.keyring(&[NOVEMBER]);
        let back_up = || {
            let command = vault.backup_command(&database);
            let command = command.args(["--keyring", &keyring, "--recipient", &public(OFFLINE)]);
            Backup::of(&command.run().expect(0))
        };
        let older = back_up();
        // Ids count seconds: the second backup is to be the newer one.
        std::thread::sleep(std::time::Duration::from_millis(1100));
        let newer = back_up();
        Scene { vault, database, older, newer }
    }

    fn server(&self) -> &'static Postgres {
        self.database.server
    }

    fn offline_wrap(&self) -> String {
        format!("keys/{}.json", public_id(OFFLINE))
    }

    /// The commands fail so for whoever holds these entries while the wrap is what `damage` makes of it.
    #[track_caller]
    fn assert_refused(&self, wrap: &str, entries: &[&str], code: i32, words: &[&str], now: Vec<u8>) {
        let key = self.newer.object(wrap);
        let before = self.vault.bucket.read(&key);
        assert_ne!(before, now);
        self.vault.bucket.write(&key, now);
        self.vault.assert_refused(&["--keyring", &self.vault.keyring(entries)], code, words);
        self.vault.bucket.write(&key, before);
    }
}

/// The wrap with one of its fields changed.
fn with_field(wrap: &[u8], name: &str, change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let mut json: serde_json::Value = serde_json::from_slice(wrap).unwrap();
    let value = change(json[name].as_str().unwrap());
    json[name] = value.into();
    serde_json::to_vec_pretty(&json).unwrap()
}

/// Hexadecimal digits with one bit flipped.
fn flipped(digits: &str) -> String {
    let mut bytes = hex::decode(digits).unwrap();
    bytes[7] ^= 4;
    hex::encode(bytes)
}

#[test]
fn without_any_wrap_a_backup_is_damaged_and_list_says_so() {
    let scene = Scene::new();
    let keyring = scene.vault.keyring(&[NOVEMBER, OFFLINE]);
    let listed = scene.vault.list();
    assert_eq!((&listed[0]["state"], &listed[0]["encrypted"]), (&"available".into(), &true.into()));
    let mut keys = ["2026-11".to_owned(), public_id(OFFLINE)];
    keys.sort();
    assert_eq!(listed[0]["keys"], serde_json::json!(keys));

    for wrap in [WRAP, &scene.offline_wrap()] {
        scene.vault.bucket.delete(&scene.newer.object(wrap));
    }
    let next = format!("the next older one that looks whole is shop/{}", scene.older.id);
    scene.vault.assert_refused(&["--keyring", &keyring], 30, &["no wrap of its data key is left", &next]);
    let listed = scene.vault.list();
    assert_eq!(listed[0]["id"], scene.newer.id);
    assert_eq!((&listed[0]["state"], &listed[1]["state"]), (&"damaged".into(), &"available".into()));
    assert!(listed[0]["reason"].as_str().unwrap().contains("no wrap of its data key is left"), "{}", listed[0]);
    let table = scene.vault.lifeboat("list").run().expect(0).stdout;
    let row = table.lines().find(|line| line.contains(&scene.newer.id)).unwrap();
    assert!(row.contains("damaged"), "{table}");
}

#[test]
fn with_one_wrap_of_two_whoever_has_its_key_still_opens_it() {
    let scene = Scene::new();
    scene.vault.bucket.delete(&scene.newer.object(WRAP));
    let opens = format!("it opens with {}", public_id(OFFLINE));
    let words = ["no key at hand does; at hand are 2026-11", &opens];
    scene.vault.assert_refused(&["--keyring", &scene.vault.keyring(&[NOVEMBER])], 12, &words);
    let keyring = scene.vault.keyring(&[NOVEMBER, OFFLINE]);
    assert_same(&scene.database, &scene.vault.restore(scene.server(), &["--keyring", &keyring]));
    assert_eq!(scene.vault.list()[0]["state"], "available");
}

#[test]
fn a_damaged_wrap_is_passed_over_when_another_opens() {
    let scene = Scene::new();
    scene.vault.bucket.damage(&scene.newer.object(WRAP), |wrap| wrap.truncate(20));
    let keyring = scene.vault.keyring(&[NOVEMBER, OFFLINE]);
    assert_same(&scene.database, &scene.vault.restore(scene.server(), &["--keyring", &keyring]));
}

#[test]
fn a_wrap_that_is_cut_is_refused_by_name() {
    let scene = Scene::new();
    for name in [WRAP, &scene.offline_wrap()] {
        let wrap = scene.vault.bucket.read(&scene.newer.object(name));
        for length in [0, 1, wrap.len() / 2, wrap.len() - 3] {
            scene.assert_refused(
                name,
                &[NOVEMBER, OFFLINE][usize::from(name != WRAP)..][..1],
                30,
                &[name],
                wrap[..length].to_vec(),
            );
        }
    }
}

#[test]
fn a_wrap_of_another_backup_or_of_another_key_is_refused_by_name() {
    let scene = Scene::new();
    let of = |backup: &Backup, name: &str| scene.vault.bucket.read(&backup.object(name));
    let another = format!("it is of \"{}\"", scene.older.id);
    for (name, entries) in [(WRAP, NOVEMBER), (&*scene.offline_wrap(), OFFLINE)] {
        scene.assert_refused(name, &[entries], 30, &[name, "accept the wrap", &another], of(&scene.older, name));
    }
    let another = format!("it is of the key \"{}\"", public_id(OFFLINE));
    scene.assert_refused(WRAP, &[NOVEMBER], 30, &[WRAP, &another], of(&scene.newer, &scene.offline_wrap()));
}

#[test]
fn a_wrap_of_another_backup_made_to_look_right_does_not_open() {
    let scene = Scene::new();
    let moved = |name: &str| {
        let wrap = scene.vault.bucket.read(&scene.older.object(name));
        with_field(&wrap, "backup", |_| scene.newer.id.clone())
    };
    scene.assert_refused(WRAP, &[NOVEMBER], 12, &["this is not the key 2026-11 that wrapped it"], moved(WRAP));
    let name = scene.offline_wrap();
    scene.assert_refused(&name, &[OFFLINE], 30, &["is damaged", &public_id(OFFLINE)], moved(&name));
}

#[test]
fn a_wrap_with_a_flipped_bit_does_not_open() {
    let scene = Scene::new();
    let with_flip = |name: &str, field: &str| {
        let wrap = scene.vault.bucket.read(&scene.newer.object(name));
        with_field(&wrap, field, flipped)
    };
    for field in ["nonce", "wrapped"] {
        let words = ["this is not the key 2026-11 that wrapped it", "if it does not, the wrap is damaged"];
        scene.assert_refused(WRAP, &[NOVEMBER], 12, &words, with_flip(WRAP, field));
    }
    let name = scene.offline_wrap();
    for field in ["enc", "wrapped"] {
        scene.assert_refused(
            &name,
            &[OFFLINE],
            30,
            &["the wrap to the recipient", "is damaged"],
            with_flip(&name, field),
        );
    }
}

#[test]
fn a_wrap_of_another_form_is_refused_by_name() {
    let scene = Scene::new();
    let wrap = scene.vault.bucket.read(&scene.newer.object(WRAP));
    let text = String::from_utf8(wrap.clone()).unwrap();
    let refused = |code, words: &[&str], now: Vec<u8>| scene.assert_refused(WRAP, &[NOVEMBER], code, words, now);
    refused(
        30,
        &["\"wrapped\" of the wrap: it is not 96 hexadecimal digits"],
        with_field(&wrap, "wrapped", |w| w[2..].to_owned()),
    );
    refused(
        30,
        &["\"nonce\" of the wrap: it is not 24 hexadecimal digits"],
        with_field(&wrap, "nonce", |n| n.to_uppercase() + "00"),
    );
    refused(30, &["\"rot13\""], with_field(&wrap, "algorithm", |_| "rot13".to_owned()));
    refused(30, &["\"wrapped\""], text.replace("\"wrapped\"", "\"Wrapped\"").into_bytes());
    refused(30, &[WRAP], [&wrap[..], &wrap[..]].concat());
    refused(30, &["too many for a wrap"], [&wrap[..], &[b' '; 1 << 17]].concat());
    refused(78, &["archive format 2"], text.replace("\"format\": 1", "\"format\": 2").into_bytes());
}

#[test]
fn names_in_the_folder_of_wraps_that_are_no_wraps_change_nothing() {
    let scene = Scene::new();
    for name in ["keys/NOT A KEY.json", "keys/2026-11.json.bak", "keys/x/y.json", "unknown"] {
        scene.vault.bucket.write(&scene.newer.object(name), b"anything".to_vec());
    }
    let keyring = scene.vault.keyring(&[DECEMBER, OFFLINE]);
    assert_same(&scene.database, &scene.vault.restore(scene.server(), &["--keyring", &keyring]));
}
