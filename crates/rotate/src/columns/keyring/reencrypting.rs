//! From a stored value to one under the primary key.

use lifeboat_core::{Error, Kind, Result};
use zeroize::Zeroizing;

use super::Keyring;
use super::opening::open_with;
use crate::columns::cipher::Cipher;
use crate::columns::key::HeldCipher;
use crate::columns::layout::Fields;
use crate::columns::outcome::{Outcome, Unopened};
use crate::columns::stored::Stored;

impl Keyring {
    /// Re-encrypts a stored value, one part for each column of the layout: opens it by any key, encrypts with the primary one
    /// under a fresh IV, opens the result again, as it will be stored, and compares, before it gives it out. Salt and form
    /// stay. Values that did not open are told as such, not as an error.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the result does not open to the same plaintext, [`Kind::Failure`] when the operating system
    /// gives no random numbers: nothing is to be written.
    pub fn reencrypt(&self, stored: &[Option<&[u8]>], aad: &[u8]) -> Result<Outcome> {
        let fields = match self.layout.decode(stored) {
            Ok(fields) => fields,
            Err(why) => return Ok(Outcome::Unopened(why)),
        };
        let primary = self.primary.cipher(&fields.salt)?;
        match self.open_fields(&fields, &primary, aad) {
            Err(why) => Ok(Outcome::Unopened(why)),
            Ok(opened) if opened.by_primary() => Ok(Outcome::AlreadyNew),
            Ok(opened) => self.rewritten(stored, fields, &primary, opened.plaintext(), aad).map(Outcome::Rotated),
        }
    }

    fn rewritten(
        &self,
        old: &[Option<&[u8]>],
        fields: Fields,
        primary: &HeldCipher<'_>,
        plaintext: &[u8],
        aad: &[u8],
    ) -> Result<Stored> {
        let fields = self.seal(primary, fields.salt, plaintext, aad)?;
        let new = self.layout.encode_like(old, &fields).map_err(unproven)?;
        let again = self.opened_again(&new, primary, aad).map_err(unproven)?;
        if *again == plaintext { Ok(new) } else { Err(unproven(Unopened::FailedAuthentication)) }
    }

    /// Opens what is about to be written, by the key it is to be under and no other.
    fn opened_again(&self, new: &Stored, primary: &Cipher, aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let fields = self.layout.decode(&new.parts())?;
        let named = !self.layout.has_key_id() || self.primary.id() == Some(&fields.kid);
        open_with(primary, &fields, aad).filter(|_| named).ok_or(Unopened::FailedAuthentication)
    }
}

fn unproven(why: Unopened) -> Error {
    Error::new(Kind::Integrity, "prove a re-encrypted value: it does not open to what was encrypted").caused_by(why)
}
