//! From a plaintext to a value to be stored.

use lifeboat_core::{Error, Kind, Result};

use super::Keyring;
use crate::columns::cipher::Cipher;
use crate::columns::layout::{Fields, SaltForm};
use crate::columns::stored::Stored;

impl Keyring {
    /// Encrypts with the primary key, under a fresh IV (and a fresh salt, where the layout has one).
    ///
    /// # Errors
    /// [`Kind::Failure`] when the operating system gives no random numbers, or the plaintext has more than 64 GiB.
    pub fn encrypt(&self, plaintext: &[u8], aad: &[u8]) -> Result<Stored> {
        let salt = self.fresh_salt()?;
        let cipher = self.primary.cipher(&salt)?;
        let fields = self.seal(&cipher, salt, plaintext, aad)?;
        Ok(self.layout.encode(&fields))
    }

    /// The fields of a new value, with the primary key's cipher for its salt.
    pub(super) fn seal(&self, cipher: &Cipher, salt: Vec<u8>, plaintext: &[u8], aad: &[u8]) -> Result<Fields> {
        let mut iv = vec![0; self.layout.iv_bytes()];
        fill(&mut iv)?;
        let sealed = cipher.seal(&iv, aad, plaintext);
        let (ct, tag) = sealed.ok_or_else(|| Error::new(Kind::Failure, "encrypt a value: it is too long"))?;
        Ok(Fields { iv, ct, tag, salt, kid: self.primary.id().unwrap_or_default().to_owned() })
    }

    fn fresh_salt(&self) -> Result<Vec<u8>> {
        let Some(form) = self.layout.salt_form() else { return Ok(Vec::new()) };
        let mut bytes = vec![0; form.bytes()];
        fill(&mut bytes)?;
        match form {
            SaltForm::Bytes(_) => Ok(bytes),
            SaltForm::Text(digits) => Ok(hex::encode(bytes).into_bytes()[..digits].to_vec()),
        }
    }
}

fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| Error::new(Kind::Failure, "draw random bytes").caused_by(error))
}
