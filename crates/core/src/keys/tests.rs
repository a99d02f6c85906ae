//! Keys together: what one wraps, another opens or does not.

use std::sync::Arc;

use super::{
    DataKey, KeyId, KeyWrap, OpenKeys, Recipient, RecipientKey, SealKeys, Secret, Signature, Signer, SignerKey,
    SymmetricKey, Wrap, WrapCipher,
};
use crate::error::{Error, Kind, Result};

const OWNER: &str = "20261121T021700Z-7f3a9c";
const OTHER: &str = "20261122T021700Z-7f3a9c";

fn secret(byte: u8) -> Secret {
    Secret::copied(&[byte; 32])
}

fn hex32(text: &str) -> Secret {
    Secret::filled(|bytes| hex::decode_to_slice(text, bytes)).unwrap()
}

fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

fn symmetric(name: &str, byte: u8) -> Arc<SymmetricKey> {
    Arc::new(SymmetricKey::new(id(name), secret(byte)))
}

fn data_key() -> DataKey {
    DataKey::from_secret(secret(0xda))
}

/// Wraps in a folder: names and bytes.
struct Folder(Vec<(KeyId, Vec<u8>)>);

impl Folder {
    async fn wrapped(keys: &[&dyn KeyWrap]) -> Self {
        let mut wraps = Vec::new();
        for key in keys {
            let wrap = key.wrap(&data_key(), OWNER).await.unwrap();
            wraps.push((wrap.key.clone(), wrap.to_bytes()));
        }
        Self(wraps)
    }

    async fn opened_by(&self, keys: &OpenKeys) -> Result<(DataKey, KeyId)> {
        let ids: Vec<_> = self.0.iter().map(|(id, _)| id.clone()).collect();
        keys.open(OWNER, &ids, |id| async move {
            let found = self.0.iter().find(|(known, _)| *known == id);
            found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| Error::new(Kind::NotFound, "fetch a wrap"))
        })
        .await
    }
}

fn open_keys(keys: Vec<Arc<dyn KeyWrap>>) -> OpenKeys {
    OpenKeys { keys, required: true, ..OpenKeys::default() }
}

#[tokio::test]
async fn every_key_opens_what_it_wrapped_and_names_itself() {
    let (old, new) = (symmetric("2026-10", 1), symmetric("2026-11", 2));
    let private = Arc::new(RecipientKey::new(secret(3)).unwrap());
    let folder = Folder::wrapped(&[old.as_ref(), new.as_ref(), private.recipient()]).await;
    let recipient = private.id().clone();
    for (key, name) in [(old as Arc<dyn KeyWrap>, id("2026-10")), (new, id("2026-11")), (private, recipient)] {
        let (opened, by) = folder.opened_by(&open_keys(vec![key])).await.unwrap();
        assert!(opened.is(&data_key()));
        assert_eq!(by, name);
    }
}

#[tokio::test]
async fn two_wraps_of_one_data_key_differ() {
    let (key, recipient) = (symmetric("a", 1), RecipientKey::new(secret(3)).unwrap());
    for key in [key.as_ref() as &dyn KeyWrap, recipient.recipient()] {
        assert_ne!(key.wrap(&data_key(), OWNER).await.unwrap(), key.wrap(&data_key(), OWNER).await.unwrap());
    }
}

#[tokio::test]
async fn a_stranger_learns_which_keys_would_open_a_backup() {
    let folder = Folder::wrapped(&[symmetric("2026-10", 1).as_ref(), symmetric("2026-11", 2).as_ref()]).await;
    let none = folder.opened_by(&OpenKeys::default()).await.unwrap_err();
    assert_eq!(none.kind(), Kind::WrongKey);
    assert_eq!(none.to_string(), format!("open {OWNER}: it is encrypted, and there is no key to open it with"));
    assert_eq!(none.help(), Some("it opens with 2026-10, 2026-11; --keyring says where keys are"));
    let other = folder.opened_by(&open_keys(vec![symmetric("2025-01", 1)])).await.unwrap_err();
    assert_eq!((other.kind(), other.help()), (Kind::WrongKey, none.help()));
    assert_eq!(other.to_string(), format!("open {OWNER}: no key at hand does; at hand are 2025-01"));
}

