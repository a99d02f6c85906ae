//! The first 56 bytes of a sealed message.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq as _;

/// The length of a salt.
pub const SALT_BYTES: usize = 24;

/// The length of a commitment.
pub const COMMITMENT_BYTES: usize = 32;

/// What is stored before the first chunk: salt and commitment.
pub const HEADER_BYTES: usize = SALT_BYTES + COMMITMENT_BYTES;

/// Which salt a message was sealed with, and a commitment to the one key and context that open it. No secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// Random, another one for each message.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub salt: [u8; SALT_BYTES],
    /// Derived with the message's key: no other key, context or salt has it.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub commitment: [u8; COMMITMENT_BYTES],
}

impl Header {
    /// As it is stored.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..SALT_BYTES].copy_from_slice(&self.salt);
        bytes[SALT_BYTES..].copy_from_slice(&self.commitment);
        bytes
    }

    /// What the first bytes of a sealed message say.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Self {
        let mut header = Self { salt: [0; SALT_BYTES], commitment: [0; COMMITMENT_BYTES] };
        header.salt.copy_from_slice(&bytes[..SALT_BYTES]);
        header.commitment.copy_from_slice(&bytes[SALT_BYTES..]);
        header
    }
}

/// In constant time: one side may be derived from a key.
impl PartialEq for Header {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes().ct_eq(&other.to_bytes()).into()
    }
}

impl Eq for Header {}

fn to_hex<S: Serializer, const N: usize>(bytes: &[u8; N], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

fn from_hex<'de, D: Deserializer<'de>, const N: usize>(deserializer: D) -> Result<[u8; N], D::Error> {
    let text = String::deserialize(deserializer)?;
    let mut bytes = [0; N];
    hex::decode_to_slice(&text, &mut bytes)
        .map_err(|e| D::Error::custom(format_args!("{} hexadecimal digits expected: {e}", 2 * N)))?;
    // One value has one form: other readers may compare texts.
    if hex::encode(bytes) == text { Ok(bytes) } else { Err(D::Error::custom("hexadecimal digits are lower-case")) }
}
