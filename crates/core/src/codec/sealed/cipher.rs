//! The keys of one message, and its chunks one by one.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use zeroize::Zeroizing;

use super::header::{COMMITMENT_BYTES, Header, SALT_BYTES};
use super::kdf::expand;
use super::{CHUNK_BYTES, MAX_CHUNKS, TAG_BYTES};
use crate::error::{Error, Kind, Result};

/// Seals and opens the chunks of one message. Its keys are cleared when it is dropped.
pub(super) struct ChunkCipher {
    cipher: Aes256Gcm,
    base_nonce: Zeroizing<[u8; NONCE_BYTES]>,
}

impl ChunkCipher {
    /// The cipher of the message with this key, context and salt, and the header it has.
    pub(super) fn derive(key: &[u8; KEY_BYTES], context: &[u8], salt: [u8; SALT_BYTES]) -> (Self, Header) {
        let mut derived = Zeroizing::new([0; KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES]);
        expand(key, &[LABEL, &salt, context], derived.as_mut_slice());
        let (cipher_key, rest) = derived.split_at(KEY_BYTES);
        let (base_nonce, commitment) = rest.split_at(NONCE_BYTES);
        let cipher = Aes256Gcm::new(cipher_key.try_into().expect("it was split at a key's length"));
        let mut header = Header { salt, commitment: [0; COMMITMENT_BYTES] };
        header.commitment.copy_from_slice(commitment);
        let mut this = Self { cipher, base_nonce: Zeroizing::default() };
        this.base_nonce.copy_from_slice(base_nonce);
        (this, header)
    }

    /// The cipher of the message with this header, when key and context are its own.
    pub(super) fn proven(key: &[u8; KEY_BYTES], context: &[u8], header: &Header) -> Result<Self> {
        let (cipher, derived) = Self::derive(key, context, header.salt);
        if derived == *header {
            return Ok(cipher);
        }
        Err(Error::new(
            Kind::Integrity,
            "open a sealed object: its commitment is not to this data key and this place; it was sealed under another \
             key, for another place, or its first bytes are damaged",
        ))
    }

    /// Seals a chunk in place and gives its tag.
    pub(super) fn seal(&self, index: u64, chunk: &mut [u8]) -> [u8; TAG_BYTES] {
        assert!(index < MAX_CHUNKS, "a message has at most 4 PiB");
        self.cipher
            .encrypt_inout_detached(&self.nonce(index), b"", chunk.into())
            .expect("a chunk is far shorter than what AES-GCM allows")
            .into()
    }

    /// Opens a stored chunk (its tag is the end of it) that was put at `start` of `out`, and takes the tag away. Takes
    /// all of it away when it is not authentic.
    pub(super) fn open(&self, index: u64, out: &mut Vec<u8>, start: usize) -> Result<()> {
        let end = out.len() - TAG_BYTES;
        let (chunk, tag) = out[start..].split_at_mut(end - start);
        debug_assert!(chunk.len() <= CHUNK_BYTES, "cut into chunks by the caller");
        let tag = Tag::try_from(&*tag).expect("it was split at a tag's length");
        let authentic = index < MAX_CHUNKS
            && self.cipher.decrypt_inout_detached(&self.nonce(index), b"", chunk.into(), &tag).is_ok();
        out.truncate(if authentic { end } else { start });
        if authentic { Ok(()) } else { Err(not_authentic(index)) }
    }

    /// A counter is no danger: each message has a key of its own, and each of its chunks another count.
    fn nonce(&self, index: u64) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = *self.base_nonce;
        for (byte, count) in nonce[NONCE_BYTES - 8..].iter_mut().zip(index.to_be_bytes()) {
            *byte ^= count;
        }
        nonce.into()
    }
}

fn not_authentic(index: u64) -> Error {
    let first = index.saturating_mul(CHUNK_BYTES as u64);
    let text =
        format!("open a sealed object: chunk {index} (from byte {first} of what was sealed) is damaged, moved or cut");
    Error::new(Kind::Integrity, text)
}

pub(super) const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// The standard's name and version, the cipher's registered name, and what ends it.
const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";
