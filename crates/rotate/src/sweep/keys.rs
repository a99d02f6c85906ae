//! Whether the keys of a target are the right ones.

use lifeboat_core::{Error, Kind, Result};

use super::errand::Errand;
use super::options::SweepOptions;
use super::plan::Sampled;
use super::target::Target;
use crate::Keyring;
use crate::columns::Unopened;
use crate::columns::derivation::Doubt;

impl Errand<'_> {
    /// Refuses keys that open nothing of a sample in which there was something.
    pub(super) fn refuse_wrong_keys(&self, sampled: &Sampled) -> Result<()> {
        let counts = &sampled.counts;
        if counts.opened() > 0 || counts.unopened() == 0 {
            return Ok(());
        }
        let outcomes: Vec<_> =
            counts.named().iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")).collect();
        let doing = format!("open a value of {} by the key {} or {}", self.target, self.old_key, self.new_key);
        let why = Error::new(Kind::WrongKey, format!("of {} rows: {}", sampled.rows, outcomes.join(", ")));
        let doubt = self.target.keys.old.doubt().filter(Doubt::is_of_copying);
        let doubt = doubt.map(|doubt| format!(" (its secret {})", doubt.what())).unwrap_or_default();
        Err(Error::new(Kind::WrongKey, doing)
            .hint(format!("nothing was written: look at the old key{doubt}, how it is made of its secret (--key-format), the layout and the AAD"))
            .caused_by(why))
    }

    /// What is doubtful about an old key that opened none of a sample. One that did is as the application's was.
    pub(super) fn doubtful_old_key(&self, sampled: &Sampled) -> Option<String> {
        let doubt = self.target.keys.old.doubt().filter(Doubt::is_of_copying)?;
        let (target, key) = (self.target, &self.old_key);
        (sampled.counts.rotated == 0).then(|| {
            format!(
                "the old key {key} opens none of {} rows of {target}, and its secret {}",
                sampled.rows,
                doubt.what()
            )
        })
    }
}

/// Refuses a new key that is not the one the operator knows.
pub(super) fn refuse_unexpected(new_key: &str, options: &SweepOptions, target: &Target) -> Result<()> {
    if options.expected_new.is_empty() || options.expected_new.iter().any(|expected| expected == new_key) {
        return Ok(());
    }
    let doing = format!("rotate {target} to the key {new_key}: {} was confirmed", options.expected_new.join(", "));
    Err(Error::new(Kind::WrongKey, doing)
        .hint("nothing was written: give the new key that was confirmed, or confirm this one"))
}

/// The new key encrypts something that it opens.
pub(super) fn probe(keyring: &Keyring, target: &Target) -> Result<()> {
    let unfit = |why: Unopened| Error::new(Kind::Integrity, format!("try the new key of {target}")).caused_by(why);
    let sealed = keyring.encrypt(PROBE, b"")?;
    let opened = keyring.open(&sealed.parts(), b"").map_err(unfit)?;
    if opened.plaintext() == PROBE && opened.by_primary() { Ok(()) } else { Err(unfit(Unopened::FailedAuthentication)) }
}

const PROBE: &[u8] = b"lifeboat";
