//! The canary for keys: no way of printing a value shows one.

use std::sync::Arc;

use super::{OWNER, id, secret};
use crate::keys::{DataKey, KeyWrap, Keyring, RecipientKey, SealKeys, Secret, Signer, SymmetricKey};

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
    let keyring = Keyring::parse(&text.replacen("\"a\"", "\"b\"", 1), "x").unwrap();
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
        format!("{:?}", Keyring::parse(&text, "x").unwrap_err()),
        format!("{:?}", Keyring::parse(&text.replace("\"a\"", "\"c"), "x").unwrap_err()),
        format!("{:?}", Keyring::parse(&text.replace("c5a91e77c5", "c5a91e77"), "x").unwrap_err()),
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