#[tokio::test]
async fn a_retired_key_stays_closed_and_says_which_option_opens_it() {
    let folder = Folder::wrapped(&[symmetric("2026-10", 1).as_ref()]).await;
    let keys = OpenKeys { retired: vec![id("2026-10")], ..open_keys(vec![symmetric("2026-11", 2)]) };
    let error = folder.opened_by(&keys).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (Kind::WrongKey, format!("open {OWNER}: the key 2026-10 is retired"))
    );
    assert!(error.help().unwrap().contains("--allow-retired"));
}

#[tokio::test]
async fn another_key_under_the_same_id_is_a_wrong_key() {
    let folder = Folder::wrapped(&[symmetric("2026-11", 1).as_ref()]).await;
    let error = folder.opened_by(&open_keys(vec![symmetric("2026-11", 2)])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::WrongKey);
    assert!(error.to_string().contains("this is not the key 2026-11 that wrapped it"), "{error}");
}

#[tokio::test]
async fn a_recipient_cannot_open_what_it_wrapped() {
    let recipient = RecipientKey::new(secret(3)).unwrap().recipient().clone();
    let folder = Folder::wrapped(&[&recipient]).await;
    let error = folder.opened_by(&open_keys(vec![Arc::new(recipient)])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::WrongKey);
    assert!(error.to_string().ends_with("can only encrypt"), "{error}");
}

#[tokio::test]
async fn a_backup_whose_wraps_are_gone_is_damaged() {
    let error = Folder(Vec::new()).opened_by(&open_keys(vec![symmetric("a", 1)])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity);
    assert!(error.to_string().ends_with("no wrap of its key is left"), "{error}");
}

#[tokio::test]
async fn one_damaged_wrap_does_not_close_a_backup_that_another_opens() {
    let (old, new) = (symmetric("2026-10", 1), symmetric("2026-11", 2));
    let mut folder = Folder::wrapped(&[old.as_ref(), new.as_ref()]).await;
    folder.0[0].1.truncate(20);
    let (_, by) = folder.opened_by(&open_keys(vec![old.clone(), new])).await.unwrap();
    assert_eq!(by, id("2026-11"));
    let error = folder.opened_by(&open_keys(vec![old])).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Integrity);
}

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

/// The base-mode vector of RFC 9180 for DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, from the authors' file of
/// test vectors (the printed appendix shows other AEADs).
#[test]
fn a_message_of_rfc_9180_opens() {
    let private = RecipientKey::new(hex32("497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d")).unwrap();
    let public = "x25519:430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c";
    assert_eq!(private.recipient().to_string(), public);
    let enc = hex32("6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256");
    let mut message =
        hex::decode("e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9931980a41de125a925cdad859d5b7a")
            .unwrap();
    let tag = message.split_off(29);
    let info = hex::decode("4f6465206f6e2061204772656369616e2055726e").unwrap();
    private.open_in_place(enc.expose(), &info, b"Count-0", &mut message, &tag).unwrap();
    assert_eq!(message, b"Beauty is truth, truth beauty");
}

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

#[test]
fn an_unencrypted_backup_is_refused_where_keys_are_configured() {
    let mut keys = OpenKeys::default();
    assert!(keys.judge_unencrypted("shop/x").is_ok());
    keys.required = true;
    let error = keys.judge_unencrypted("shop/x").unwrap_err();
    assert_eq!(error.kind(), Kind::Policy);
    assert!(error.help().unwrap().contains("--allow-unencrypted"));
    keys.allow_unencrypted = true;
    assert!(keys.judge_unencrypted("shop/x").is_ok());
}

#[tokio::test]
async fn a_backup_is_sealed_with_one_key_at_least_and_each_once() {
    assert_eq!(SealKeys::new(Vec::new(), None).unwrap_err().kind(), Kind::Config);
    let key = symmetric("2026-11", 1);
    let one = SealKeys::new(vec![key.clone(), key.clone()], None).unwrap();
    assert_eq!(one.wrap(&data_key(), OWNER).await.unwrap().len(), 1);
    let warning = one.single_wrap_warning().unwrap();
    assert!(warning.contains("2026-11") && warning.contains("recipient"), "{warning}");
    let recipient = RecipientKey::new(secret(3)).unwrap().recipient().clone();
    assert_eq!(SealKeys::new(vec![key, Arc::new(recipient)], None).unwrap().single_wrap_warning(), None);
}

