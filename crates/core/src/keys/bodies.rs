//! A data key's way to the objects it seals: `lp("lifeboat/v1", owner, object)` is the context of each.

use std::ops::Range;

use super::data_key::DataKey;
use super::lp::lp;
use crate::codec::sealed::{Header, Opener, RangeOpener, SALT_BYTES, Sealer};
use crate::error::{Error, Kind, Result};

impl DataKey {
    /// A sealer of the object called `object`, its name relative to the backup's folder with all suffixes, under a salt
    /// of its own.
    ///
    /// # Errors
    /// [`Kind::Failure`] when the operating system gives no random numbers.
    pub fn sealer(&self, owner: &str, object: &str) -> Result<Sealer> {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).map_err(|e| Error::new(Kind::Failure, "draw a random salt").caused_by(e))?;
        Ok(Sealer::new(self.secret().expose(), &context(owner, object), salt))
    }

    /// An opener of that object from its beginning. `header` is the manifest's.
    ///
    /// # Errors
    /// [`Kind::Integrity`] when the header is not one of this key, owner and object.
    pub fn opener(&self, owner: &str, object: &str, header: &Header) -> Result<Opener> {
        Opener::new(self.secret().expose(), &context(owner, object), header)
    }

    /// An opener of a range of that object, of which `stored_length` bytes are stored. `message` counts the bytes that
    /// were sealed.
    ///
    /// # Errors
    /// As [`DataKey::opener`]; [`Kind::Integrity`] too when there is no such range.
    pub fn range_opener(
        &self,
        owner: &str,
        object: &str,
        header: &Header,
        stored_length: u64,
        message: Range<u64>,
    ) -> Result<RangeOpener> {
        RangeOpener::new(self.secret().expose(), &context(owner, object), header, stored_length, message)
    }
}

fn context(owner: &str, object: &str) -> Vec<u8> {
    lp(&["lifeboat/v1", owner, object])
}

#[cfg(test)]
mod tests {
    use crate::error::Kind;
    use crate::keys::DataKey;

    #[test]
    fn an_object_opens_under_its_own_name_and_owner_alone() {
        let key = DataKey::generate().unwrap();
        let (owner, object) = ("20261121T021700Z-7f3a9c", "dump-0000.sql.gz.sealed");
        let (mut stored, mut sealer) = (Vec::new(), key.sealer(owner, object).unwrap());
        sealer.push(b"gzip bytes", &mut stored);
        let header = sealer.finish(&mut stored);
        let mut opener = key.opener(owner, object, &header).unwrap();
        let mut message = Vec::new();
        opener.push(&stored, &mut message).unwrap();
        opener.finish(&mut message).unwrap();
        assert_eq!(message, b"gzip bytes");
        let length = stored.len() as u64;
        let range = key.range_opener(owner, object, &header, length, 5..10).unwrap();
        assert_eq!(range.stored(), 56..length);
        for (owner, object) in [(owner, "dump-0001.sql.gz.sealed"), ("20261121T021700Z-7f3a9d", object)] {
            assert_eq!(key.opener(owner, object, &header).unwrap_err().kind(), Kind::Integrity, "{owner} {object}");
        }
        let other = DataKey::generate().unwrap();
        assert_eq!(other.opener(owner, object, &header).unwrap_err().kind(), Kind::Integrity);
    }
}
