//! A recipient: a public key that can only encrypt.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, Kem, OpModeS, Serializable as _};

use super::data_key::DataKey;
use super::key_id::KeyId;
use super::key_wrap::KeyWrap;
use super::secret::Secret;
use super::wrap::{Wrap, WrapCipher, context};
use crate::error::{Error, Kind, Result, ResultExt};

/// An X25519 public key, written `x25519:<64 hexadecimal digits>`. It wraps (HPKE base mode, RFC 9180) and cannot
/// unwrap: a host that has only recipients cannot read what it wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    id: KeyId,
    key: [u8; 32],
}

impl Recipient {
    /// A recipient from its public key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { id: KeyId::of_public_key(&key), key }
    }

    fn seal(&self, key: &DataKey, context: &[u8]) -> Result<WrapCipher, hpke::HpkeError> {
        let public = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&self.key)?;
        let mut wrapped = [0; 48];
        let (body, end) = wrapped.split_at_mut(Secret::BYTES);
        body.copy_from_slice(key.secret().expose());
        let (enc, tag) = hpke::single_shot_seal_inout_detached::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public,
            context,
            (&mut *body).into(),
            b"",
        )
        .inspect_err(|_| zeroize::Zeroize::zeroize(body))?;
        end.copy_from_slice(&tag.to_bytes());
        Ok(WrapCipher::Hpke { enc: enc.to_bytes().into(), wrapped })
    }
}

#[async_trait]
impl KeyWrap for Recipient {
    fn id(&self) -> &KeyId {
        &self.id
    }

    async fn wrap(&self, key: &DataKey, owner: &str) -> Result<Wrap> {
        let cipher = self
            .seal(key, &context(owner, &self.id))
            .kind_of(Kind::Config, || format!("encrypt to the recipient {}", self.id))?;
        Ok(Wrap { backup: owner.to_owned(), key: self.id.clone(), cipher })
    }

    async fn unwrap(&self, wrap: &Wrap) -> Result<DataKey> {
        let doing = format!("unwrap the data key of {}: the recipient {} can only encrypt", wrap.backup, self.id);
        Err(Error::new(Kind::WrongKey, doing).hint("give a keyring that holds the recipient's private key"))
    }
}

impl FromStr for Recipient {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let recipient = public_key(text, "x25519", "a recipient").map(Self::new)?;
        // A few points are no public key of anybody: better told now than when a backup is under way.
        match recipient.seal(&DataKey::generate()?, b"") {
            Ok(_) => Ok(recipient),
            Err(_) => Err(Error::new(Kind::Config, "read a recipient: it is no public key that can be encrypted to")
                .hint("`lifeboat key recipient` prints the one of a keyring")),
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x25519:{}", hex::encode(self.key))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({self})")
    }
}

/// The 32 bytes of `<kind>:<64 hexadecimal digits>`. What does not read so may be a private key that was put in the wrong
/// place: it is not repeated.
pub(super) fn public_key(text: &str, kind: &str, what: &str) -> Result<[u8; 32]> {
    let fail = |why: String| {
        Error::new(Kind::Config, format!("read {what}: {why}"))
            .hint(format!("{what} is written {kind}: and 64 hexadecimal digits"))
    };
    let digits = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix(':'));
    let digits = digits.ok_or_else(|| fail(format!("it does not begin with {kind}:")))?;
    let mut key = [0; 32];
    match hex::decode_to_slice(digits, &mut key) {
        Ok(()) => Ok(key),
        Err(hex::FromHexError::InvalidHexCharacter { .. }) => {
            Err(fail("not all of it is hexadecimal digits".to_owned()))
        }
        Err(_) => Err(fail(format!("it has {} digits", digits.chars().count()))),
    }
}