#[test]
fn public_keys_are_read_as_they_are_written_and_a_private_key_is_not_repeated() {
    let recipient = RecipientKey::new(secret(3)).unwrap().recipient().clone();
    assert_eq!(recipient.to_string().parse::<Recipient>().unwrap(), recipient);
    let signer = Signer::new(&secret(3)).public().clone();
    assert_eq!(signer.to_string().parse::<SignerKey>().unwrap(), signer);
    let cases = ["03".repeat(32), format!("x25519:{}", "03".repeat(31)), "x25519:zz03".to_owned(), String::new()];
    for text in cases {
        for error in [text.parse::<Recipient>().unwrap_err(), text.parse::<SignerKey>().unwrap_err()] {
            assert_eq!(error.kind(), Kind::Config);
            assert!(!format!("{error:?}{:?}", error.help()).contains("0303"), "{error:?}");
        }
    }
    let nobody = format!("x25519:{}", "00".repeat(32));
    assert_eq!(nobody.parse::<Recipient>().unwrap_err().kind(), Kind::Config);
    let weak = format!("ed25519:{}{}", "01", "00".repeat(31));
    assert_eq!(weak.parse::<SignerKey>().unwrap_err().kind(), Kind::Config);
}

#[tokio::test]
async fn a_recipient_to_whom_nothing_can_be_sealed_is_refused() {
    let error = Recipient::new([0; 32]).wrap(&data_key(), OWNER).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Config);
}

/// The canary: key material of every type, under every way in which a value is printed.
#[tokio::test]
async fn nothing_that_is_printed_holds_key_material() {
    let canary = || Secret::filled(|bytes| hex::decode_to_slice("c5a91e77".repeat(8), bytes)).unwrap();
    let key = Arc::new(SymmetricKey::new(id("a"), canary()));
    let (private, signer) = (Arc::new(RecipientKey::new(canary()).unwrap()), Arc::new(Signer::new(&canary())));
    let text = format!(
        "[[key]]\nid = \"a\"\nkind = \"aes256\"\nsecret = \"{}\"\n\n[[key]]\nid = \"a\"\nkind = \"ed25519\"\nsecret = \
         \"{0}\"\n",
        hex::encode(canary().expose())
    );
    let keyring = super::Keyring::parse(&text.replacen("\"a\"", "\"b\"", 1), "x").unwrap();
    let seal = SealKeys::new(vec![key.clone(), private.clone()], Some(signer.clone())).unwrap();
    let wraps = seal.wrap(&DataKey::from_secret(canary()), OWNER).await.unwrap();
    let (mut stored, mut sealer) = (Vec::new(), DataKey::from_secret(canary()).sealer(OWNER, "x").unwrap());
    let sealer_text = format!("{sealer:?}");
    sealer.push(b"x", &mut stored);
    let mut printed = vec![
        format!("{:?} {:?} {key:?} {private:?} {signer:?}", canary(), DataKey::from_secret(canary())),
        format!("{keyring:?} {:?} {:?} {seal:?}", keyring.open_keys(true), keyring.seal_keys(&[])),
        format!("{:?} {} {}", wraps, private.recipient(), signer.public()),
        wraps.iter().map(|wrap| String::from_utf8(wrap.to_bytes()).unwrap()).collect(),
        key.fingerprint() + &sealer_text,
        format!("{:?}", super::Keyring::parse(&text, "x").unwrap_err()),
        format!("{:?}", super::Keyring::parse(&text.replace("\"a\"", "\"c"), "x").unwrap_err()),
        format!("{:?}", super::Keyring::parse(&text.replace("c5a91e77c5", "c5a91e77"), "x").unwrap_err()),
    ];
    for wrap in &wraps {
        let stranger = SymmetricKey::new(wrap.key.clone(), secret(9)).unwrap(wrap).await.unwrap_err();
        printed.push(format!("{stranger:?} {stranger} {:?}", stranger.help()));
    }
    let forms = [
        hex::encode(&canary().expose()[..4]),
        hex::encode_upper(&canary().expose()[..4]),
        "197, 169, 30, 119".to_owned(),
        "xakedw".to_owned(),
        "xakedxakedx".to_owned(),
    ];
    for text in printed {
        assert!(forms.iter().all(|form| !text.contains(form)), "{text}");
    }
}
