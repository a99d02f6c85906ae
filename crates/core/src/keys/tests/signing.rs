//! Signatures, and whose are trusted.

use super::{hex32, secret};
use crate::error::Kind;
use crate::keys::{OpenKeys, Signature, Signer};

/// RFC 8032, section 7.1, tests 1 to 3.
#[test]
fn the_messages_of_rfc_8032_are_signed_and_verified() {
    let vectors = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (seed, public, message, signature) in vectors {
        let (signer, message) = (Signer::new(&hex32(seed)), hex::decode(message).unwrap());
        let made = signer.sign(&message);
        assert_eq!(hex::encode(made.bytes), signature);
        assert_eq!(signer.public().to_string(), format!("ed25519:{public}"));
        assert!(signer.public().verifies(&message, &made));
    }
}

#[test]
fn a_signature_is_read_as_it_is_written_and_in_no_other_way() {
    let made = Signer::new(&secret(5)).sign(b"x");
    let text = made.to_string();
    assert_eq!((text.len(), text.parse::<Signature>().unwrap()), (16 + 1 + 128, made));
    for damaged in
        [text.to_uppercase(), text.replace(' ', "  "), text[..144].to_owned(), format!("{text}0"), String::new()]
    {
        assert_eq!(damaged.parse::<Signature>().unwrap_err().kind(), Kind::Integrity);
    }
}

#[test]
fn only_trusted_authors_are_read_where_any_are_named() {
    let (ours, other) = (Signer::new(&secret(5)), Signer::new(&secret(6)));
    let keys = OpenKeys { trusted_signers: vec![ours.public().clone()], ..OpenKeys::default() };
    let judged = |signature: Option<Signature>| keys.judge_author("shop/x", b"manifest", signature.as_ref());
    assert!(judged(Some(ours.sign(b"manifest"))).is_ok());
    let unsigned = judged(None).unwrap_err();
    assert_eq!(unsigned.kind(), Kind::Policy);
    assert!(unsigned.help().unwrap().contains("trusted_signers"));
    assert!(unsigned.help().unwrap().contains("--allow-unsigned"));
    let lenient = OpenKeys { allow_unsigned: true, ..keys.clone() };
    assert!(lenient.judge_author("shop/x", b"manifest", None).is_ok());
    let foreign = lenient.judge_author("shop/x", b"manifest", Some(&other.sign(b"manifest")));
    assert_eq!(foreign.unwrap_err().kind(), Kind::Policy, "what a stranger signed is not unsigned");
    let foreign = judged(Some(other.sign(b"manifest"))).unwrap_err();
    assert_eq!(foreign.kind(), Kind::Policy);
    assert!(foreign.to_string().contains(other.public().id().as_str()));
    assert_eq!(judged(Some(ours.sign(b"another"))).unwrap_err().kind(), Kind::Integrity);
    let posing = Signature { signer: ours.public().id().clone(), ..other.sign(b"manifest") };
    assert_eq!(judged(Some(posing)).unwrap_err().kind(), Kind::Integrity);
    assert!(OpenKeys::default().judge_author("shop/x", b"manifest", None).is_ok());
}
