use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tempfile::TempDir;

use super::{KeyKind, KeyState, Keyring};
use crate::error::Kind;
use crate::keys::KeyId;

const ONE: &str = "0101010101010101010101010101010101010101010101010101010101010101";
const TWO: &str = "0202020202020202020202020202020202020202020202020202020202020202";

fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn november() -> Timestamp {
    at("2026-11-01T00:00:00.5Z")
}

fn key(id: &str, kind: &str, rest: &str) -> String {
    format!("[[key]]\nid = \"{id}\"\nkind = \"{kind}\"\n{rest}\n")
}

fn hex_key(id: &str, kind: &str, secret: &str, state: &str) -> String {
    key(id, kind, &format!("secret = \"{secret}\"\nstate = \"{state}\""))
}

/// What is said about a keyring that is refused.
fn refused(text: &str) -> String {
    let error = Keyring::parse(text, "keyring.toml").expect_err(text);
    assert_eq!(error.kind(), Kind::Config, "{error:?}");
    let said = format!("{error:?} {:?}", error.help());
    for secret in ["01010101", "AQEB", "hunter2", "deadbeef"] {
        assert!(!said.contains(secret), "{said}");
    }
    error.chain()
}

#[test]
fn every_encoding_gives_the_same_key() {
    let base64 = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
    let texts = [
        key("a", "aes256", &format!("secret = \"{ONE}\"")),
        key("a", "aes256", &format!("encoding = \"hex\"\nsecret = \"{ONE}\"")),
        key("a", "aes256", &format!("encoding = \"base64\"\nsecret = \"{base64}\"")),
        key("a", "aes256", &format!("encoding = \"base64\"\nsecret = \"{base64}=\"")),
    ];
    let fingerprint = |text: &str| Keyring::parse(text, "x").expect(text).keys()[0].fingerprint();
    for text in &texts {
        assert_eq!(fingerprint(text), fingerprint(&texts[0]));
    }
    // printf hunter2 | sha256sum
    let digest = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
    let text = key("a", "aes256", "encoding = \"sha256(utf8)\"\nsecret = \"hunter2\"");
    assert_eq!(fingerprint(&text), fingerprint(&key("a", "aes256", &format!("secret = \"{digest}\""))));
    assert!(Keyring::parse(&text, "x").unwrap().keys()[0].guessable());
}

#[test]
fn a_secret_of_another_length_is_refused_with_the_length_it_has() {
    let short = key("a", "aes256", &format!("secret = \"{}\"", &ONE[..62]));
    assert_eq!(
        refused(&short),
        "read the keyring keyring.toml:4:10: the secret has 62 hexadecimal digits; a key has 64 (32 bytes)"
    );
    let long = key("a", "ed25519", &format!("secret = \"{ONE}00\""));
    assert!(refused(&long).ends_with("has 66 hexadecimal digits; a key has 64 (32 bytes)"));
    let base64 = key("a", "aes256", "encoding = \"base64\"\nsecret = \"AQEB\"");
    assert!(refused(&base64).ends_with(":5:10: the secret has 3 bytes; a key has 32"));
    let letters = key("a", "aes256", "secret = \"hunter2\"");
    assert!(refused(&letters).ends_with("the secret is not all hexadecimal digits"));
    let stars = key("a", "aes256", "encoding = \"base64\"\nsecret = \"hunter2 *\"");
    assert!(refused(&stars).ends_with("the secret is not base64"));
    let empty = key("a", "aes256", "encoding = \"sha256(utf8)\"\nsecret = \"\"");
    assert!(refused(&empty).ends_with("the secret is empty"));
}

