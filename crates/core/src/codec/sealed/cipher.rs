//! The keys of one message, and its chunks one by one.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::header::{COMMITMENT_BYTES, Header, SALT_BYTES};
use super::kdf::expand;
use super::{CHUNK_BYTES, MAX_CHUNKS, TAG_BYTES};
use crate::error::{Error, Kind, Result};

/// Seals and opens the chunks of one message. Its keys are cleared when it is dropped.
///
/// The AES-GCM is that of the crypto library which also serves TLS, for its speed: on one core of a server with AVX-512
/// three to four times that of the crate `aes-gcm`, which the tests hold against it.
pub(super) struct ChunkCipher {
    cipher: LessSafeKey,
    base_nonce: Zeroizing<[u8; NONCE_BYTES]>,
}

impl ChunkCipher {
    /// The cipher of the message with this key, context and salt, and the header it has.
    pub(super) fn derive(key: &[u8; KEY_BYTES], context: &[u8], salt: [u8; SALT_BYTES]) -> (Self, Header) {
        let mut derived = Zeroizing::new([0; KEY_BYTES + NONCE_BYTES + COMMITMENT_BYTES]);
        expand(key, &[LABEL, &salt, context], derived.as_mut_slice());
        let (cipher_key, rest) = derived.split_at(KEY_BYTES);
        let (base_nonce, commitment) = rest.split_at(NONCE_BYTES);
        let cipher_key = UnboundKey::new(&AES_256_GCM, cipher_key).expect("it was split at a key's length");
        let mut header = Header { salt, commitment: [0; COMMITMENT_BYTES] };
        header.commitment.copy_from_slice(commitment);
        let mut this = Self { cipher: LessSafeKey::new(cipher_key), base_nonce: Zeroizing::default() };
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
        let tag = self.cipher.seal_in_place_separate_tag(self.nonce(index), Aad::empty(), chunk);
        let tag = tag.expect("a chunk is far shorter than what AES-GCM allows");
        tag.as_ref().try_into().expect("AES-GCM's tags have 16 bytes")
    }

    /// Opens a stored chunk that was put at `start` of `out`, and takes the tag away. Takes
    /// all of it away when it is not authentic.
    pub(super) fn open(&self, index: u64, out: &mut Vec<u8>, start: usize) -> Result<()> {
        let opened = self.cipher.open_in_place(self.nonce(index), Aad::empty(), &mut out[start..]);
        let length = opened.ok().filter(|_| index < MAX_CHUNKS).map(|message| message.len());
        out.truncate(start + length.unwrap_or(0));
        length.map(|_| ()).ok_or_else(|| not_authentic(index))
    }

    /// A counter is no danger: each message has a key of its own, and each of its chunks another count.
    fn nonce(&self, index: u64) -> Nonce {
        let mut nonce = *self.base_nonce;
        for (byte, count) in nonce[NONCE_BYTES - 8..].iter_mut().zip(index.to_be_bytes()) {
            *byte ^= count;
        }
        Nonce::assume_unique_for_key(nonce)
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
