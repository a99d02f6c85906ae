//! `[encryption]`: which keys seal and sign new backups, and which open those that are read.

use std::fmt;
use std::str::FromStr;

use lifeboat_core::keys::{Keyring, OpenKeys, Recipient, SealKeys, SignerKey};
use lifeboat_core::{Error, Result};
use secrecy::ExposeSecret as _;
use toml::de::DeValue;

use super::env_vars;
use super::environment::Environment;
use super::layers::Layers;
use super::origin::Sourced;
use super::problems::{Place, Problems};
use super::secret_ref::SecretRef;
use super::section::Section;
use super::setting::{Misfit, Setting, kind_of, quoted};

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

    async fn load(&self, environment: &Environment) -> Result<Keyring> {
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

/// Public keys, written in a list or between spaces or commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKeys<T>(Vec<T>);

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

const EMPTY_HELP: &str =
    "write keyring = \"file:/path/keyring.toml\" or recipients = [\"x25519:…\"] into it, or take it out";
const KEYRING_HELP: &str =
    "write file:/path/keyring.toml, credential:NAME, env:NAME or command:[\"program\", \"argument\"]";

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use lifeboat_core::Kind;
    use lifeboat_core::keys::{KeyKind, Keyring};

    use super::{Allowed, EncryptionConfig, EncryptionFlags, KeyringRef};
    use crate::config::{Config, Environment, Flags, Problems, Setting as _};

    const RECIPIENT: &str = "x25519:430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c";
    const SIGNER: &str = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn load(text: &str, flags: EncryptionFlags<'_>, environment: &Environment) -> Result<EncryptionConfig, Problems> {
        let file = crate::config::ConfigFile { path: "lifeboat.toml".to_owned(), text: text.to_owned() };
        Config::load(Some(file), Flags { encryption: flags, ..Flags::default() }, environment)
            .map(|config| config.encryption)
    }

    fn of(environment: &Environment) -> EncryptionConfig {
        load("", EncryptionFlags::default(), environment).unwrap()
    }

    #[tokio::test]
    async fn without_the_section_backups_are_neither_sealed_nor_demanded_to_be() {
        let (none, environment) = (EncryptionConfig::default(), Environment::default());
        assert!(none.seal_keys(&environment).await.unwrap().is_none());
        let open = none.open_keys(Allowed::default(), &environment).await.unwrap();
        assert!(open.keys.is_empty() && !open.required && open.trusted_signers.is_empty());
    }

    #[tokio::test]
    async fn a_host_with_only_recipients_seals_and_cannot_open() {
        let environment = Environment::from([("LIFEBOAT_RECIPIENTS", RECIPIENT)]);
        let config = of(&environment);
        let seal = config.seal_keys(&environment).await.unwrap().unwrap();
        assert_eq!((seal.wraps.len(), seal.signer.is_some()), (1, false));
        let open = config.open_keys(Allowed::default(), &environment).await.unwrap();
        assert!(open.keys.is_empty() && open.required && !open.allow_unencrypted);
    }

    #[tokio::test]
    async fn trusted_signers_alone_demand_and_do_not_seal() {
        let environment = Environment::from([("LIFEBOAT_TRUSTED_SIGNERS", SIGNER)]);
        let config = of(&environment);
        assert!(config.seal_keys(&environment).await.unwrap().is_none());
        let open = config
            .open_keys(Allowed { unencrypted: true, retired: false, unsigned: false }, &environment)
            .await
            .unwrap();
        assert_eq!(open.trusted_signers[0].to_string(), SIGNER);
        assert!(open.required && open.allow_unencrypted);
    }

    #[tokio::test]
    async fn a_host_that_would_not_read_its_own_backups_is_told() {
        let untrusted = Environment::from([("LIFEBOAT_TRUSTED_SIGNERS", SIGNER), ("LIFEBOAT_RECIPIENTS", RECIPIENT)]);
        let config = of(&untrusted);
        let seal = config.seal_keys(&untrusted).await.unwrap();
        assert!(config.untrusted_warning(seal.as_ref()).is_some());
        assert!(EncryptionConfig::default().untrusted_warning(None).is_none());
    }

    #[test]
    fn a_variable_that_is_set_to_nothing_is_refused() {
        for variable in ["LIFEBOAT_KEYRING", "LIFEBOAT_RECIPIENTS", "LIFEBOAT_TRUSTED_SIGNERS"] {
            let environment = Environment::from([(variable, "")]);
            assert!(load("", EncryptionFlags::default(), &environment).is_err(), "{variable}");
        }
    }

    #[tokio::test]
    async fn the_keyring_comes_from_a_file_that_is_private_or_from_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keyring.toml");
        let add = |keyring: &mut Keyring| {
            keyring.add(&"2026-11".parse()?, KeyKind::Aes256, true, jiff::Timestamp::UNIX_EPOCH)
        };
        Keyring::edit(&path, add).unwrap();
        let reference = format!("file:{}", path.display());
        let text = fs::read_to_string(&path).unwrap();
        let environment = Environment::from([("KEYS", text.as_str())]);
        for reference in [reference.as_str(), "env:KEYS"] {
            let flags = EncryptionFlags { keyring: Some(reference), recipients: &[RECIPIENT.to_owned()] };
            let config = load("", flags, &environment).unwrap();
            assert_eq!(config.seal_keys(&environment).await.unwrap().unwrap().wraps.len(), 2, "{reference}");
            assert_eq!(config.open_keys(Allowed::default(), &environment).await.unwrap().keys.len(), 1);
        }
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let config =
            load(&format!("[encryption]\nkeyring = {reference:?}\n"), EncryptionFlags::default(), &environment);
        let error = config.unwrap().seal_keys(&environment).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.help().unwrap()),
            (Kind::Config, format!("chmod 600 {}", path.display()).as_str())
        );
    }

    #[tokio::test]
    async fn a_keyring_that_cannot_seal_is_no_reason_to_leave_backups_open() {
        let environment = Environment::from([("KEYS", "# nothing yet")]);
        let config = load("", EncryptionFlags { keyring: Some("env:KEYS"), recipients: &[] }, &environment).unwrap();
        assert_eq!(config.seal_keys(&environment).await.unwrap_err().kind(), Kind::Config);
    }

    #[test]
    fn flags_come_before_the_environment_and_that_before_the_file() {
        let text = format!(
            "[encryption]\nkeyring = \"file:/a\"\nrecipients = [\"{RECIPIENT}\"]\ntrusted_signers = [\"{SIGNER}\"]\n"
        );
        let environment = Environment::from([("LIFEBOAT_KEYRING", "file:b")]);
        let flags = EncryptionFlags { keyring: Some("file:c"), recipients: &[] };
        let keyring = |config: EncryptionConfig| config.keyring.unwrap().value.to_string();
        assert_eq!(keyring(load(&text, flags, &environment).unwrap()), "file:c");
        assert_eq!(keyring(load(&text, EncryptionFlags::default(), &environment).unwrap()), "file:b");
        assert_eq!(keyring(load(&text, EncryptionFlags::default(), &Environment::default()).unwrap()), "file:/a");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_place_and_a_secret_is_never_shown() {
        let secret = "0f".repeat(32);
        let cases = [
            ("keyring = \"file:keyring.toml\"".to_owned(), ":2:11: the path is not absolute"),
            (format!("keyring = \"{secret}\""), ":2:11: expected a reference to a keyring"),
            (format!("recipients = [\"{secret}\"]"), ":2:14: read a recipient: it does not begin with x25519:"),
            (format!("recipients = \"{RECIPIENT}\""), ":2:14: expected a list of recipients"),
            ("recipients = []".to_owned(), ":2:14: the list is empty"),
            (format!("trusted_signers = [\"ed25519:{secret}0\"]"), ":2:19: read a signer: it has 65 digits"),
            (String::new(), ":1:1: [encryption] says nothing"),
            ("keyrings = 1".to_owned(), ":2:1: unknown key `keyrings` in [encryption]"),
        ];
        for (line, expected) in cases {
            let problems =
                load(&format!("[encryption]\n{line}\n"), EncryptionFlags::default(), &Environment::default());
            let problems = problems.expect_err(&line);
            assert!(problems.lines()[0].contains(expected), "{:?}", problems.lines());
            assert!(!problems.render(false).contains("0f0f") && !problems.to_string().contains("0f0f"));
        }
        let misfit = KeyringRef::from_text("keyring.toml").unwrap_err();
        assert!(misfit.help.unwrap().contains("file:"));
    }
}
