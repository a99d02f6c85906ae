//! Names and ids that cannot be wrong: whoever holds one may put it into an object's name.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};

/// The name of a database or a class as it stands in object names: `[a-z0-9][a-z0-9._-]*`, at most 100 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

const ID_SHAPE: &[u8] = b"00000000T000000Z-xxxxxx";
const NAME_BYTES_MAX: usize = 100;

/// An id of its own type: its UTC start time, sortable, and a random suffix. One form for all, so that names of objects
/// are read alike; a type each, so that none is taken for another.
macro_rules! id {
    ($(#[$doc:meta])* $type:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// An id for what starts at `start`, with a suffix from the operating system's random numbers.
            ///
            /// # Errors
            /// [`Kind::Failure`] when the operating system gives no random numbers.
            pub fn generate(start: Timestamp) -> Result<Self> {
                let mut suffix = [0; 3];
                let drawn = getrandom::fill(&mut suffix);
                drawn.map_err(|e| Error::new(Kind::Failure, concat!("draw a random ", $noun, " id")).caused_by(e))?;
                Ok(Self::new(start, suffix))
            }

            /// An id from its two parts.
            #[must_use]
            pub fn new(start: Timestamp, suffix: [u8; 3]) -> Self {
                Self(format!("{}-{}", start.strftime("%Y%m%dT%H%M%SZ"), hex::encode(suffix)))
            }

            /// The start time the id carries, to the second.
            #[must_use]
            pub fn start(&self) -> Timestamp {
                parse_start(&self.0).expect("checked when the id was made")
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                if has_id_shape(text) && parse_start(text).is_some() {
                    return Ok(Self(text.to_owned()));
                }
                Err(Error::new(Kind::Usage, format!(concat!("read {:?} as a ", $noun, " id"), text))
                    .hint(concat!("a ", $noun, " id looks like 20261121T021700Z-7f3a9c")))
            }
        }

        text_conversions!($type);
    };
}

macro_rules! text_conversions {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> Self {
                id.0
            }
        }
    };
}

id!(
    /// Names one backup: its UTC start time, sortable, and a random suffix, as in `20261121T021700Z-7f3a9c`.
    BackupId,
    "backup"
);

id!(
    /// Names one run, which may back up several databases.
    RunId,
    "run"
);

id!(
    /// Names one drill.
    DrillId,
    "drill"
);

text_conversions!(Name);

/// A drill that is started by itself is a run of one, under the same id.
impl From<&DrillId> for RunId {
    fn from(drill: &DrillId) -> Self {
        Self(drill.0.clone())
    }
}

fn parse_start(text: &str) -> Option<Timestamp> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text.get(..16)?).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn has_id_shape(text: &str) -> bool {
    text.len() == ID_SHAPE.len()
        && text.bytes().zip(ID_SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'x' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            literal => byte == *literal,
        })
}

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let valid = text.bytes().next().is_some_and(plain)
            && text.len() <= NAME_BYTES_MAX
            && text.bytes().all(|b| plain(b) || b"._-".contains(&b));
        if valid {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::new(Kind::Config, format!("use {text:?} as a name in the store")).hint(
            "names are lower-case letters, digits, dots, dashes and underscores, and start with a letter or digit",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{BackupId, Name};

    #[test]
    fn an_id_carries_its_start_time_and_sorts_by_it() {
        let early = BackupId::new("2026-11-21T02:17:00Z".parse().unwrap(), [0x7f, 0x3a, 0x9c]);
        let late = BackupId::new("2026-11-21T02:17:01Z".parse().unwrap(), [0, 0, 0]);
        assert_eq!(early.as_str(), "20261121T021700Z-7f3a9c");
        assert_eq!(early.start().to_string(), "2026-11-21T02:17:00Z");
        assert!(early < late);
    }

    #[test]
    fn ids_of_another_shape_are_refused() {
        for text in ["", "latest", "20261121T021700Z-7F3A9C", "20261321T021700Z-7f3a9c", "20261121T021700Z-7f3a9c/"] {
            assert!(text.parse::<BackupId>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for text in ["", "..", ".", "a/b", "Shop", "shop db", "-shop", "é"] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        assert_eq!("shop_1.eu-central".parse::<Name>().unwrap().as_str(), "shop_1.eu-central");
    }
}
