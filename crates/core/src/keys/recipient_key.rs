//! The private half of a recipient.

use std::fmt;

use async_trait::async_trait;
use hpke::aead::{AeadTag, AesGcm256};
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable as _, HpkeError, Kem, OpModeR, Serializable as _};

use super::data_key::DataKey;
use super::key_id::KeyId;
use super::key_wrap::KeyWrap;
use super::recipient::Recipient;
use super::secret::Secret;
use super::symmetric::other_algorithm;
use super::wrap::{HPKE, Wrap, WrapCipher, context};
use crate::error::{Error, Kind, Result, ResultExt};

/// An `x25519` key of a keyring: it opens what was wrapped to its [`Recipient`].
pub struct RecipientKey {
    public: Recipient,
    secret: Secret,
}

impl RecipientKey {
    /// The private key with these bytes.
    ///
    /// # Errors
    /// [`Kind::Config`] when X25519 does not take them.
    pub fn new(secret: Secret) -> Result<Self> {
        let private = private_key(&secret).kind_of(Kind::Config, || "use an x25519 key".into())?;
        let public = <X25519HkdfSha256 as Kem>::sk_to_pk(&private).to_bytes();
        Ok(Self { public: Recipient::new(public.into()), secret })
    }

    /// Its public half.
    #[must_use]
    pub fn recipient(&self) -> &Recipient {
        &self.public
    }

    fn open(&self, enc: &[u8; 32], wrapped: &[u8; 48], context: &[u8]) -> Result<Secret, HpkeError> {
        let (body, tag) = wrapped.split_at(Secret::BYTES);
        Secret::filled(|bytes| {
            bytes.copy_from_slice(body);
            self.open_in_place(enc, context, b"", bytes, tag)
        })
    }

    /// A message of HPKE base mode; on an error `message` holds nothing of use.
    pub(super) fn open_in_place(
        &self,
        enc: &[u8; 32],
        info: &[u8],
        aad: &[u8],
        message: &mut [u8],
        tag: &[u8],
    ) -> Result<(), HpkeError> {
        hpke::single_shot_open_inout_detached::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &private_key(&self.secret)?,
            &<X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(enc)?,
            info,
            message.into(),
            aad,
            &AeadTag::from_bytes(tag)?,
        )
    }
}

#[async_trait]
impl KeyWrap for RecipientKey {
    fn id(&self) -> &KeyId {
        self.public.id()
    }

    async fn wrap(&self, key: &DataKey, owner: &str) -> Result<Wrap> {
        self.public.wrap(key, owner).await
    }

    /// Fails with [`Kind::Integrity`] where a symmetric key would be a wrong one: the id is the key's own digest.
    async fn unwrap(&self, wrap: &Wrap) -> Result<DataKey> {
        let WrapCipher::Hpke { enc, wrapped } = &wrap.cipher else { return Err(other_algorithm(wrap, HPKE)) };
        let opened = self.open(enc, wrapped, &context(&wrap.backup, self.id()));
        opened.map(DataKey::from_secret).map_err(|_| {
            let doing =
                format!("unwrap the data key of {}: the wrap to the recipient {} is damaged", wrap.backup, wrap.key);
            Error::new(Kind::Integrity, doing)
        })
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecipientKey({})", self.public.id())
    }
}

/// hpke's own type clears itself when dropped.
fn private_key(secret: &Secret) -> Result<<X25519HkdfSha256 as Kem>::PrivateKey, HpkeError> {
    <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(secret.expose())
}