#[test]
fn a_misspelt_keyring_is_refused_with_its_place_and_no_value() {
    let good = format!("secret = \"{ONE}\"");
    let cases = [
        (
            key("a", "aes256", &format!("sercet = \"{ONE}\"")),
            "keyring.toml:4:1: unknown key `sercet`; known are id, kind",
        ),
        (key("a", "aes256", &format!("{ONE} = \"secret\"")), "keyring.toml:4:1: unknown key; known are"),
        (key("a", "aes256", &format!("secret = {ONE}")), "keyring.toml:4:10: "),
        (key("a", "aes256", "secret = deadbeef"), "keyring.toml:4:10: this is not TOML"),
        (key("a", "aes256", "secret = \"deadbeef"), "this is not TOML"),
        (key("a", "aes-256", &good), "keyring.toml:3:8: read a kind of key: it is none of aes256, x25519, ed25519"),
        (key("a", "aes256", &format!("{good}\nstate = \"active\"")), "keyring.toml:5:9: read a key's state"),
        (key("a", "aes256", &format!("{good}\nencoding = \"utf8\"")), "keyring.toml:5:12: read an encoding"),
        (key("a", "aes256", "secret = 1"), "keyring.toml:4:10: secret must be a string in quotes"),
        (key("a", "aes256", ""), "keyring.toml:1:1: this [[key]] has no secret"),
        (format!("[[key]]\nid = \"a\"\n{good}\n"), "this [[key]] has no kind"),
        (format!("[[key]]\nkind = \"aes256\"\n{good}\n"), "this [[key]] has no id"),
        (key("0123456789abcdef", "aes256", &good), "keyring.toml:2:6: the id cannot be used"),
        (key("2026/11", "aes256", &good), "keyring.toml:2:6: the id cannot be used"),
        (
            key("a", "aes256", &format!("{good}\nprimary_since = \"May\"")),
            "keyring.toml:5:17: primary_since is not a time",
        ),
        (key("a", "x25519", &format!("{good}\nstate = \"primary\"")), "an x25519 key opens and does not seal"),
        (key("a", "ed25519", &format!("{good}\nencoding = \"sha256(utf8)\"")), "sha256(utf8) is for aes256 keys only"),
        ("kye = 1".to_owned(), "keyring.toml:1:1: only [[key]] tables stand in a keyring"),
        ("[key]\nid = \"a\"".to_owned(), "only [[key]] tables"),
        ("[[keys]]\nid = \"a\"".to_owned(), "only [[key]] tables"),
    ];
    for (text, expected) in cases {
        let said = refused(&text);
        assert!(said.contains(expected), "{said}\n{text}");
    }
}

#[test]
fn two_keys_of_one_id_and_two_primaries_of_a_kind_are_refused() {
    let twice = hex_key("a", "aes256", ONE, "primary") + &hex_key("a", "aes256", TWO, "enabled");
    assert!(refused(&twice).contains("keyring.toml:6:1: the key a is already at line 1"), "{}", refused(&twice));
    let same = hex_key("a", "x25519", ONE, "enabled") + &hex_key("b", "x25519", ONE, "enabled");
    assert!(refused(&same).contains("is already at line 1"));
    let primaries = hex_key("a", "aes256", ONE, "primary") + &hex_key("b", "aes256", TWO, "primary");
    assert!(refused(&primaries).contains("keyring.toml:6:1: two aes256 keys are primary: the other is at line 1"));
    let kinds = hex_key("a", "aes256", ONE, "primary") + &hex_key("b", "ed25519", TWO, "primary");
    assert_eq!(Keyring::parse(&kinds, "x").unwrap().keys().len(), 2);
}

#[test]
fn the_primary_seals_and_signs_and_keys_are_tried_in_the_order_of_their_states() {
    let text = hex_key("old", "aes256", ONE, "retired")
        + &hex_key("mid", "aes256", TWO, "enabled")
        + &hex_key("now", "aes256", &ONE.replace("01", "03"), "primary")
        + &hex_key("sign", "ed25519", TWO, "primary")
        + &hex_key("recovery", "x25519", TWO, "enabled");
    let keyring = Keyring::parse(&text, "x").unwrap();
    let recipient = keyring.key("recovery").unwrap().recipient().unwrap().clone();
    let ids = |keys: &[std::sync::Arc<dyn crate::keys::KeyWrap>]| -> Vec<String> {
        keys.iter().map(|key| key.id().to_string()).collect()
    };
    let sealing = keyring.seal_keys(&[recipient.clone(), recipient.clone()]).unwrap();
    let recovery = keyring.key("recovery").unwrap().public_id().to_string();
    assert_eq!(ids(&sealing.wraps), ["now", recovery.as_str()]);
    assert_eq!(sealing.signer.unwrap().public(), keyring.key("sign").unwrap().signer_key().unwrap());
    let opening = keyring.open_keys(false);
    assert_eq!(ids(&opening.keys), ["now", "mid", recovery.as_str()]);
    assert_eq!(opening.retired, [id("old")]);
    assert!(opening.required && opening.trusted_signers.is_empty());
    let all = keyring.open_keys(true);
    assert_eq!(ids(&all.keys), ["now", "mid", recovery.as_str(), "old"]);
    assert!(all.retired.is_empty());
    assert_eq!(keyring.key(&recovery).unwrap().id(), &id("recovery"));
    assert_eq!(keyring.key("2025-01").unwrap_err().kind(), Kind::WrongKey);
}

