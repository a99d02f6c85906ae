//! Wraps as they are stored, and everything that is none.

use super::{OTHER, OWNER, data_key, id, secret, symmetric};
use crate::error::Kind;
use crate::keys::{KeyWrap, RecipientKey, Wrap, WrapCipher};

#[tokio::test]
async fn a_wrap_cut_anywhere_or_continued_is_refused() {
    let (key, private) = (symmetric("a", 1), RecipientKey::new(secret(3)).unwrap());
    for key in [key.as_ref() as &dyn KeyWrap, &private] {
        let bytes = key.wrap(&data_key(), OWNER).await.unwrap().to_bytes();
        let document = bytes.trim_ascii_end();
        for end in 0..document.len() {
            let error = Wrap::parse(&document[..end], OWNER, key.id()).unwrap_err();
            assert_eq!(error.kind(), Kind::Integrity, "cut to {end} bytes");
            assert_eq!(error.to_string(), format!("read keys/{}.json of {OWNER}", key.id()));
        }
        for tail in [&b"}"[..], b"{}", b"x", b"\0"] {
            assert!(Wrap::parse(&[document, tail].concat(), OWNER, key.id()).is_err());
        }
        assert!(Wrap::parse(&vec![b' '; 1 << 20], OWNER, key.id()).is_err());
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_in_a_wrap_never_opens() {
    let (key, private) = (symmetric("a", 1), RecipientKey::new(secret(3)).unwrap());
    for key in [key.as_ref() as &dyn KeyWrap, &private] {
        let bytes = key.wrap(&data_key(), OWNER).await.unwrap().to_bytes();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            let Ok(wrap) = Wrap::parse(&flipped, OWNER, key.id()) else { continue };
            match key.unwrap(&wrap).await {
                Ok(opened) => assert!(opened.is(&data_key()) && wrap.to_bytes() == bytes, "byte {at}"),
                Err(error) => assert!([Kind::WrongKey, Kind::Integrity].contains(&error.kind()), "{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_wrap_of_another_backup_or_of_another_name_is_refused() {
    let key = symmetric("a", 1);
    let bytes = key.wrap(&data_key(), OWNER).await.unwrap().to_bytes();
    let moved = Wrap::parse(&bytes, OTHER, key.id()).unwrap_err();
    assert_eq!(moved.kind(), Kind::Integrity);
    assert!(moved.chain().ends_with(&format!("accept the wrap: it is of {OWNER:?}")), "{moved:?}");
    let renamed = Wrap::parse(&bytes, OWNER, &id("b")).unwrap_err();
    assert_eq!(renamed.kind(), Kind::Integrity);
    assert!(renamed.chain().ends_with("it is of the key \"a\""), "{renamed:?}");
}

#[tokio::test]
async fn a_wrap_that_was_edited_to_fit_another_place_does_not_open() {
    let (key, private) = (symmetric("a", 1), RecipientKey::new(secret(3)).unwrap());
    let mut wrap = key.wrap(&data_key(), OWNER).await.unwrap();
    wrap.backup = OTHER.to_owned();
    assert_eq!(key.unwrap(&wrap).await.unwrap_err().kind(), Kind::WrongKey);
    assert_eq!(symmetric("b", 1).unwrap(&wrap).await.unwrap_err().kind(), Kind::WrongKey);
    let mut wrap = private.wrap(&data_key(), OWNER).await.unwrap();
    wrap.backup = OTHER.to_owned();
    assert_eq!(private.unwrap(&wrap).await.unwrap_err().kind(), Kind::Integrity);
}

#[tokio::test]
async fn a_wrap_of_another_algorithm_or_format_is_refused_by_name() {
    let private = RecipientKey::new(secret(3)).unwrap();
    let wrap = Wrap { key: id("a"), ..private.wrap(&data_key(), OWNER).await.unwrap() };
    let error = symmetric("a", 1).unwrap(&wrap).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity);
    assert!(error.to_string().contains("hpke-x25519"), "{error}");
    let newer = String::from_utf8(wrap.to_bytes()).unwrap().replace("\"format\": 1", "\"format\": 2");
    assert_eq!(Wrap::parse(newer.as_bytes(), OWNER, &id("a")).unwrap_err().kind(), Kind::Config);
}

#[test]
fn a_wrap_reads_as_the_format_says() {
    let wrap = Wrap {
        backup: OWNER.to_owned(),
        key: id("2026-11"),
        cipher: WrapCipher::Aes256Gcm { nonce: [0xab; 12], wrapped: [0xcd; 48] },
    };
    let expected = format!(
        "{{\n  \"format\": 1,\n  \"backup\": \"{OWNER}\",\n  \"key\": \"2026-11\",\n  \"algorithm\": \"aes256-gcm\",\n  \
         \"nonce\": \"{}\",\n  \"wrapped\": \"{}\"\n}}\n",
        "ab".repeat(12),
        "cd".repeat(48)
    );
    assert_eq!(String::from_utf8(wrap.to_bytes()).unwrap(), expected);
    assert_eq!(Wrap::parse(expected.as_bytes(), OWNER, &id("2026-11")).unwrap(), wrap);
    let later = expected.replace("\"nonce\"", "\"later\": {\"x\": 1},\n  \"nonce\"");
    assert_eq!(Wrap::parse(later.as_bytes(), OWNER, &id("2026-11")).unwrap(), wrap);
    for (from, to) in [("abab", "ABAB"), ("abab", "ab"), ("\"nonce\"", "\"once\""), ("abab", "zzab")] {
        let damaged = expected.replacen(from, to, 1);
        assert_eq!(Wrap::parse(damaged.as_bytes(), OWNER, &id("2026-11")).unwrap_err().kind(), Kind::Integrity);
    }
}

#[test]
fn a_wrap_of_an_algorithm_from_elsewhere_is_kept_as_it_is() {
    let json = format!(
        "{{\"format\": 1, \"backup\": \"{OWNER}\", \"key\": \"kms\", \"algorithm\": \"x-kms\", \"blob\": \"AA==\"}}"
    );
    let wrap = Wrap::parse(json.as_bytes(), OWNER, &id("kms")).unwrap();
    assert_eq!(wrap.cipher.algorithm(), "x-kms");
    assert_eq!(Wrap::parse(&wrap.to_bytes(), OWNER, &id("kms")).unwrap(), wrap);
}
