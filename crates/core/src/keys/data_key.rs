//! The data key: one for each backup, or for each run that seals something.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::lp::lp;
use super::secret::Secret;
use crate::codec::sealed::expand;
use crate::error::Result;

/// 32 random bytes that seal the objects of one backup or run, and prove its manifest. Never cloned, copied or printed;
/// cleared when dropped.
///
/// `owner` is everywhere the text of the backup's id or the run's.
#[derive(Debug)]
pub struct DataKey(Secret);

impl DataKey {
    /// A new key from the operating system's random numbers.
    ///
    /// # Errors
    /// [`Kind::Failure`](crate::Kind::Failure) when it gives none.
    pub fn generate() -> Result<Self> {
        Secret::generate().map(Self)
    }

    /// A key that was unwrapped; for implementations of [`KeyWrap`](super::KeyWrap).
    #[must_use]
    pub fn from_secret(secret: Secret) -> Self {
        Self(secret)
    }

    /// Its bytes; for implementations of [`KeyWrap`](super::KeyWrap).
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.0
    }

    /// Whether both are the same key, in constant time.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }

    /// The `mac` of a manifest: HMAC-SHA-512, under the manifest key, of the bytes before the line that carries it.
    #[must_use]
    pub(crate) fn manifest_mac(&self, owner: &str, bytes: &[u8]) -> [u8; 64] {
        self.mac(owner, bytes).finalize().into_bytes().into()
    }

    /// Whether `found` is the `mac` of these bytes, in constant time.
    #[must_use]
    pub fn proves_manifest(&self, owner: &str, bytes: &[u8], found: &[u8; 64]) -> bool {
        self.mac(owner, bytes).verify_slice(found).is_ok()
    }

    fn mac(&self, owner: &str, bytes: &[u8]) -> Hmac<Sha512> {
        let mut key = Zeroizing::new([0; 32]);
        expand(self.0.expose(), &[&lp(&["lifeboat/v1 manifest-mac", owner])], &mut *key);
        let mut mac = Hmac::new_from_slice(&*key).expect("HMAC takes keys of any length");
        mac.update(bytes);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::DataKey;
    use crate::keys::Secret;

    fn key(byte: u8) -> DataKey {
        DataKey::from_secret(Secret::copied(&[byte; 32]))
    }

    #[test]
    fn a_manifest_is_proven_by_its_own_key_and_owner_alone() {
        let mac = key(7).manifest_mac("20261121T021700Z-7f3a9c", b"{}");
        assert!(key(7).proves_manifest("20261121T021700Z-7f3a9c", b"{}", &mac));
        assert!(!key(8).proves_manifest("20261121T021700Z-7f3a9c", b"{}", &mac));
        assert!(!key(7).proves_manifest("20261121T021700Z-7f3a9d", b"{}", &mac));
        assert!(!key(7).proves_manifest("20261121T021700Z-7f3a9c", b"{} ", &mac));
    }

    /// Computed with Python's `hmac`, after `docs/format.md`.
    #[test]
    fn the_mac_is_the_one_that_the_format_describes() {
        let mac = key(7).manifest_mac("20261121T021700Z-7f3a9c", b"{}");
        let expected = "49965cd1fb8706bb1123acf56099f9db3ac9dd7c8cb0530f235728ec1c34c893\
                        78ea3a225bf5bd4b4cc8fc68abd4983981c9734fa5e6beaf11dbf18d57ad2d6d";
        assert_eq!(hex::encode(mac), expected);
    }

    #[test]
    fn two_keys_are_never_the_same() {
        let one = DataKey::generate().unwrap();
        assert!(one.is(&one) && !one.is(&DataKey::generate().unwrap()));
        assert_eq!(format!("{one:?}"), "DataKey(Secret(…))");
    }
}
