//! Who signs manifests, and how readers know them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use super::key_id::KeyId;
use super::recipient::public_key;
use super::secret::Secret;
use super::signature::Signature;
use crate::error::{Error, Kind, Result, ResultExt};

/// An `ed25519` key of a keyring: it signs the manifests of the host that holds it.
pub struct Signer {
    // Clears itself when dropped. On the heap, so that moving the value leaves no copy behind.
    key: Box<SigningKey>,
    public: SignerKey,
}

/// An Ed25519 public key, written `ed25519:<64 hexadecimal digits>`: what readers trust.
#[derive(Clone, PartialEq, Eq)]
pub struct SignerKey {
    id: KeyId,
    key: VerifyingKey,
}

impl Signer {
    /// The signer with this seed, the private key of RFC 8032.
    #[must_use]
    pub fn new(secret: &Secret) -> Self {
        let key = Box::new(SigningKey::from_bytes(secret.expose()));
        let public = SignerKey::of(key.verifying_key());
        Self { key, public }
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &SignerKey {
        &self.public
    }

    /// The signature over these bytes; always the same for the same bytes.
    #[must_use]
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        Signature { signer: self.public.id.clone(), bytes: self.key.sign(bytes).to_bytes() }
    }
}

impl SignerKey {
    /// A public key from its bytes.
    ///
    /// # Errors
    /// [`Kind::Config`] when they are no point of the curve, or one under which a signature proves nothing.
    pub fn new(key: &[u8; 32]) -> Result<Self> {
        let key =
            VerifyingKey::from_bytes(key).kind_of(Kind::Config, || "read a signer: it is no Ed25519 key".into())?;
        if key.is_weak() {
            return Err(Error::new(Kind::Config, "read a signer: anybody can sign for this key"));
        }
        Ok(Self::of(key))
    }

    fn of(key: VerifyingKey) -> Self {
        Self { id: KeyId::of_public_key(key.as_bytes()), key }
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the public key.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key as other tools read it: a PEM file with the SubjectPublicKeyInfo of RFC 8410.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let spki = [ED25519_SPKI, self.key.as_bytes().as_slice()].concat();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki))
    }

    /// Whether this signer made the signature over these bytes.
    #[must_use]
    pub fn verifies(&self, bytes: &[u8], signature: &Signature) -> bool {
        let made = ed25519_dalek::Signature::from_bytes(&signature.bytes);
        signature.signer == self.id && self.key.verify_strict(bytes, &made).is_ok()
    }
}

impl FromStr for SignerKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(&public_key(text, "ed25519", "a signer")?)
    }
}

impl fmt::Display for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex::encode(self.key.as_bytes()))
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({self})")
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public.id)
    }
}

/// Everything before the key: SEQUENCE { SEQUENCE { OID 1.3.101.112 } BIT STRING }.
const ED25519_SPKI: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