#[test]
fn a_keyring_without_a_primary_opens_and_does_not_seal() {
    let keyring = Keyring::parse(&hex_key("a", "aes256", ONE, "enabled"), "x").unwrap();
    assert_eq!(keyring.open_keys(false).keys.len(), 1);
    assert_eq!(keyring.seal_keys(&[]).unwrap_err().kind(), Kind::Config);
}

#[test]
fn the_first_key_of_a_kind_is_primary_and_a_successor_on_request() {
    let mut keyring = Keyring::empty();
    keyring.add(&id("2026-11"), KeyKind::Aes256, false, november()).unwrap();
    keyring.add(&id("2026-12"), KeyKind::Aes256, false, november()).unwrap();
    keyring.add(&id("host"), KeyKind::Ed25519, false, november()).unwrap();
    keyring.add(&id("recovery"), KeyKind::X25519, false, november()).unwrap();
    let states = |keyring: &Keyring| keyring.keys().iter().map(super::KeyEntry::state).collect::<Vec<_>>();
    assert_eq!(states(&keyring), [KeyState::Primary, KeyState::Enabled, KeyState::Primary, KeyState::Enabled]);
    keyring.add(&id("2027-01"), KeyKind::Aes256, true, at("2027-01-01T00:00:00Z")).unwrap();
    let (first, last) = (keyring.key("2026-11").unwrap(), keyring.key("2027-01").unwrap());
    assert_eq!((first.state(), last.state()), (KeyState::Enabled, KeyState::Primary));
    assert_eq!(first.primary_since(), Some(at("2026-11-01T00:00:01Z")));
    assert_eq!(first.primary_until(), Some(at("2027-01-01T00:00:00Z")));
    assert_eq!((last.primary_since(), last.primary_until()), (Some(at("2027-01-01T00:00:00Z")), None));
}

#[test]
fn what_cannot_be_added_leaves_the_keyring_as_it_was() {
    let mut keyring = Keyring::empty();
    keyring.add(&id("a"), KeyKind::Aes256, false, november()).unwrap();
    let before = keyring.to_toml().to_owned();
    let taken = keyring.add(&id("a"), KeyKind::X25519, false, november()).unwrap_err();
    assert_eq!(
        (taken.kind(), taken.to_string().as_str()),
        (Kind::Usage, "add the key a: the keyring holds one of that id")
    );
    assert_eq!(keyring.add(&id("b"), KeyKind::X25519, true, november()).unwrap_err().kind(), Kind::Usage);
    assert_eq!(
        keyring.add(&id("0123456789abcdef"), KeyKind::Aes256, false, november()).unwrap_err().kind(),
        Kind::Config
    );
    assert_eq!(keyring.to_toml(), before);
}

#[test]
fn an_edit_keeps_comments_order_and_every_other_byte() {
    let text = format!(
        "# ours\n\n[[key]]  # the old one\nid = \"a\" # made by hand\nkind = \"aes256\"\nstate = \"primary\" # since ever\nsecret = \
         '{ONE}'\n\n[[key]]\nkind = \"aes256\"\nid = \"b\"\nsecret = \"{TWO}\""
    );
    let mut keyring = Keyring::parse(&text, "x").unwrap();
    keyring.set_state(&id("b"), KeyState::Primary, november()).unwrap();
    let expected = format!(
        "# ours\n\n[[key]]  # the old one\nid = \"a\" # made by hand\nkind = \
         \"aes256\"\nstate = \"enabled\" # since ever\nprimary_until = \"2026-11-01T00:00:01Z\"\nsecret = '{ONE}'\n\n[[key]]\nkind = \"aes256\"\nid = \"b\"\nstate = \
         \"primary\"\nprimary_since = \"2026-11-01T00:00:01Z\"\nsecret = \"{TWO}\""
    );
    assert_eq!(keyring.to_toml(), expected);
    keyring.set_state(&id("a"), KeyState::Retired, november()).unwrap();
    assert_eq!(keyring.to_toml(), expected.replace("\"enabled\"", "\"retired\""));
    keyring.set_state(&id("a"), KeyState::Primary, november()).unwrap();
    assert!(keyring.key("a").unwrap().primary_until().is_none());
    assert_eq!(keyring.key("b").unwrap().state(), KeyState::Enabled);
    keyring.add(&id("c"), KeyKind::Aes256, false, november()).unwrap();
    assert!(keyring.to_toml().contains(&format!("secret = \"{TWO}\"\n\n[[key]]\nid = \"c\"\n")));
}

