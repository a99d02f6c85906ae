//! The public halves of keys, and what is sealed to them.

use super::{OWNER, data_key, hex32, secret};
use crate::error::Kind;
use crate::keys::{KeyWrap, Recipient, RecipientKey, Signer, SignerKey};

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
