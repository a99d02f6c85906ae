//! What a signature covers, and what it does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lifeboat_core::Kind;
use lifeboat_core::drill::Verdict;
use lifeboat_core::keys::{Secret, Signer, SignerKey};
use serde_json::Value;

use super::{envelope, pae, sign, statement, verify};
use crate::report::tests::example;

fn signer(byte: u8) -> Signer {
    Signer::new(&Secret::copied(&[byte; 32]))
}

fn signed(by: &Signer) -> Vec<u8> {
    let report = example();
    sign(&report, &report.to_json().unwrap(), by).unwrap().unwrap()
}

/// The envelope with another value at `pointer`.
fn altered(envelope: &[u8], pointer: &str, value: impl Into<Value>) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(envelope).unwrap();
    *json.pointer_mut(pointer).unwrap() = value.into();
    serde_json::to_vec(&json).unwrap()
}

fn payload(envelope: &[u8]) -> Vec<u8> {
    let json: Value = serde_json::from_slice(envelope).unwrap();
    STANDARD.decode(json["payload"].as_str().unwrap()).unwrap()
}

#[test]
fn evidence_of_a_trusted_signer_tells_backup_and_verdict() {
    let evidence = verify(&signed(&signer(7)), &[signer(8).public().clone(), signer(7).public().clone()]).unwrap();
    assert_eq!(&evidence.signer, signer(7).public().id());
    assert_eq!(evidence.statement.predicate.verdict, Verdict::Failed);
    assert_eq!(evidence.statement.subject[0].name, "backups/daily/shop/20261201T021700Z-aabbcc/manifest.json");
    assert_eq!(evidence.statement.manifest_sha256(), example().backup.unwrap().manifest_sha256);
}

#[test]
fn evidence_of_anybody_else_is_refused() {
    let envelope = signed(&signer(7));
    let kind = |trusted: &[SignerKey]| verify(&envelope, trusted).unwrap_err().kind();
    assert_eq!(kind(&[signer(8).public().clone()]), Kind::Policy);
    assert_eq!(kind(&[]), Kind::Policy);
}

#[test]
fn nothing_in_an_envelope_can_be_changed() {
    let (signer, report) = (signer(7), example());
    let envelope = signed(&signer);
    let mut passed = report.clone();
    passed.verdict = Verdict::Passed;
    let forged = STANDARD.encode(serde_json::to_vec(&statement(&passed, b"").unwrap()).unwrap());
    for altered in [
        altered(&envelope, "/payload", forged),
        altered(&envelope, "/payloadType", "application/json"),
        altered(&envelope, "/signatures/0/sig", STANDARD.encode([1; 64])),
        altered(&envelope, "/signatures/0/sig", STANDARD.encode([1; 63])),
    ] {
        assert_eq!(verify(&altered, &[signer.public().clone()]).unwrap_err().kind(), Kind::Integrity);
    }
    for broken in [&b"{}"[..], b"", b"[]", &envelope[..envelope.len() - 1], &altered(&envelope, "/payload", "%")] {
        assert_eq!(verify(broken, &[signer.public().clone()]).unwrap_err().kind(), Kind::Integrity);
    }
}

#[test]
fn the_key_id_is_a_hint_that_decides_nothing() {
    let (signer, stranger) = (signer(7), signer(8));
    for id in ["", "anything", stranger.public().id().as_str()] {
        let envelope = altered(&signed(&signer), "/signatures/0/keyid", id);
        assert!(verify(&envelope, &[signer.public().clone()]).is_ok());
        assert!(verify(&envelope, &[stranger.public().clone()]).is_err());
    }
}

#[test]
fn a_statement_about_something_else_is_refused() {
    let (signer, report) = (signer(7), example());
    let alter = |change: fn(&mut super::Statement)| {
        let mut statement = statement(&report, b"").unwrap();
        change(&mut statement);
        verify(&envelope(&statement, &signer).unwrap(), &[signer.public().clone()]).unwrap_err().kind()
    };
    assert_eq!(alter(|statement| statement.subject[0].name = "x".to_owned()), Kind::Integrity);
    assert_eq!(alter(|statement| statement.subject.clear()), Kind::Integrity);
    assert_eq!(alter(|statement| statement.predicate_type = "https://slsa.dev/provenance/v1".to_owned()), Kind::Config);
    assert_eq!(alter(|statement| statement.kind = "https://in-toto.io/Statement/v2".to_owned()), Kind::Config);
}

#[test]
fn a_signature_of_evidence_is_none_of_a_manifest() {
    let signer = signer(7);
    let envelope: Value = serde_json::from_slice(&signed(&signer)).unwrap();
    let sig = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let signature =
        lifeboat_core::keys::Signature { signer: signer.public().id().clone(), bytes: sig.try_into().unwrap() };
    // A manifest is signed as it is, and it begins with a brace.
    assert!(!signer.public().verifies(&payload(&signed(&signer)), &signature));
    assert!(pae("t", b"{").starts_with(b"DSSEv1 "));
}

/// The example of the standard.
#[test]
fn the_encoding_is_the_one_of_the_standard() {
    let encoded = pae("http://example.com/HelloWorld", b"hello world");
    assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn a_drill_without_a_backup_has_nothing_to_sign() {
    let mut report = example();
    report.backup = None;
    assert!(sign(&report, b"", &signer(7)).is_none());
}
