//! `[encryption]`: which keys seal and sign new backups, and which open those that are read.

mod keyring_ref;
mod public_keys;

use lifeboat_core::Result;
use lifeboat_core::keys::{Keyring, OpenKeys, Recipient, SealKeys, SignerKey};

use super::env_vars;
use super::environment::Environment;
use super::layers::Layers;
use super::origin::Sourced;
use super::problems::{Place, Problems};
use super::section::Section;
use super::setting::Misfit;
pub(crate) use keyring_ref::KeyringRef;
pub(crate) use public_keys::PublicKeys;

/// Where keys are, to whom backups are sealed, and whose backups are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct EncryptionConfig {
    /// The keyring: its primary keys seal and sign, all that are not retired open.
    pub(crate) keyring: Option<Sourced<KeyringRef>>,
    /// Public keys that every backup is sealed to as well.
    pub(crate) recipients: Option<Sourced<PublicKeys<Recipient>>>,
    /// The only signers whose backups are read.
    pub(crate) trusted_signers: Option<Sourced<PublicKeys<SignerKey>>>,
}

/// The flags of this section, as text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EncryptionFlags<'a> {
    /// `--keyring`.
    pub(crate) keyring: Option<&'a str>,
    /// `--recipient`, as often as it was given.
    pub(crate) recipients: &'a [String],
}

/// What a command that reads was allowed to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    /// `--allow-unencrypted`.
    pub(crate) unencrypted: bool,
    /// `--allow-retired`.
    pub(crate) retired: bool,
    /// `--allow-unsigned`.
    pub(crate) unsigned: bool,
}

impl EncryptionConfig {
    /// Reads `[encryption]`.
    pub(crate) fn read(root: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        let Some(mut section) = root.table("encryption", problems) else { return Self::default() };
        let found = Self {
            keyring: section.read("keyring", problems),
            recipients: section.read("recipients", problems),
            trusted_signers: section.read("trusted_signers", problems),
        };
        if section.is_empty() {
            // Whoever wrote it wants encryption: nothing in it would be stored encrypted.
            let misfit = Misfit::new("[encryption] says nothing: backups would not be encrypted").help(EMPTY_HELP);
            problems.add(section.place(), misfit);
        }
        section.finish(problems);
        found
    }

    /// Lays flags and environment over the file.
    pub(crate) fn layered(self, flags: EncryptionFlags<'_>, layers: &mut Layers<'_>) -> Self {
        for variable in [env_vars::KEYRING, env_vars::RECIPIENTS, env_vars::TRUSTED_SIGNERS] {
            if layers.environment.is_set_to_nothing(variable) {
                // Elsewhere this counts as unset; here a forgotten value would turn protection off.
                let misfit = Misfit::new("it is set to nothing").help("give it a value, or unset it");
                layers.problems.add(Place::Named(variable), misfit);
            }
        }
        let recipients = flags.recipients.join(" ");
        let recipients = (!flags.recipients.is_empty()).then_some(recipients.as_str());
        Self {
            keyring: layers.pick(("--keyring", flags.keyring), env_vars::KEYRING, self.keyring),
            recipients: layers.pick(("--recipient", recipients), env_vars::RECIPIENTS, self.recipients),
            trusted_signers: layers.pick(("", None), env_vars::TRUSTED_SIGNERS, self.trusted_signers),
        }
    }

    /// What new backups are sealed and signed with; `None` where nothing is configured that seals or opens, and backups are
    /// not encrypted.
    ///
    /// # Errors
    /// [`Config`](lifeboat_core::Kind::Config) when the keyring cannot be read, or there is neither a primary key nor a recipient.
    pub(crate) async fn seal_keys(&self, environment: &Environment) -> Result<Option<SealKeys>> {
        if self.keyring.is_none() && self.recipients.is_none() {
            return Ok(None);
        }
        let keyring = self.keyring(environment).await?.unwrap_or_else(Keyring::empty);
        keyring.seal_keys(values(self.recipients.as_ref())).map(Some)
    }

    /// What reports of drills are sealed and signed with; `None` as for [`Self::seal_keys`].
    ///
    /// # Errors
    /// [`Config`](lifeboat_core::Kind::Config) when the keyring cannot be read, or there is no key and no recipient.
    pub(crate) async fn report_keys(&self, environment: &Environment) -> Result<Option<SealKeys>> {
        if self.keyring.is_none() && self.recipients.is_none() {
            return Ok(None);
        }
        let keyring = self.keyring(environment).await?.unwrap_or_else(Keyring::empty);
        keyring.report_keys(values(self.recipients.as_ref())).map(Some)
    }

    /// What to tell a host that would refuse to read what it writes.
    pub(crate) fn untrusted_warning(&self, seal: Option<&SealKeys>) -> Option<&'static str> {
        let trusted = values(self.trusted_signers.as_ref());
        let signer = seal.and_then(|keys| keys.signer.as_deref());
        let is_trusted = signer.is_some_and(|signer| trusted.contains(signer.public()));
        (!trusted.is_empty() && !is_trusted).then_some(
            "trusted_signers is configured and this host does not sign as one of them: readers with this configuration \
             refuse its backups; add an ed25519 key to its keyring, and its signer to trusted_signers",
        )
    }

    /// What backups are opened with, and what is demanded of them: an encrypted one, wherever anything of this section is
    /// configured.
    ///
    /// # Errors
    /// [`Config`](lifeboat_core::Kind::Config) when the keyring cannot be read.
    pub(crate) async fn open_keys(&self, allowed: Allowed, environment: &Environment) -> Result<OpenKeys> {
        let keyring = self.keyring(environment).await?;
        let keys = keyring.map(|keyring| keyring.open_keys(allowed.retired)).unwrap_or_default();
        Ok(OpenKeys {
            trusted_signers: values(self.trusted_signers.as_ref()).to_vec(),
            required: self.keyring.is_some() || self.recipients.is_some() || self.trusted_signers.is_some(),
            allow_unencrypted: allowed.unencrypted,
            allow_unsigned: allowed.unsigned,
            ..keys
        })
    }

    /// The only signers whose backups are read; none where anybody's are.
    pub(crate) fn trusted_signers(&self) -> &[SignerKey] {
        values(self.trusted_signers.as_ref())
    }

    /// The keyring, where one is configured; it is fetched now.
    ///
    /// # Errors
    /// [`Config`](lifeboat_core::Kind::Config) when it cannot be read.
    pub(crate) async fn keyring(&self, environment: &Environment) -> Result<Option<Keyring>> {
        match &self.keyring {
            Some(reference) => reference.value.load(environment).await.map(Some),
            None => Ok(None),
        }
    }
}

fn values<T>(keys: Option<&Sourced<PublicKeys<T>>>) -> &[T] {
    keys.map_or(&[], |keys| &keys.value.0)
}

const EMPTY_HELP: &str =
    "write keyring = \"file:/path/keyring.toml\" or recipients = [\"x25519:…\"] into it, or take it out";

#[cfg(test)]
mod tests;
