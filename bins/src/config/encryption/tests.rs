use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use lifeboat_core::Kind;
use lifeboat_core::keys::{KeyKind, Keyring};

use super::{Allowed, EncryptionConfig, EncryptionFlags, KeyringRef};
use crate::config::{Config, Environment, Flags, Problems, Setting as _};

const RECIPIENT: &str = "x25519:430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c";
const SIGNER: &str = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

fn load(text: &str, flags: EncryptionFlags<'_>, environment: &Environment) -> Result<EncryptionConfig, Problems> {
    let file = crate::config::ConfigFile { path: "lifeboat.toml".to_owned(), text: text.to_owned() };
    Config::load(Some(file), Flags { encryption: flags, ..Flags::default() }, environment)
        .map(|config| config.encryption)
}

fn of(environment: &Environment) -> EncryptionConfig {
    load("", EncryptionFlags::default(), environment).unwrap()
}

#[tokio::test]
async fn without_the_section_backups_are_neither_sealed_nor_demanded_to_be() {
    let (none, environment) = (EncryptionConfig::default(), Environment::default());
    assert!(none.seal_keys(&environment).await.unwrap().is_none());
    let open = none.open_keys(Allowed::default(), &environment).await.unwrap();
    assert!(open.keys.is_empty() && !open.required && open.trusted_signers.is_empty());
}

#[tokio::test]
async fn a_host_with_only_recipients_seals_and_cannot_open() {
    let environment = Environment::from([("LIFEBOAT_RECIPIENTS", RECIPIENT)]);
    let config = of(&environment);
    let seal = config.seal_keys(&environment).await.unwrap().unwrap();
    assert_eq!((seal.wraps.len(), seal.signer.is_some()), (1, false));
    let open = config.open_keys(Allowed::default(), &environment).await.unwrap();
    assert!(open.keys.is_empty() && open.required && !open.allow_unencrypted);
}

#[tokio::test]
async fn trusted_signers_alone_demand_and_do_not_seal() {
    let environment = Environment::from([("LIFEBOAT_TRUSTED_SIGNERS", SIGNER)]);
    let config = of(&environment);
    assert!(config.seal_keys(&environment).await.unwrap().is_none());
    let open =
        config.open_keys(Allowed { unencrypted: true, retired: false, unsigned: false }, &environment).await.unwrap();
    assert_eq!(open.trusted_signers[0].to_string(), SIGNER);
    assert!(open.required && open.allow_unencrypted);
}

#[tokio::test]
async fn a_host_that_would_not_read_its_own_backups_is_told() {
    let untrusted = Environment::from([("LIFEBOAT_TRUSTED_SIGNERS", SIGNER), ("LIFEBOAT_RECIPIENTS", RECIPIENT)]);
    let config = of(&untrusted);
    let seal = config.seal_keys(&untrusted).await.unwrap();
    assert!(config.untrusted_warning(seal.as_ref()).is_some());
    assert!(EncryptionConfig::default().untrusted_warning(None).is_none());
}

#[test]
fn a_variable_that_is_set_to_nothing_is_refused() {
    for variable in ["LIFEBOAT_KEYRING", "LIFEBOAT_RECIPIENTS", "LIFEBOAT_TRUSTED_SIGNERS"] {
        let environment = Environment::from([(variable, "")]);
        assert!(load("", EncryptionFlags::default(), &environment).is_err(), "{variable}");
    }
}

#[tokio::test]
async fn the_keyring_comes_from_a_file_that_is_private_or_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keyring.toml");
    let add =
        |keyring: &mut Keyring| keyring.add(&"2026-11".parse()?, KeyKind::Aes256, true, jiff::Timestamp::UNIX_EPOCH);
    Keyring::edit(&path, add).unwrap();
    let reference = format!("file:{}", path.display());
    let text = fs::read_to_string(&path).unwrap();
    let environment = Environment::from([("KEYS", text.as_str())]);
    for reference in [reference.as_str(), "env:KEYS"] {
        let flags = EncryptionFlags { keyring: Some(reference), recipients: &[RECIPIENT.to_owned()] };
        let config = load("", flags, &environment).unwrap();
        assert_eq!(config.seal_keys(&environment).await.unwrap().unwrap().wraps.len(), 2, "{reference}");
        assert_eq!(config.open_keys(Allowed::default(), &environment).await.unwrap().keys.len(), 1);
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let config = load(&format!("[encryption]\nkeyring = {reference:?}\n"), EncryptionFlags::default(), &environment);
    let error = config.unwrap().seal_keys(&environment).await.unwrap_err();
    assert_eq!((error.kind(), error.help().unwrap()), (Kind::Config, format!("chmod 600 {}", path.display()).as_str()));
}

#[tokio::test]
async fn a_keyring_that_cannot_seal_is_no_reason_to_leave_backups_open() {
    let environment = Environment::from([("KEYS", "# nothing yet")]);
    let config = load("", EncryptionFlags { keyring: Some("env:KEYS"), recipients: &[] }, &environment).unwrap();
    assert_eq!(config.seal_keys(&environment).await.unwrap_err().kind(), Kind::Config);
}

#[test]
fn flags_come_before_the_environment_and_that_before_the_file() {
    let text = format!(
        "[encryption]\nkeyring = \"file:/a\"\nrecipients = [\"{RECIPIENT}\"]\ntrusted_signers = [\"{SIGNER}\"]\n"
    );
    let environment = Environment::from([("LIFEBOAT_KEYRING", "file:b")]);
    let flags = EncryptionFlags { keyring: Some("file:c"), recipients: &[] };
    let keyring = |config: EncryptionConfig| config.keyring.unwrap().value.to_string();
    assert_eq!(keyring(load(&text, flags, &environment).unwrap()), "file:c");
    assert_eq!(keyring(load(&text, EncryptionFlags::default(), &environment).unwrap()), "file:b");
    assert_eq!(keyring(load(&text, EncryptionFlags::default(), &Environment::default()).unwrap()), "file:/a");
}

#[test]
fn what_does_not_fit_is_refused_with_its_place_and_a_secret_is_never_shown() {
    let secret = "0f".repeat(32);
    let cases = [
        ("keyring = \"file:keyring.toml\"".to_owned(), ":2:11: the path is not absolute"),
        (format!("keyring = \"{secret}\""), ":2:11: expected a reference to a keyring"),
        (format!("recipients = [\"{secret}\"]"), ":2:14: read a recipient: it does not begin with x25519:"),
        (format!("recipients = \"{RECIPIENT}\""), ":2:14: expected a list of recipients"),
        ("recipients = []".to_owned(), ":2:14: the list is empty"),
        (format!("trusted_signers = [\"ed25519:{secret}0\"]"), ":2:19: read a signer: it has 65 digits"),
        (String::new(), ":1:1: [encryption] says nothing"),
        ("keyrings = 1".to_owned(), ":2:1: unknown key `keyrings` in [encryption]"),
    ];
    for (line, expected) in cases {
        let problems = load(&format!("[encryption]\n{line}\n"), EncryptionFlags::default(), &Environment::default());
        let problems = problems.expect_err(&line);
        assert!(problems.lines()[0].contains(expected), "{:?}", problems.lines());
        assert!(!problems.render(false).contains("0f0f") && !problems.to_string().contains("0f0f"));
    }
    let misfit = KeyringRef::from_text("keyring.toml").unwrap_err();
    assert!(misfit.help.unwrap().contains("file:"));
}
