//! Secrets that came with too much or too little: of most texts some key can be made, and the application makes another.

use lifeboat_core::Kind;
use lifeboat_rotate::columns::KeyFormat;
use lifeboat_rotate::sweep::{KeyPair, SweepOptions};
use lifeboat_tests::Major;

use crate::world::{World, encrypted, small};

const TABLE: &str = "id int PRIMARY KEY, value text";
const DIGITS: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddee0";

fn source(secret: &str) -> lifeboat_rotate::sweep::KeySource {
    lifeboat_rotate::sweep::KeySource { secret: secret.to_owned().into(), format: KeyFormat::HexOrSha256, id: None }
}

/// Values under `old`, and a target from it to `new`.
fn world(old: &str, new: &str) -> (World<'static>, u64) {
    let mut world = World::new(Major::V18, TABLE);
    world.target.keys = std::sync::Arc::new(KeyPair { old: source(old), new: source(new) });
    let keyring = lifeboat_rotate::Keyring::new(world.target.layout.clone(), source(old).derive().unwrap()).unwrap();
    for id in 0..5 {
        world.database.psql(&format!("INSERT INTO secrets VALUES ({id}, '{}')", encrypted(&keyring, "a secret")));
    }
    (world, 5)
}

#[test]
fn a_new_key_with_something_around_its_digits_is_refused_and_what_it_is_named() {
    let (mut world, _) = world(&format!("{DIGITS}1"), &format!("{DIGITS}2"));
    let before = world.database.psql("SELECT string_agg(value, ' ') FROM secrets");
    for (secret, what) in [
        (format!("{DIGITS}2\r"), "a carriage return"),
        (format!("\u{feff}{DIGITS}2"), "a byte order mark"),
        (format!("\"{DIGITS}2\""), "quotes"),
        (format!("{DIGITS}2\n"), "a newline"),
    ] {
        let old = world.target.keys.old.clone();
        world.target.keys = std::sync::Arc::new(KeyPair { old, new: source(&secret) });
        let fingerprint = world.target.keyring().unwrap().primary().fingerprint().to_owned();
        for expected_new in [Vec::new(), vec![fingerprint]] {
            let error = world.run(&SweepOptions { expected_new, ..small() }).unwrap_err();
            assert_eq!(error.kind(), Kind::Policy, "{what}");
            assert!(error.to_string().contains(&format!("64 hexadecimal digits with {what}")), "{}", error.chain());
            assert!(!error.chain().contains(DIGITS), "{}", error.chain());
        }
        assert!(world.plan().refusals().any(|refusal| refusal.contains(what)), "{what}");
    }
    assert_eq!(world.database.psql("SELECT string_agg(value, ' ') FROM secrets"), before);
    assert!(world.status().targets.is_empty(), "nothing was begun");
}

#[test]
fn a_new_key_that_is_hashed_wants_its_fingerprint_confirmed() {
    for secret in ["correct horse battery staple", DIGITS, "it ends with a space "] {
        let (world, rows) = world(&format!("{DIGITS}1"), secret);
        let fingerprint = world.target.keyring().unwrap().primary().fingerprint().to_owned();
        let error = world.run(&small()).unwrap_err();
        assert_eq!(error.kind(), Kind::Policy, "{secret}");
        let help = error.help().unwrap();
        assert!(help.contains(&format!("--confirm-new {fingerprint}")) && !error.chain().contains(secret), "{help}");
        assert!(world.plan().refusals().any(|refusal| refusal.contains("--confirm-new")));
        let confirmed = SweepOptions { expected_new: vec![fingerprint], max_passes: 1, ..small() };
        assert_eq!(world.run(&confirmed).unwrap().targets[0].counts.rotated, rows);
        // Who goes on need not confirm it again.
        assert!(world.run(&small()).unwrap().is_clean());
        world.finalize(&small()).unwrap();
    }
}

#[test]
fn an_old_key_may_have_been_so_if_it_opens_and_is_named_if_it_does_not() {
    let spoilt = format!("{DIGITS}1\r");
    let (mut world, rows) = world(&spoilt, &format!("{DIGITS}2"));
    let keyring = world.target.keyring_back().unwrap();
    let plain = world.database.psql("SELECT count(*) FROM secrets");
    assert_eq!(world.run(&small()).unwrap().targets[0].counts.rotated, rows, "the application had hashed it, too");
    world.rollback(&small()).unwrap();
    let opened = world.database.psql("SELECT value FROM secrets");
    assert!(opened.lines().all(|value| keyring.open(&[Some(value.as_bytes())], b"").unwrap().by_primary()));
    assert_eq!(plain, "5");

    let new = world.target.keys.new.clone();
    world.target.keys = std::sync::Arc::new(KeyPair { old: source(&format!("{DIGITS}3\r")), new });
    let error = world.run(&small()).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongKey);
    assert!(error.help().unwrap().contains("its secret is 64 hexadecimal digits with a carriage return"));
}
