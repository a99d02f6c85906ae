use bytes::Bytes;

use super::{Manifest, StoredManifest, tail};
use crate::codec::sealed::Header;
use crate::error::Kind;
use crate::keys::{DataKey, OpenKeys, Secret, Signer};
use crate::store::layout::BackupPath;

fn example() -> Manifest {
    let json = r#"{"format":1,"tool":"lifeboat 0.1.0","id":"20261121T021700Z-7f3a9c","run":"20261121T021700Z-01ab23",
        "database":"shop","class":"daily","method":"stream","compression":"gzip","started":"2026-11-21T02:17:00Z",
        "snapshot":"2026-11-21T02:17:01Z","finished":"2026-11-21T02:17:02Z","attachments":[],"script":[{"name":
        "dump-0000.sql.gz","length":3,"part_bytes":16777216,
        "sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}]}"#;
    serde_json::from_str(json).unwrap()
}

fn sealed() -> Manifest {
    let mut manifest = example();
    manifest.script[0].name += ".sealed";
    manifest.script[0].seal = Some(Header { salt: [1; 24], commitment: [2; 32] });
    manifest
}

fn read(bytes: &[u8]) -> crate::Result<StoredManifest> {
    StoredManifest::parse(Bytes::copy_from_slice(bytes))
}

/// Unencrypted, encrypted, signed, and both.
fn documents() -> Vec<(Manifest, Vec<u8>)> {
    let key = DataKey::generate().unwrap();
    let signer = Signer::new(&Secret::generate().unwrap());
    let mut documents = Vec::new();
    for signer in [None, Some(&signer)] {
        documents.push((example(), example().to_bytes(None, signer)));
        documents.push((sealed(), sealed().to_bytes(Some(&key), signer)));
    }
    documents
}

#[test]
fn what_was_written_is_read() {
    for (manifest, bytes) in documents() {
        let stored = read(&bytes).unwrap();
        assert_eq!(stored.manifest, manifest);
        assert_eq!(stored.bytes(), &bytes);
        assert_eq!(stored.unknown_fields(), Vec::<String>::new());
    }
}

#[test]
fn a_manifest_cut_continued_or_changed_anywhere_is_refused() {
    for (_, bytes) in documents() {
        for at in 0..bytes.len() {
            assert!(read(&bytes[..at]).is_err(), "cut to {at} bytes");
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(read(&flipped).is_err(), "bit flipped in byte {at}");
        }
        assert!(read(&[&bytes[..], b"\n"].concat()).is_err());
    }
}

#[test]
fn a_manifest_is_believed_at_its_own_place_alone() {
    let bytes = Bytes::from(example().to_bytes(None, None));
    let own = example().path();
    assert_eq!(own.object("x"), "backups/daily/shop/20261121T021700Z-7f3a9c/x");
    StoredManifest::parse_at(bytes.clone(), &own).unwrap();
    let other = "20261121T021700Z-7f3a9d".parse().unwrap();
    let elsewhere = [
        BackupPath { class: "monthly".parse().unwrap(), ..own.clone() },
        BackupPath { database: "other".parse().unwrap(), ..own.clone() },
        BackupPath { id: other, ..own },
    ];
    for path in elsewhere {
        let error = StoredManifest::parse_at(bytes.clone(), &path).unwrap_err();
        assert_eq!(error.kind(), Kind::Integrity);
        assert!(
            error.chain().contains("it is of shop/20261121T021700Z-7f3a9c (daily), and lies elsewhere"),
            "{error:?}"
        );
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let newer = Manifest { format: 2, ..example() };
    let error = read(&newer.to_bytes(None, None)).unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
    assert!(error.chain().contains("archive format 2"), "{error:?}");
}

#[test]
fn a_manifest_that_is_cut_does_not_match_its_digest() {
    let bytes = example().to_bytes(None, None);
    let error = read(&bytes[..bytes.len() - 9]).unwrap_err();
    assert_eq!(error.chain(), "the manifest does not match its own digest");
}

#[test]
fn a_reader_ignores_fields_it_does_not_know() {
    let text = String::from_utf8(example().to_bytes(None, None)).unwrap();
    let text = text.replace("\"length\": 3,", "\"length\": 3, \"later\": 4,");
    let mut bytes = text.rsplit_once(",\n  \"sha256\"").unwrap().0.as_bytes().to_vec();
    bytes.extend_from_slice(b",\n  \"later\": {\"x\": 1}");
    tail::push_digest(&mut bytes);
    let stored = read(&bytes).unwrap();
    assert_eq!(stored.manifest, example());
    assert_eq!(stored.unknown_fields(), ["later", "script"]);
}

#[test]
fn only_the_backups_own_key_proves_its_manifest() {
    let key = DataKey::generate().unwrap();
    let bytes = sealed().to_bytes(Some(&key), None);
    let stored = read(&bytes).unwrap();
    stored.check_mac(&key).unwrap();
    assert_eq!(stored.check_mac(&DataKey::generate().unwrap()).unwrap_err().kind(), Kind::Integrity);
    // Somebody without the key changes a length and mends the digest.
    let mut forged = String::from_utf8(bytes).unwrap().replace("\"length\": 3", "\"length\": 4").into_bytes();
    forged.truncate(forged.windows(12).rposition(|window| window == b",\n  \"sha256\"").unwrap());
    tail::push_digest(&mut forged);
    let forged = read(&forged).unwrap();
    assert_eq!(forged.manifest.script[0].length, 4);
    assert_eq!(forged.check_mac(&key).unwrap_err().kind(), Kind::Integrity);
}

#[test]
fn seals_without_a_mac_and_a_mac_without_seals_are_refused() {
    let key = DataKey::generate().unwrap();
    let mut half = sealed();
    half.script.push(example().script.remove(0));
    let mut misnamed = sealed();
    misnamed.script[0].name = "dump-0000.sql.gz".into();
    for (what, bytes) in [
        ("no MAC", sealed().to_bytes(None, None)),
        ("no seals", example().to_bytes(Some(&key), None)),
        ("some seals", half.to_bytes(Some(&key), None)),
        ("a name that says otherwise", misnamed.to_bytes(Some(&key), None)),
    ] {
        assert_eq!(read(&bytes).unwrap_err().kind(), Kind::Integrity, "{what}");
    }
}

#[test]
fn readers_who_trust_signers_take_only_what_those_signed() {
    let (ours, other) = (Signer::new(&Secret::generate().unwrap()), Signer::new(&Secret::generate().unwrap()));
    let keys = OpenKeys { trusted_signers: vec![ours.public().clone()], ..OpenKeys::default() };
    let judge = |bytes: &[u8]| read(bytes).unwrap().judge(&keys, "shop/latest").map_err(|error| error.kind());
    assert_eq!(judge(&example().to_bytes(None, Some(&ours))), Ok(()));
    assert_eq!(judge(&example().to_bytes(None, Some(&other))), Err(Kind::Policy));
    assert_eq!(judge(&example().to_bytes(None, None)), Err(Kind::Policy));
    // A signature moved from another manifest.
    let mut moved = example();
    moved.script[0].length = 4;
    let signed = String::from_utf8(example().to_bytes(None, Some(&ours))).unwrap();
    let line = signed.lines().find(|line| line.contains("\"signature\"")).unwrap();
    let signature = line.split('"').nth(3).unwrap().parse().unwrap();
    let mut bytes = serde_json::to_vec_pretty(&moved).unwrap();
    bytes.truncate(bytes.len() - 2);
    tail::push_signature(&mut bytes, &signature);
    tail::push_digest(&mut bytes);
    assert_eq!(judge(&bytes), Err(Kind::Integrity));
}

#[test]
fn an_unencrypted_backup_is_refused_where_encryption_is_configured() {
    let stored = read(&example().to_bytes(None, None)).unwrap();
    let mut keys = OpenKeys { required: true, ..OpenKeys::default() };
    assert_eq!(stored.judge(&keys, "shop/latest").unwrap_err().kind(), Kind::Policy);
    keys.allow_unencrypted = true;
    stored.judge(&keys, "shop/latest").unwrap();
}
