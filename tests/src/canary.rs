//! Keys that tests look for where they must not be.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use lifeboat_core::keys::DataKey;

/// One key, in every form in which it could get out.
#[derive(Debug)]
pub struct Canary {
    /// The key itself.
    pub bytes: [u8; 32],
    texts: Vec<String>,
}

impl Canary {
    /// The canary that these bytes are.
    pub fn new(bytes: &[u8; 32]) -> Canary {
        let lower = hex::encode(bytes);
        let listed = format!("{bytes:?}");
        let texts = vec![
            lower.to_uppercase()[..32].to_owned(),
            lower[32..].to_owned(),
            lower[..32].to_owned(),
            // The last group depends on what follows.
            STANDARD_NO_PAD.encode(bytes)[..40].to_owned(),
            URL_SAFE_NO_PAD.encode(bytes)[..40].to_owned(),
            listed[1..40].to_owned(),
        ];
        Canary { bytes: *bytes, texts }
    }

    /// The secret of an entry of a keyring.
    pub fn of_entry(entry: &str) -> Canary {
        let digits = entry.split("secret = \"").nth(1).unwrap();
        let mut bytes = [0; 32];
        hex::decode_to_slice(&digits[..64], &mut bytes).unwrap();
        Canary::new(&bytes)
    }

    /// A data key.
    pub fn of_data_key(key: &DataKey) -> Canary {
        Canary::new(key.secret().expose())
    }

    /// Whether any part of it is in these bytes.
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let raw = [&self.bytes[..12], &self.bytes[16..]];
        let mut parts = raw.into_iter().chain(self.texts.iter().map(String::as_bytes));
        parts.any(|part| contains(bytes, part))
    }
}

/// Whether `part` is in `bytes`; looks closer only where the first byte fits.
fn contains(bytes: &[u8], part: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == part[0]) {
        if rest[at..].starts_with(part) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}
