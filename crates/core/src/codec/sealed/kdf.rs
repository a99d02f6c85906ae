//! HKDF-Expand-SHA-512 (RFC 5869), as the standard wants it: from a 32-byte key.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use zeroize::Zeroize as _;

/// Fills `okm`, at most 255 blocks of 64 bytes, with key material derived from `prk` for the concatenation of `info`.
///
/// The crate `hkdf` refuses a pseudorandom key shorter than the hash's 64 bytes; the standard's has 32, all random.
pub(crate) fn expand(prk: &[u8], info: &[&[u8]], okm: &mut [u8]) {
    let keyed = Hmac::<Sha512>::new_from_slice(prk).expect("HMAC takes keys of any length");
    let mut block = hmac::digest::Output::<Sha512>::default();
    assert!(okm.len() <= 255 * block.len(), "HKDF gives no more");
    for (counter, piece) in (1..=u8::MAX).zip(okm.chunks_mut(block.len())) {
        let mut mac = keyed.clone();
        if counter > 1 {
            mac.update(&block);
        }
        info.iter().for_each(|part| mac.update(part));
        mac.update(&[counter]);
        block = mac.finalize().into_bytes();
        piece.copy_from_slice(&block[..piece.len()]);
    }
    block.zeroize();
}
