//! `openssl enc -aes-256-cbc -pbkdf2`: eight bytes that name it, eight bytes of salt, then AES-256-CBC with PKCS #7 padding.
//!
//! Key and IV are what PBKDF2-HMAC-SHA-256 makes of passphrase and salt. Nothing proves the bytes: what they hold has to.

use aws_lc_rs::cipher::{AES_256, DecryptionContext, StreamingDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use lifeboat_core::{Error, Kind, Result};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::ForeignOptions;
use super::flow::{Flow, Made, STEP_BYTES};

/// What a salted file decrypts to.
pub(super) struct Unsalted {
    sealed: Box<dyn Flow>,
    /// Made of the file's first bytes.
    key: Key,
    slice: Vec<u8>,
    made: Made,
}

enum Key {
    Passphrase(ForeignOptions),
    Derived(StreamingDecryptingKey),
    Spent,
}

impl Unsalted {
    /// Refuses at once where no passphrase is given.
    pub(super) fn new(sealed: Box<dyn Flow>, options: &ForeignOptions) -> Result<Self> {
        if options.passphrase.is_none() {
            return Err(Error::new(Kind::WrongKey, "open what openssl has encrypted: no passphrase was given").hint(
                "give --passphrase env:NAME or another reference, and --openssl-iterations if openssl was given -iter",
            ));
        }
        Ok(Self { sealed, key: Key::Passphrase(options.clone()), slice: vec![0; STEP_BYTES], made: Made::default() })
    }

    fn derive(&mut self, options: &ForeignOptions) -> Result<StreamingDecryptingKey> {
        let mut head = [0; MAGIC.len() + SALT_BYTES];
        let mut filled = 0;
        while filled < head.len() {
            match self.sealed.read(&mut head[filled..])? {
                0 => return Err(cut()),
                read => filled += read,
            }
        }
        let mut secret = Zeroizing::new([0; KEY_BYTES + IV_BYTES]);
        let passphrase = options.passphrase.as_ref().map_or("", |passphrase| passphrase.expose_secret());
        derive(PBKDF2_HMAC_SHA256, options.iterations, &head[MAGIC.len()..], passphrase.as_bytes(), &mut *secret);
        let (key, iv) = secret.split_at(KEY_BYTES);
        let unusable = |_| Error::new(Kind::Failure, "set up AES-256-CBC");
        let iv = FixedLength::<IV_BYTES>::try_from(iv).map_err(unusable)?;
        let key = UnboundCipherKey::new(&AES_256, key).map_err(unusable)?;
        StreamingDecryptingKey::cbc_pkcs7(key, DecryptionContext::Iv128(iv)).map_err(unusable)
    }

    /// Whether there may be more.
    fn step(&mut self) -> Result<bool> {
        match std::mem::replace(&mut self.key, Key::Spent) {
            Key::Spent => return Ok(false),
            Key::Passphrase(options) => self.key = Key::Derived(self.derive(&options)?),
            Key::Derived(mut key) => {
                let read = self.sealed.read(&mut self.slice)?;
                let mut opened = vec![0; read + BLOCK_BYTES];
                let opened_bytes = if read > 0 {
                    let updated = key.update(&self.slice[..read], &mut opened).map_err(|_| cut())?;
                    let bytes = updated.written().len();
                    self.key = Key::Derived(key);
                    bytes
                } else {
                    key.finish(&mut opened).map_err(|_| cut())?.written().len()
                };
                opened.truncate(opened_bytes);
                self.made.set(opened);
            }
        }
        Ok(true)
    }
}

impl Flow for Unsalted {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        while self.made.is_empty() {
            if !self.step()? {
                return Ok(0);
            }
        }
        Ok(self.made.give(into))
    }
}

fn cut() -> Error {
    Error::new(Kind::Integrity, "decrypt as openssl does, to the end")
        .hint(format!("the file is cut or damaged, or {OTHERWISE_SEALED}"))
}

/// Why bytes do not open that nothing is wrong with.
pub(super) const OTHERWISE_SEALED: &str = "the passphrase is another one, or the number of iterations is (--openssl-iterations, openssl's -iter); \
    or openssl was run without -pbkdf2, or with another cipher or -md than aes-256-cbc and sha256, in which case openssl itself opens it, \
    by the options that it was given: openssl enc -d -aes-256-cbc -md md5 -pass env:PASSPHRASE < FILE | lifeboat restore --from - … (-md sha256 from openssl 1.1.0 on)";

/// How such files begin.
pub(super) const MAGIC: &[u8] = b"Salted__";
const SALT_BYTES: usize = 8;
const KEY_BYTES: usize = 32;
const IV_BYTES: usize = 16;
const BLOCK_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lifeboat_core::Kind;
    use secrecy::SecretString;

    use super::super::ForeignOptions;
    use super::super::flow::tests::{all, held};
    use super::Unsalted;

    /// What `printf 'SELECT 1;\n' | openssl enc -aes-256-cbc -pbkdf2 -iter 1000 -S 0102030405060708 -pass pass:hunter2` prints,
    /// behind the head that it leaves out where the salt is given.
    const SEALED: &str = "53616c7465645f5f010203040506070816aa73788aaa0aaa359ebbb7d0ecfcac";

    fn options(passphrase: &str, iterations: u32) -> ForeignOptions {
        ForeignOptions {
            passphrase: Some(Arc::new(SecretString::from(passphrase))),
            iterations: iterations.try_into().unwrap(),
            ..ForeignOptions::default()
        }
    }

    fn opened(bytes: &[u8], options: &ForeignOptions) -> lifeboat_core::Result<Vec<u8>> {
        all(Unsalted::new(held(bytes), options)?)
    }

    #[test]
    fn what_openssl_sealed_is_opened_and_a_cut_or_another_key_is_refused() {
        let bytes = hex::decode(SEALED).unwrap();
        assert_eq!(opened(&bytes, &options("hunter2", 1000)).unwrap(), b"SELECT 1;\n");
        for cut in [5, 16, 20, bytes.len() - 1] {
            assert_eq!(opened(&bytes[..cut], &options("hunter2", 1000)).unwrap_err().kind(), Kind::Integrity, "{cut}");
        }
        for other in [options("hunter3", 1000), options("hunter2", 1001)] {
            assert_ne!(opened(&bytes, &other).ok().as_deref(), Some(&b"SELECT 1;\n"[..]));
        }
        let none = ForeignOptions::default();
        assert_eq!(opened(&bytes, &none).unwrap_err().kind(), Kind::WrongKey);
    }
}
