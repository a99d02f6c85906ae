//! What becomes of a value: seven outcomes.

use super::{key, layout, ring};
use crate::columns::{Keyring, Outcome, Stored, Unopened};

const LAYOUTS: [&str; 6] = [
    "base64(iv tag ct)",
    "base64(iv) \":\" base64(tag) \":\" base64(ct)",
    "\"enc:v1:\" hex(iv/16 ct tag)",
    "json{iv: hex(iv), data: hex(ct), tag: hex(tag)}",
    "bytes(iv/16 ct tag)",
    "columns{secret: bytes(ct), iv: bytes(iv/16), tag: bytes(tag)}",
];

fn name(ring: &Keyring, stored: &Stored, aad: &[u8]) -> &'static str {
    ring.reencrypt(&stored.parts(), aad).unwrap().name()
}

#[test]
fn a_value_under_the_old_key_is_rotated_and_then_new() {
    for text in LAYOUTS {
        let (old, both, new) = (ring(text, "old", &[]), ring(text, "new", &["old"]), ring(text, "new", &[]));
        let stored = old.encrypt("grüße".as_bytes(), b"aad").unwrap();
        let Outcome::Rotated(rotated) = both.reencrypt(&stored.parts(), b"aad").unwrap() else { panic!("{text}") };
        assert_ne!(rotated, stored, "{text}");
        assert_eq!(new.open(&rotated.parts(), b"aad").unwrap().plaintext(), "grüße".as_bytes(), "{text}");
        assert_eq!(name(&both, &rotated, b"aad"), "already new", "{text}");
        assert_eq!(old.open(&rotated.parts(), b"aad").unwrap_err(), Unopened::FailedAuthentication, "{text}");
        // Back again: the same sweep with the keys swapped.
        assert_eq!(name(&ring(text, "old", &["new"]), &rotated, b"aad"), "rotated", "{text}");
    }
}

#[test]
fn an_encrypted_empty_text_is_rotated() {
    for text in LAYOUTS {
        let stored = ring(text, "old", &[]).encrypt(b"", b"").unwrap();
        assert_eq!(name(&ring(text, "new", &["old"]), &stored, b""), "rotated", "{text}");
    }
}

#[test]
fn another_key_another_aad_and_every_flipped_bit_fail_authentication() {
    for text in ["bytes(iv tag ct)", "bytes(iv/16 ct tag)"] {
        let both = ring(text, "new", &["old"]);
        let stored = ring(text, "old", &[]).encrypt(b"secret", b"row 1").unwrap();
        assert_eq!(name(&ring(text, "new", &["other"]), &stored, b"row 1"), "failed authentication");
        assert_eq!(name(&both, &stored, b"row 2"), "failed authentication");
        for bit in 0..stored.columns()[0].len() * 8 {
            let mut damaged = stored.columns()[0].clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let outcome = both.reencrypt(&[Some(&damaged)], b"row 1").unwrap();
            assert_eq!(outcome.name(), "failed authentication", "{text}, bit {bit}");
        }
    }
}

