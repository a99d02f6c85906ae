//! HKDF-Expand-SHA-512 (RFC 5869) of one block, for subkeys of at most 32 bytes.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use zeroize::Zeroize as _;

use super::secret::Secret;

/// The first 32 bytes of HKDF-Expand-SHA-512 under `prk`.
///
/// The crate `hkdf` wants a pseudorandom key as long as the hash, 64 bytes; ours has 32, all of them random.
pub(crate) fn expand(prk: &Secret, info: &[u8]) -> Secret {
    let mut mac = hmac(prk.expose());
    mac.update(info);
    mac.update(&[1]);
    let mut block = mac.finalize().into_bytes();
    let subkey = Secret::copied(block.first_chunk().expect("64 bytes begin with 32"));
    block.zeroize();
    subkey
}

/// HMAC-SHA-512 under a key of any length.
pub(crate) fn hmac(key: &[u8]) -> Hmac<Sha512> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}