#[test]
fn the_primary_key_is_not_retired_before_it_has_a_successor() {
    let mut keyring = Keyring::parse(&hex_key("a", "aes256", ONE, "primary"), "x").unwrap();
    for state in [KeyState::Retired, KeyState::Enabled] {
        let error = keyring.set_state(&id("a"), state, november()).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        assert!(error.help().unwrap().contains("--primary"));
    }
    assert_eq!(keyring.set_state(&id("b"), KeyState::Retired, november()).unwrap_err().kind(), Kind::WrongKey);
}

#[test]
fn a_keyring_that_is_not_written_line_by_line_is_left_alone() {
    let text = format!("key = [{{ id = \"a\", kind = \"aes256\", secret = \"{ONE}\", state = \"primary\" }}]\n");
    let mut keyring = Keyring::parse(&text, "x").unwrap();
    let error = keyring.add(&id("b"), KeyKind::Aes256, true, november()).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(!format!("{error:?}").contains("0101"));
    assert_eq!(keyring.to_toml(), text);
}

fn file(folder: &TempDir, text: &str, mode: u32) -> PathBuf {
    let path = folder.path().join("keyring.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

fn add(path: &Path, name: &str) -> crate::Result<()> {
    Keyring::edit(path, |keyring| keyring.add(&id(name), KeyKind::Aes256, false, november()))
}

#[test]
fn a_key_file_that_others_can_read_is_refused_with_the_remedy() {
    let folder = TempDir::new().unwrap();
    for mode in [0o640, 0o604, 0o660, 0o644] {
        let path = file(&folder, &hex_key("a", "aes256", ONE, "primary"), mode);
        for error in [Keyring::load(&path).unwrap_err(), add(&path, "b").unwrap_err()] {
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.to_string().ends_with(&format!("it is open to others (mode 0{mode:o})")), "{error}");
            assert_eq!(error.help().unwrap(), format!("chmod 600 {}", path.display()));
        }
    }
    assert_eq!(Keyring::load(&folder.path().join("none")).unwrap_err().kind(), Kind::Config);
}

#[test]
fn an_edited_file_is_private_and_keeps_its_mode_and_its_link() {
    let folder = TempDir::new().unwrap();
    let made = folder.path().join("made.toml");
    add(&made, "a").unwrap();
    assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o7777, 0o600);
    let path = file(&folder, &hex_key("a", "aes256", ONE, "primary"), 0o400);
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    add(&link, "b").unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o400);
    assert_eq!(Keyring::load(&path).unwrap().keys().len(), 2);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_file_that_does_not_parse_is_never_written_over() {
    let folder = TempDir::new().unwrap();
    for text in ["[[key]]\nid = \"a\"\n", "not a keyring", "\u{0}"] {
        let path = file(&folder, text, 0o600);
        assert_eq!(add(&path, "b").unwrap_err().kind(), Kind::Config);
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn keys_added_at_once_are_all_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("keyring.toml");
    std::thread::scope(|scope| {
        for n in 0..8 {
            let path = &path;
            scope.spawn(move || add(path, &format!("key-{n}")).unwrap());
        }
    });
    let keyring = Keyring::load(&path).unwrap();
    assert_eq!(keyring.keys().len(), 8);
    assert_eq!(keyring.keys().iter().filter(|key| key.state() == KeyState::Primary).count(), 1);
}

#[test]
fn an_editors_change_meanwhile_is_not_lost() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, &hex_key("a", "aes256", ONE, "primary"), 0o600);
    let error = Keyring::edit(&path, |keyring| {
        fs::write(&path, hex_key("c", "aes256", TWO, "primary")).unwrap();
        keyring.add(&id("b"), KeyKind::Aes256, false, november())
    });
    assert_eq!(error.unwrap_err().kind(), Kind::TryAgain);
    assert_eq!(Keyring::load(&path).unwrap().keys()[0].id(), &id("c"));
}
