//! Keys that are not the right ones: each its own message and code, and nothing is written anywhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use lifeboat_tests::compare::assert_same;
use lifeboat_tests::keyring::{DECEMBER, NOVEMBER, NOVEMBER_RETIRED, OFFLINE, OTHER_NOVEMBER, public_id};
use lifeboat_tests::{Database, Lifeboat};

use crate::vault::{Vault, tiny};

/// A backup sealed with [`NOVEMBER`].
fn sealed() -> (Vault, Database<'static>) {
    let (vault, database) = (Vault::new(), tiny());
    vault.backup(&database, &[NOVEMBER]);
    (vault, database)
}

#[test]
fn no_key_at_all_is_told_which_would_open_it() {
    let (vault, _database) = sealed();
    let server = _database.server;
    let into = server.dsn("never_made");
    for verb in ["show", "cat"] {
        let refused = vault.lifeboat(verb).arg("shop/latest").run().expect(12);
        assert!(refused.stderr.contains("there is no key to open it with"), "{}", refused.stderr);
        assert!(refused.stderr.contains("it opens with 2026-11"), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    let restore = vault.lifeboat("restore").args(["shop/latest", "--create", "--into", "env:T"]).env("T", into);
    assert!(restore.run().expect(12).stderr.contains("it opens with 2026-11"));
}

#[test]
fn another_key_under_the_same_id_is_told_to_be_another() {
    let (vault, _database) = sealed();
    let keyring = vault.keyring(&[OTHER_NOVEMBER]);
    let words = ["this is not the key 2026-11 that wrapped it", "another key under the id 2026-11"];
    vault.assert_refused(&["--keyring", &keyring], 12, &words);
}

#[test]
fn keys_of_other_ids_are_named_and_so_is_the_one_that_is_missing() {
    let (vault, _database) = sealed();
    let keyring = vault.keyring(&[DECEMBER, OFFLINE]);
    let ours = format!("no key at hand does; at hand are 2026-12, {}", public_id(OFFLINE));
    vault.assert_refused(&["--keyring", &keyring], 12, &[&ours, "it opens with 2026-11; --keyring"]);
}

#[test]
fn a_retired_key_opens_on_request_only() {
    let (vault, database) = sealed();
    let keyring = vault.keyring(&[NOVEMBER_RETIRED, DECEMBER]);
    vault.assert_refused(&["--keyring", &keyring], 12, &["the key 2026-11 is retired", "--allow-retired"]);
    assert_same(&database, &vault.restore(database.server, &["--keyring", &keyring, "--allow-retired"]));
    vault.lifeboat("verify").args(["shop/latest", "--allow-retired", "--keyring", &keyring]).run().expect(0);
}

#[test]
fn a_keyring_that_others_can_read_is_refused_before_anything_is_done() {
    let (vault, database) = sealed();
    let keyring = vault.keyring(&[NOVEMBER]);
    let path = keyring.strip_prefix("file:").unwrap();
    let stored = vault.bucket.objects();
    for mode in [0o644, 0o640, 0o604, 0o660] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let words = [format!("it is open to others (mode 0{mode:o})"), format!("chmod 600 {path}")];
        vault.assert_refused(&["--keyring", &keyring], 78, &[&words[0], &words[1]]);
        let backup = vault.backup_command(&database).args(["--keyring", &keyring]).run().expect(78);
        assert!(backup.text().contains(&words[0]), "{}", backup.text());
    }
    assert_eq!(vault.bucket.objects(), stored);
    fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
    vault.lifeboat("verify").args(["shop/latest", "--keyring", &keyring]).run().expect(0);
}

#[test]
fn a_keyring_that_is_not_one_says_where_and_repeats_no_secret() {
    let (vault, database) = sealed();
    let secret = "5b1f".repeat(16);
    let entry = |lines: &str| format!("[[key]]\nid = \"2026-11\"\nkind = \"aes256\"\n{lines}\n");
    let cases = [
        (entry(&format!("secret = \"{}\"", &secret[..62])), "62 hexadecimal digits; a key has 64 (32 bytes)"),
        (entry(&format!("secret = \"{secret}00\"")), "66 hexadecimal digits; a key has 64 (32 bytes)"),
        (entry(&format!("encoding = \"base64\"\nsecret = \"{secret}\"")), "48 bytes"),
        (entry(&format!("secret = \"{}x\"", &secret[..63])), "not all hexadecimal digits"),
        (entry("secret = \"\""), "0 hexadecimal digits"),
        (entry(&format!("secrets = \"{secret}\"")), "unknown key"),
        (entry(&format!("secret = \"{secret}")), "this is not TOML"),
        (entry("state = \"primary\""), "has no secret"),
        (entry(&format!("state = \"first\"\nsecret = \"{secret}\"")), "primary, enabled, retired"),
        (format!("[[keys]]\nid = \"a\"\nsecret = \"{secret}\"\n"), "only [[key]] tables"),
        ([NOVEMBER, NOVEMBER].concat(), "the key 2026-11 is already at line 1"),
    ];
    let stored = vault.bucket.objects();
    for (text, words) in &cases {
        let keyring = vault.keyring(&[text]);
        let place = format!("{}:", keyring.strip_prefix("file:").unwrap());
        let read = vault.lifeboat("verify").args(["shop/latest", "--keyring", &keyring]);
        let sealed = vault.backup_command(&database).args(["--keyring", &keyring]);
        let made = Lifeboat::new().args(["key", "list", "--keyring", &keyring]);
        for outcome in [read.run().expect(78), sealed.run().expect(78), made.run().expect(78)] {
            let text = outcome.text();
            assert!(text.contains(words), "{words:?} in {text}");
            assert!(text.contains(&place), "{place} in {text}");
            assert!(!text.contains("5b1f5b1f"), "{text}");
        }
    }
    assert_eq!(vault.bucket.objects(), stored);
}

#[test]
fn a_keyring_that_is_not_there_or_misspelt_is_refused() {
    let (vault, _database) = sealed();
    let missing = format!("file:{}", vault.path("no-such.toml").display());
    vault.assert_refused(&["--keyring", &missing], 78, &["no-such.toml", "No such file"]);
    for reference in ["keyring.toml", "flie:/keyring.toml"] {
        vault.assert_refused(&["--keyring", reference], 78, &["expected a reference to a keyring"]);
    }
    vault.assert_refused(&["--keyring", "env:NO_SUCH_VARIABLE"], 78, &["NO_SUCH_VARIABLE"]);
}

#[test]
fn a_keyring_that_cannot_seal_is_no_reason_to_leave_a_backup_open() {
    let (vault, database) = (Vault::new(), tiny());
    for entries in [&[OFFLINE][..], &[NOVEMBER_RETIRED], &["# nothing yet\n"]] {
        let keyring = vault.keyring(entries);
        let refused = vault.backup_command(&database).args(["--keyring", &keyring]).run().expect(78);
        assert!(refused.text().contains("neither a primary key nor a recipient"), "{}", refused.text());
    }
    assert!(vault.bucket.objects().is_empty());
}
