//! How keys are made from secrets.

use secrecy::SecretString;

use super::layout;
use crate::columns::{ColumnKey, KeyFormat, Keyring};

fn derive(format: &str, secret: &str) -> lifeboat_core::Result<ColumnKey> {
    ColumnKey::derive(&SecretString::from(secret.to_owned()), &KeyFormat::parse(format).unwrap())
}

/// The fingerprint tells whether two keys are the same.
fn same(a: (&str, &str), b: (&str, &str)) -> bool {
    derive(a.0, a.1).unwrap().fingerprint() == derive(b.0, b.1).unwrap().fingerprint()
}

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
/// SHA-256 of `abc`, from FIPS 180-4.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn the_same_key_is_written_in_many_ways() {
    assert!(same(("hex", HEX), ("base64", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")));
    assert!(same(("hex", HEX), ("base64", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")));
    assert!(same(("hex", HEX), ("hex-or-sha256", HEX)));
    assert!(!same(("hex", HEX), ("sha256", HEX)));
    assert!(same(("hex", ABC), ("sha256", "abc")));
    assert!(same(("hex", ABC), ("hex-or-sha256", "abc")));
    assert!(same(
        ("hex", &hex::encode("an exactly 32 bytes long secret!")),
        ("raw", "an exactly 32 bytes long secret!")
    ));
    assert!(same(
        ("base64", "-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_-_8"),
        ("base64", "+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/+/8=")
    ));
}

/// RFC 7914, sections 11 and 12: the first 32 bytes of each.
#[test]
fn passwords_are_derived_as_the_standards_say() {
    let scrypt = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2";
    assert!(same(("hex", scrypt), ("scrypt(N=16384, r=8, p=1, salt=\"SodiumChloride\")", "pleaseletmein")));
    let pbkdf2 = "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc";
    assert!(same(("hex", pbkdf2), ("pbkdf2(hash=sha256, iterations=1, salt=\"salt\")", "passwd")));
    assert!(same(("hex", pbkdf2), ("pbkdf2(iterations=1, salt=hex(\"73616c74\"), hash=sha256)", "passwd")));
    assert!(same(("hex", pbkdf2), ("pbkdf2(hash=sha256, iterations=1, salt=base64(\"c2FsdA==\"))", "passwd")));
}

#[test]
fn errors_tell_the_length_and_never_the_secret() {
    let short = &HEX[..63];
    let newline = format!("{HEX}\n");
    let wrong = format!("{}zz", &HEX[..62]);
    for (format, secret, what) in [
        ("hex", short, "read the key: expected 64 hexadecimal digits, found 63 characters"),
        ("hex", &newline, "read the key: expected 64 hexadecimal digits, found 65 characters"),
        (
            "hex",
            &wrong,
            "read the key: expected 64 hexadecimal digits, found 64 characters of which some are no such digits",
        ),
        ("base64", "c2hvcnQga2V5", "read the key: expected 32 bytes in base64, found 9"),
        ("base64", "no base64!", "read the key: expected base64, found something else"),
        ("raw", "hunter2", "read the key: expected 32 bytes, found 7"),
        ("sha256", "", "read the key: expected a secret, found an empty one"),
        ("hex-or-sha256", "", "read the key: expected a secret, found an empty one"),
        ("scrypt(N=2, r=8, p=1)", "", "read the key: expected a password, found an empty one"),
    ] {
        let error = derive(format, secret).unwrap_err();
        assert_eq!(error.to_string(), what);
        assert!(secret.is_empty() || !format!("{error:?} {:?}", error.help()).contains(secret), "{error:?}");
    }
    assert!(derive("hex", &newline).unwrap_err().help().unwrap().contains("newline"));
}

#[test]
fn secrets_that_were_copied_with_too_much_or_too_little_are_told_from_those_that_were_meant() {
    use crate::columns::derivation::Doubt;
    let doubt =
        |format: &str, text: &str| KeyFormat::parse(format).unwrap().doubt(&SecretString::from(text.to_owned()));
    for (around, named) in [
        (format!("{HEX}\r"), "a carriage return"),
        (format!("{HEX}\r\n"), "a carriage return and a newline"),
        (format!("\u{feff}{HEX}"), "a byte order mark"),
        (format!("\"{HEX}\""), "quotes"),
        (format!("'{HEX}' "), "quotes and a space"),
        (format!("{} {}", &HEX[..32], &HEX[32..]), "a space"),
        (format!("0x{HEX}"), "0x"),
    ] {
        for format in ["hex-or-sha256", "sha256", "scrypt(N=2, r=8, p=1)"] {
            let found = doubt(format, &around).unwrap();
            let Doubt::Spoilt(what) = &found else { panic!("{around:?}: {found:?}") };
            assert_eq!(*what, format!("is 64 hexadecimal digits with {named}"), "{around:?}");
        }
        assert!(derive("hex", &around).is_err(), "{around:?}");
    }
    let odd =
        ["correct horse\r", " correct", "\"correct horse\"", "correct\0horse", &HEX[..63], &format!("{}O", &HEX[..63])];
    for text in odd {
        for format in ["hex-or-sha256", "sha256", "pbkdf2(hash=sha256, iterations=1)"] {
            assert!(matches!(doubt(format, text), Some(Doubt::Odd(_))), "{format} {text:?}");
        }
    }
    for text in ["correct horse", "it's", "c2hvcnQga2V5"] {
        assert!(matches!(doubt("hex-or-sha256", text), Some(Doubt::Hashed(_))), "{text:?}");
        assert_eq!(doubt("sha256", text), None, "{text:?}");
    }
    for format in ["hex", "hex-or-sha256", "sha256", "raw", "scrypt(N=2, r=8, p=1)"] {
        assert_eq!(doubt(format, HEX), None, "{format}");
    }
    let error = KeyFormat::unnamed(&[&SecretString::from(format!("{HEX}\r"))]).unwrap_err();
    assert!(error.help().unwrap().contains("with a carriage return: take that away"), "{:?}", error.help());
}

#[test]
fn formats_print_as_they_are_read() {
    for text in [
        "hex",
        "base64",
        "raw",
        "sha256",
        "hex-or-sha256",
        "scrypt(N=16384, r=8, p=1)",
        "scrypt(N=1024, r=8, p=16, salt=\"a \\\"b\\\"\")",
        "pbkdf2(hash=sha512, iterations=100000)",
        "pbkdf2(hash=sha256, iterations=65536, salt=hex(\"00ff\"))",
    ] {
        assert_eq!(KeyFormat::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn without_a_name_only_64_digits_are_a_key() {
    let secret = |text: &str| SecretString::from(text.to_owned());
    assert_eq!(KeyFormat::unnamed(&[&secret(HEX), &secret(ABC)]).unwrap(), KeyFormat::Hex);
    let error = KeyFormat::unnamed(&[&secret(HEX), &secret("correct horse")]).unwrap_err();
    assert_eq!(error.kind(), lifeboat_core::Kind::Usage);
    assert!(error.help().unwrap().contains("--key-format"));
}

#[test]
fn a_password_without_a_salt_needs_one_in_the_layout() {
    let password = || derive("pbkdf2(hash=sha256, iterations=2)", "secret").unwrap();
    let error = Keyring::new(layout("hex(iv ct tag)"), password()).unwrap_err();
    assert_eq!(error.to_string(), "use a password with the layout hex(iv ct tag): it has no salt");
    assert!(Keyring::new(layout("hex(salt/16 iv ct tag)"), password()).is_ok());
    assert!(
        Keyring::new(
            layout("hex(iv ct tag)"),
            derive("pbkdf2(hash=sha256, iterations=2, salt=\"x\")", "secret").unwrap()
        )
        .is_ok()
    );
}

#[test]
fn debug_shows_no_secret() {
    let key = derive("scrypt(N=2, r=8, p=1)", "hunter2").unwrap();
    let ring = Keyring::new(layout("hex(salt iv tag) \":\" hex(ct)"), key).unwrap();
    let stored = ring.encrypt(b"the plaintext", b"").unwrap();
    let opened = ring.open(&stored.parts(), b"").unwrap();
    let shown = format!("{ring:?} {opened:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("plaintext:") && !shown.contains("the plaintext"), "{shown}");
}
