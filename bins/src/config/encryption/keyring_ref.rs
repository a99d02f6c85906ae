//! Where a keyring is.

use std::fmt;

use lifeboat_core::Result;
use lifeboat_core::keys::Keyring;
use secrecy::ExposeSecret as _;
use toml::de::DeValue;

use crate::config::environment::Environment;
use crate::config::secret_ref::SecretRef;
use crate::config::setting::{Misfit, Setting, kind_of};

/// Where a keyring is. Unlike other references, a flag or a variable may name a file relative to the working folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyringRef(SecretRef);

impl KeyringRef {
    /// The file, where the keyring is one: only that can be edited.
    pub(crate) fn path(&self) -> Option<&std::path::Path> {
        match &self.0 {
            SecretRef::File(path) => Some(path),
            _ => None,
        }
    }

    /// The reference.
    pub(crate) fn reference(&self) -> &SecretRef {
        &self.0
    }

    pub(super) async fn load(&self, environment: &Environment) -> Result<Keyring> {
        match &self.0 {
            SecretRef::File(path) => Keyring::load(path),
            reference => Keyring::parse(reference.resolve(environment).await?.expose_secret(), &reference.to_string()),
        }
    }
}

impl fmt::Display for KeyringRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Setting for KeyringRef {
    const EXPECTED: &'static str = "a reference to a keyring";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => Ok(Self(SecretRef::File(path.into()))),
            _ if SecretRef::is_reference(text) => SecretRef::from_text(text).map(Self),
            _ => Err(Misfit::new(format!("expected {}", Self::EXPECTED)).help(KEYRING_HELP).secret()),
        }
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, Misfit> {
        match value.as_str() {
            // The file says nothing about the folder in which programs are started.
            Some(text) if text.starts_with("file:") => SecretRef::from_text(text).map(Self),
            Some(text) => Self::from_text(text),
            None => Err(Misfit::expected::<Self>(kind_of(value))),
        }
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

const KEYRING_HELP: &str =
    "write file:/path/keyring.toml, credential:NAME, env:NAME or command:[\"program\", \"argument\"]";
