//! A symmetric key-encryption key: AES-256-GCM with a random nonce.

use std::fmt;

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes256Gcm, KeyInit as _};
use async_trait::async_trait;
use sha2::Sha256;

use super::data_key::DataKey;
use super::key_id::KeyId;
use super::key_wrap::KeyWrap;
use super::secret::Secret;
use super::wrap::{AES256_GCM, Wrap, WrapCipher, context};
use crate::error::{Error, Kind, Result};

/// An `aes256` key of a keyring. It may wrap 2^32 data keys, for its nonces are random.
pub struct SymmetricKey {
    id: KeyId,
    secret: Secret,
}

impl SymmetricKey {
    /// A key with its id.
    #[must_use]
    pub fn new(id: KeyId, secret: Secret) -> Self {
        Self { id, secret }
    }

    /// 16 hexadecimal digits by which people compare keys: the beginning of an HMAC-SHA-256 under the key. Whoever has
    /// them can test guesses of a key that was made from a short text.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        use hmac::{Hmac, Mac as _};
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose()).expect("HMAC takes keys of any length");
        mac.update(b"lifeboat/v1 key-fingerprint");
        hex::encode(&mac.finalize().into_bytes()[..8])
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(self.secret.expose().into())
    }
}

#[async_trait]
impl KeyWrap for SymmetricKey {
    fn id(&self) -> &KeyId {
        &self.id
    }

    async fn wrap(&self, key: &DataKey, owner: &str) -> Result<Wrap> {
        let mut nonce = [0; 12];
        getrandom::fill(&mut nonce).map_err(|e| Error::new(Kind::Failure, "draw a random nonce").caused_by(e))?;
        let wrapped = sealed(&self.cipher(), &nonce, &context(owner, &self.id), key);
        let cipher = WrapCipher::Aes256Gcm { nonce, wrapped };
        Ok(Wrap { backup: owner.to_owned(), key: self.id.clone(), cipher })
    }

    async fn unwrap(&self, wrap: &Wrap) -> Result<DataKey> {
        let WrapCipher::Aes256Gcm { nonce, wrapped } = &wrap.cipher else {
            return Err(other_algorithm(wrap, AES256_GCM));
        };
        let context = context(&wrap.backup, &self.id);
        let secret = Secret::filled(|bytes| opened(&self.cipher(), nonce, &context, wrapped, bytes));
        secret.map(DataKey::from_secret).map_err(|_| {
            let doing =
                format!("unwrap the data key of {}: this is not the key {} that wrapped it", wrap.backup, self.id);
            let hint =
                format!("a keyring holds another key under the id {}; if it does not, the wrap is damaged", self.id);
            Error::new(Kind::WrongKey, doing).hint(hint)
        })
    }
}

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SymmetricKey({})", self.id)
    }
}

fn sealed(cipher: &Aes256Gcm, nonce: &[u8; 12], context: &[u8], key: &DataKey) -> [u8; 48] {
    let mut wrapped = [0; 48];
    let (body, end) = wrapped.split_at_mut(Secret::BYTES);
    body.copy_from_slice(key.secret().expose());
    let tag = cipher.encrypt_inout_detached(nonce.into(), context, body.into());
    end.copy_from_slice(&tag.expect("32 bytes are not too long"));
    wrapped
}

fn opened(
    cipher: &Aes256Gcm,
    nonce: &[u8; 12],
    context: &[u8],
    wrapped: &[u8; 48],
    bytes: &mut [u8; Secret::BYTES],
) -> Result<(), aes_gcm::Error> {
    let (body, tag) = wrapped.split_at(Secret::BYTES);
    bytes.copy_from_slice(body);
    cipher.decrypt_inout_detached(
        nonce.into(),
        context,
        bytes.as_mut_slice().into(),
        tag.try_into().expect("16 bytes are left"),
    )
}

/// The error of a wrap that another kind of key made.
pub(super) fn other_algorithm(wrap: &Wrap, ours: &str) -> Error {
    let found = wrap.cipher.algorithm();
    Error::new(Kind::Integrity, format!("unwrap {:?} with the key {}, which makes {ours}", found, wrap.key))
}
