//! The keys of one layout: what a service embeds, and what a sweep over a table works with.

mod opening;
mod reencrypting;
mod sealing;

use lifeboat_core::{Error, Kind, Result};

pub use self::opening::Opened;
pub(crate) use self::opening::open_with;
use super::key::ColumnKey;
use super::layout::Layout;

/// A layout, the primary key that encrypts, and enabled keys that only open.
///
/// A service that reads both keys can be rotated while it runs:
///
/// 1. every instance gets the new key as an enabled one;
/// 2. then as the primary one, the old key being enabled;
/// 3. a sweep re-encrypts what is stored (or the service does, by [`Keyring::reencrypt`]);
/// 4. the old key goes.
///
/// ```
/// use lifeboat_rotate::Keyring;
/// use lifeboat_rotate::columns::{ColumnKey, KeyFormat, Outcome};
///
/// let key = |secret: &str| ColumnKey::derive(&secret.to_owned().into(), &KeyFormat::Sha256);
/// let layout = "base64(iv tag ct)";
/// let before = Keyring::new(layout.parse()?, key("the old secret")?)?;
/// let stored = before.encrypt(b"smtp password", b"")?;
///
/// // After a restart with both: old values open, new ones are under the new key.
/// let keyring = Keyring::new(layout.parse()?, key("the new secret")?)?.enable(key("the old secret")?)?;
/// let opened = keyring.open(&stored.parts(), b"")?;
/// assert_eq!(opened.plaintext(), b"smtp password");
/// assert!(!opened.by_primary());
///
/// // What it gives to be written was opened again and compared.
/// let Outcome::Rotated(rotated) = keyring.reencrypt(&stored.parts(), b"")? else { panic!("it was under the old key") };
/// let after = Keyring::new(layout.parse()?, key("the new secret")?)?;
/// assert_eq!(after.open(&rotated.parts(), b"")?.plaintext(), b"smtp password");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// IVs are random: by NIST SP 800-38D a key should encrypt at most 2^32 values.
#[derive(Debug)]
pub struct Keyring {
    layout: Layout,
    primary: ColumnKey,
    enabled: Vec<ColumnKey>,
}

impl Keyring {
    /// A keyring with one key, which encrypts and opens.
    ///
    /// # Errors
    /// [`Kind::Config`] when layout and key do not fit: the key needs a salt that the layout does not have, or the layout a
    /// key id that the key does not have or that cannot stand there.
    pub fn new(layout: Layout, primary: ColumnKey) -> Result<Self> {
        fits(&layout, &primary)?;
        Ok(Self { layout, primary, enabled: Vec::new() })
    }

    /// The same keyring with one more key that opens.
    ///
    /// # Errors
    /// As [`Keyring::new`]; and [`Kind::Usage`] when it already holds that key, or another of that id.
    pub fn enable(mut self, key: ColumnKey) -> Result<Self> {
        fits(&self.layout, &key)?;
        for known in self.keys() {
            if known.fingerprint() == key.fingerprint() {
                let doing = format!("take the key {} a second time: old and new key are the same", key.fingerprint());
                return Err(Error::new(Kind::Usage, doing).hint(
                    "nothing was written: the old key is the one that values are under until now, the new one another",
                ));
            }
            if self.layout.has_key_id() && known.id() == key.id() {
                let doing = format!("take two keys of the id {:?}", key.id().unwrap_or_default());
                return Err(Error::new(Kind::Usage, doing).hint("values tell keys apart by their ids"));
            }
        }
        self.enabled.push(key);
        Ok(self)
    }

    /// The layout of its values.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The key that encrypts.
    #[must_use]
    pub fn primary(&self) -> &ColumnKey {
        &self.primary
    }

    /// Every key, the primary one first.
    pub fn keys(&self) -> impl Iterator<Item = &ColumnKey> {
        std::iter::once(&self.primary).chain(&self.enabled)
    }
}

fn fits(layout: &Layout, key: &ColumnKey) -> Result<()> {
    if key.is_salted_by_value() && !layout.has_salt() {
        return Err(Error::new(Kind::Config, format!("use a password with the layout {layout}: it has no salt"))
            .hint("put `salt` into the layout, or salt=\"…\" into the key format"));
    }
    match key.id() {
        Some(id) if layout.has_key_id() => layout.check_key_id(id),
        None if layout.has_key_id() => {
            Err(Error::new(Kind::Config, format!("use a key without an id with the layout {layout}: it holds one"))
                .hint("give each key the id that values name it by"))
        }
        _ => Ok(()),
    }
}
