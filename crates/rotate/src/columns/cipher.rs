//! AES-256-GCM under one key, with IVs of 12 and of 16 bytes.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::consts::U16;
use aes_gcm::{Aes256Gcm, AesGcm, KeyInit as _};
use lifeboat_core::keys::Secret;
use zeroize::Zeroizing;

/// Bytes of every tag.
pub(super) const TAG_BYTES: usize = 16;

/// A key, expanded once: the schedule is big, so it is used for every value and not made for each. Cleared when dropped.
pub(crate) struct Cipher {
    /// What NIST SP 800-38D is made for.
    twelve: Aes256Gcm,
    /// What `randomBytes(16)` makes: the counter block is a GHASH of the IV.
    sixteen: AesGcm<Aes256, U16>,
}

impl Cipher {
    /// A cipher on the heap: it has some 2 KiB, and moving it from there leaves no copy behind.
    pub(crate) fn new(key: &Secret) -> Box<Self> {
        Box::new(Self { twelve: Aes256Gcm::new(key.expose().into()), sixteen: AesGcm::new(key.expose().into()) })
    }

    /// The plaintext, if key, IV, AAD, ciphertext and tag belong together.
    pub(crate) fn open(&self, iv: &[u8], aad: &[u8], ct: &[u8], tag: &[u8; TAG_BYTES]) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(ct.to_vec());
        let opened = match iv.len() {
            12 => opened_in_place(&self.twelve, iv, aad, &mut text, tag),
            16 => opened_in_place(&self.sixteen, iv, aad, &mut text, tag),
            _ => None,
        };
        opened.map(|()| text)
    }

    /// Ciphertext and tag. The IV was never used with this key before.
    pub(crate) fn seal(&self, iv: &[u8], aad: &[u8], plaintext: &[u8]) -> Option<(Vec<u8>, [u8; TAG_BYTES])> {
        // Plaintext until the cipher is through, and cleared should it fail.
        let mut text = Zeroizing::new(plaintext.to_vec());
        let tag = match iv.len() {
            12 => sealed_in_place(&self.twelve, iv, aad, &mut text),
            16 => sealed_in_place(&self.sixteen, iv, aad, &mut text),
            _ => None,
        };
        tag.map(|tag| (std::mem::take(&mut *text), tag))
    }
}

fn opened_in_place(
    cipher: &impl AeadInOut,
    iv: &[u8],
    aad: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Option<()> {
    let tag = tag.as_slice().try_into().ok()?;
    cipher.decrypt_inout_detached(iv.try_into().ok()?, aad, text.into(), tag).ok()
}

fn sealed_in_place(cipher: &impl AeadInOut, iv: &[u8], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
    let tag = cipher.encrypt_inout_detached(iv.try_into().ok()?, aad, text.into()).ok()?;
    tag.as_slice().try_into().ok()
}