#[test]
fn the_other_outcomes_are_told_apart_and_keep_finalize_closed() {
    let both = ring("\"v1:\" base64(iv tag ct)", "new", &["old"]);
    for (value, name, closed) in [
        (None, "empty", false),
        (Some("".as_bytes()), "empty", false),
        (Some(b"hunter2"), "plaintext", true),
        (Some(b"v1:AAAA"), "malformed", true),
        (Some(b"v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "failed authentication", true),
    ] {
        let outcome = both.reencrypt(&[value], b"").unwrap();
        assert_eq!((outcome.name(), outcome.keeps_finalize_closed()), (name, closed));
    }
}

#[test]
fn every_enabled_key_opens_and_the_primary_encrypts() {
    let text = "base64(iv ct tag)";
    let many = ring(text, "c", &["b", "a"]);
    for secret in ["a", "b", "c"] {
        let stored = ring(text, secret, &[]).encrypt(b"x", b"").unwrap();
        assert_eq!(many.open(&stored.parts(), b"").unwrap().by_primary(), secret == "c");
    }
    let stored = many.encrypt(b"x", b"").unwrap();
    assert!(ring(text, "c", &[]).open(&stored.parts(), b"").is_ok());
}

#[test]
fn verify_takes_the_primary_key_alone() {
    let text = "base64(iv ct tag)";
    let both = ring(text, "new", &["old"]);
    let old = ring(text, "old", &[]).encrypt(b"x", b"").unwrap();
    assert_eq!(both.verify(&old.parts(), b""), Err(Unopened::FailedAuthentication));
    assert_eq!(both.verify(&both.encrypt(b"x", b"").unwrap().parts(), b""), Ok(()));
}

fn named(secrets: &[(&str, &str)]) -> Keyring {
    let mut keys = secrets.iter().map(|(id, secret)| key(secret).with_id(*id));
    let ring = Keyring::new(layout("\"$\" kid \"$\" base64(iv ct tag)"), keys.next().unwrap()).unwrap();
    keys.fold(ring, |ring, key| ring.enable(key).unwrap())
}

#[test]
fn a_value_that_names_its_key_is_opened_by_that_key_alone() {
    let (old, both) = (named(&[("k1", "old")]), named(&[("k2", "new"), ("k1", "old")]));
    let stored = old.encrypt(b"x", b"").unwrap();
    assert!(stored.text().unwrap().starts_with("$k1$"));
    let Outcome::Rotated(rotated) = both.reencrypt(&stored.parts(), b"").unwrap() else { panic!() };
    assert!(rotated.text().unwrap().starts_with("$k2$"));
    assert_eq!(both.verify(&rotated.parts(), b""), Ok(()));
    assert_eq!(both.verify(&stored.parts(), b""), Err(Unopened::UnknownKey));

    assert_eq!(name(&named(&[("k2", "new")]), &stored, b""), "unknown key");
    // The right id, and another key under it.
    assert_eq!(name(&named(&[("k2", "new"), ("k1", "other")]), &stored, b""), "failed authentication");
    // The right key under another id is not tried.
    assert_eq!(name(&named(&[("k2", "new"), ("k0", "old")]), &stored, b""), "unknown key");
}

#[test]
fn keys_must_fit_the_layout_and_each_other() {
    let kid = || layout("\"$\" kid \"$\" base64(iv ct tag)");
    for (ring, what) in [
        (Keyring::new(kid(), key("a")), "use a key without an id with the layout \"$\" kid \"$\" base64(iv ct tag)"),
        (Keyring::new(kid(), key("a").with_id("a$b")), "use \"a$b\" as the key id of the layout"),
        (Keyring::new(kid(), key("a").with_id("")), "use \"\" as the key id of the layout"),
        (named(&[("a", "a")]).enable(key("b").with_id("a")), "take two keys of the id \"a\""),
        (
            named(&[("a", "a")]).enable(key("a").with_id("b")),
            "take the key 5ca18a4b4fd3f1d7 a second time: old and new",
        ),
        (ring("hex(iv ct tag)", "a", &[]).enable(key("a")), "take the key 5ca18a4b4fd3f1d7 a second time: old and new"),
    ] {
        let what = what.replace("5ca18a4b4fd3f1d7", key("a").fingerprint());
        let error = ring.unwrap_err().to_string();
        assert!(error.starts_with(&what), "{error}");
    }
}

#[test]
fn fresh_salts_differ_and_old_ones_stay() {
    let format = "pbkdf2(hash=sha256, iterations=2)".parse().unwrap();
    let password = |text: &str| crate::columns::ColumnKey::derive(&text.to_owned().into(), &format).unwrap();
    for text in
        ["hex(salt/32) \":\" hex(iv ct tag)", "salt \":\" hex(iv ct tag)", "json{s: salt/10, v: hex(iv ct tag)}"]
    {
        let old = Keyring::new(layout(text), password("old")).unwrap();
        let both = Keyring::new(layout(text), password("new")).unwrap().enable(password("old")).unwrap();
        let (a, b) = (old.encrypt(b"x", b"").unwrap(), old.encrypt(b"x", b"").unwrap());
        let salt = |stored: &Stored| old.layout().decode(&stored.parts()).unwrap().salt;
        assert_ne!(salt(&a), salt(&b), "{text}");
        let Outcome::Rotated(rotated) = both.reencrypt(&a.parts(), b"").unwrap() else { panic!("{text}") };
        assert_eq!(salt(&rotated), salt(&a), "{text}");
        assert_eq!(both.verify(&rotated.parts(), b""), Ok(()), "{text}");
    }
}

#[test]
fn a_value_may_have_both_a_key_id_and_a_salt() {
    let ring = Keyring::new(layout("kid \":\" hex(salt/16) \":\" hex(iv ct tag)"), key("a").with_id("k")).unwrap();
    let stored = ring.encrypt(b"x", b"").unwrap();
    assert_eq!(ring.verify(&stored.parts(), b""), Ok(()));
}

#[test]
fn a_keyring_serves_several_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&ring("hex(iv ct tag)", "a", &[]));
}

#[test]
fn no_iv_is_used_twice() {
    let ring = ring("bytes(iv ct tag)", "a", &[]);
    let ivs: std::collections::HashSet<Vec<u8>> =
        (0..1000).map(|_| ring.encrypt(b"", b"").unwrap().columns()[0][..12].to_vec()).collect();
    assert_eq!(ivs.len(), 1000);
}
