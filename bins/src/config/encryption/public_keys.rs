//! Lists of public keys.

use std::fmt;
use std::str::FromStr;

use lifeboat_core::Error;
use lifeboat_core::keys::{Recipient, SignerKey};
use toml::de::DeValue;

use crate::config::setting::{Misfit, Setting, kind_of, quoted};

/// Public keys, written in a list or between spaces or commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKeys<T>(pub(super) Vec<T>);

/// A kind of public key.
pub(crate) trait PublicKey: FromStr<Err = Error> + fmt::Display {
    /// What a list of them is.
    const EXPECTED: &'static str;
}

impl PublicKey for Recipient {
    const EXPECTED: &'static str = "a list of recipients such as [\"x25519:…\"]";
}

impl PublicKey for SignerKey {
    const EXPECTED: &'static str = "a list of signers such as [\"ed25519:…\"]";
}

impl<T: PublicKey> Setting for PublicKeys<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn from_text(text: &str) -> Result<Self, Misfit> {
        let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        Self::of(words)
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Misfit> {
        let DeValue::Array(array) = value else { return Err(Misfit::expected::<Self>(kind_of(value))) };
        let words = array.iter().map(|item| item.get_ref().as_str()).collect::<Option<Vec<_>>>();
        Self::of(words.ok_or_else(|| Misfit::expected::<Self>("something else in it"))?.into_iter())
    }

    fn show(&self) -> String {
        format!("[{}]", self.0.iter().map(|key| quoted(&key.to_string())).collect::<Vec<_>>().join(", "))
    }
}

impl<T: PublicKey> PublicKeys<T> {
    /// A list that names nobody is a mistake: it would look as if it protected something.
    fn of<'w>(words: impl Iterator<Item = &'w str>) -> Result<Self, Misfit> {
        let keys = words.map(|word| word.parse().map_err(|error| misfit(&error))).collect::<Result<Vec<T>, _>>()?;
        if keys.is_empty() { Err(Misfit::new("the list is empty")) } else { Ok(Self(keys)) }
    }
}

/// What is no public key may be a private one: it is not shown.
fn misfit(error: &Error) -> Misfit {
    Misfit { help: error.help().map(str::to_owned), ..Misfit::new(error.to_string()).secret() }
}
