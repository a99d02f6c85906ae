//! Encrypted columns: what other programs stored, and what they read of ours; `fixtures/ciphertexts`.

use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::{Outcome, Stored, Unopened};
use lifeboat_tests::ciphertexts::{Case, Value, cases, parts};
use lifeboat_tests::fixtures;

use crate::peer::Peer;

/// A case and its keyrings, made once: keys from passwords take their time.
struct Known<'c> {
    case: &'c Case,
    own: Keyring,
    away: Keyring,
    back: Keyring,
}

impl<'c> Known<'c> {
    fn new(case: &'c Case) -> Self {
        Self { case, own: case.keyring(), away: case.rotating(), back: case.rotating_back() }
    }

    fn rotated(&self, keyring: &Keyring, columns: &[Vec<u8>]) -> Stored {
        match keyring.reencrypt(&parts(columns), self.case.aad.as_bytes()).unwrap() {
            Outcome::Rotated(stored) => stored,
            other => panic!("{}: {}", self.case.name, other.name()),
        }
    }

    fn opened(&self, columns: &[Vec<u8>]) -> Result<Vec<u8>, Unopened> {
        self.own.open(&parts(columns), self.case.aad.as_bytes()).map(|opened| opened.plaintext().to_vec())
    }

    /// A value opens, keeps its form, and gets another key and its own again.
    fn check(&self, value: &Value) -> Stored {
        let (columns, name) = (value.bytes(), &self.case.name);
        let layout = self.own.layout();
        let fields = layout.decode(&parts(&columns)).unwrap();
        assert_eq!(layout.encode_like(&parts(&columns), &fields).unwrap().columns(), columns, "{name}");
        assert_eq!(self.opened(&columns), Ok(value.plaintext()), "{name}");

        let away = self.rotated(&self.away, &columns);
        let refused = self.opened(away.columns()).unwrap_err();
        assert!(matches!(refused, Unopened::FailedAuthentication | Unopened::UnknownKey), "{name}: {refused}");
        let back = self.rotated(&self.back, away.columns());
        // With its first fields it is the first value again: nothing else was changed on the way.
        let again = layout.encode_like(&back.parts(), &fields).unwrap();
        assert!(self.case.escapes() || again.columns() == columns, "{name}");
        assert_ne!(back.columns(), columns, "{name}");
        back
    }
}

fn check_file(file: &str) -> usize {
    let cases = cases(file);
    for case in &cases {
        let known = Known::new(case);
        for value in &case.values {
            let back = known.check(value);
            assert_eq!(known.opened(back.columns()), Ok(value.plaintext()), "{}", case.name);
        }
        if !case.aad.is_empty() {
            let unbound = known.own.open(&parts(&case.values[0].bytes()), b"another row");
            assert_eq!(unbound.unwrap_err(), Unopened::FailedAuthentication, "{}", case.name);
        }
    }
    cases.iter().map(|case| case.values.len()).sum()
}

#[test]
fn what_node_and_webcrypto_stored_opens_and_rotates() {
    assert_eq!(check_file("node.json"), 23 * 5);
}

#[test]
fn what_python_go_and_others_stored_opens_and_rotates() {
    assert_eq!(check_file("python.json"), 15 * 5);
}

/// The program that made a file seals, we rotate, it opens; and it opens what we encrypt.
fn converse(file: &str, mut peer: Peer) {
    for case in &cases(file) {
        let known = Known::new(case);
        for value in &case.values {
            let answer = peer.ask(&format!("seal {} {}", case.name, hex::encode(value.plaintext())));
            let mut sealed = value.clone();
            sealed.columns = serde_json::from_str(&answer).unwrap();
            let fresh = known.own.encrypt(&value.plaintext(), case.aad.as_bytes()).unwrap();
            for stored in [known.check(&sealed), fresh] {
                let opened = ask_to_open(&mut peer, case, value, &stored);
                assert_eq!(opened, format!("opened {}", hex::encode(value.plaintext())), "{}", case.name);
            }
        }
        let away = known.rotated(&known.away, &case.values[1].bytes());
        assert_eq!(ask_to_open(&mut peer, case, &case.values[1], &away), "refused", "{}", case.name);
    }
}

fn ask_to_open(peer: &mut Peer, case: &Case, like: &Value, stored: &Stored) -> String {
    let columns = serde_json::to_string(&like.like(stored)).unwrap();
    peer.ask(&format!("open {} {columns}", case.name))
}

#[test]
fn node_and_we_read_each_other() {
    converse("node.json", Peer::node([fixtures::ciphertexts().join("node.mjs").as_os_str(), "serve".as_ref()]));
}

#[test]
fn python_and_we_read_each_other() {
    converse("python.json", Peer::python([fixtures::ciphertexts().join("python.py").as_os_str(), "serve".as_ref()]));
}
