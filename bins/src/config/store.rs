//! `store = "s3://…"`, or `[store]` with its endpoint, region and references to keys.

use std::collections::BTreeMap;

use lifeboat_core::store::{self, Store, StoreUrl};
use lifeboat_core::{Error, Kind, Result};
use secrecy::ExposeSecret as _;

use super::env_vars;
use super::environment::Environment;
use super::layers::{Flag, Layers};
use super::origin::{Origin, Sourced};
use super::problems::{Place, Problems};
use super::secret_ref::SecretRef;
use super::section::Section;
use super::setting::{Misfit, Setting, quoted};

/// Where backups are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct StoreConfig {
    /// Bucket and prefix, or folder.
    pub(crate) url: Option<Sourced<StoreUrl>>,
    /// Settings of the object store by the name of their `AWS_*` variable.
    pub(crate) settings: BTreeMap<&'static str, Sourced<String>>,
    /// Secrets of the object store by the name of their `AWS_*` variable.
    pub(crate) secrets: BTreeMap<&'static str, Sourced<SecretRef>>,
}

impl StoreConfig {
    /// The store at this address, with settings from the environment alone.
    ///
    /// # Errors
    /// [`Kind::Usage`] when it is no address.
    pub(crate) fn at(address: &str) -> Result<Self> {
        let url = StoreUrl::from_text(address).map_err(|misfit| Error::new(Kind::Usage, misfit.message))?;
        Ok(Self { url: Some(Sourced::default_of(url)), ..Self::default() })
    }

    /// Reads `store` from the file's root table.
    pub(crate) fn read(root: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        let is_table = root.value("store").is_some_and(|value| value.get_ref().is_table());
        if !is_table {
            return Self { url: root.read("store", problems), ..Self::default() };
        }
        root.table("store", problems).map(|section| Self::read_table(section, problems)).unwrap_or_default()
    }

    fn read_table(mut section: Section<'_, '_>, problems: &mut Problems) -> Self {
        let url = section.require("url", problems);
        let mut found = Self { url, ..Self::default() };
        for (key, variable) in SETTINGS {
            found.settings.extend(section.read(key, problems).map(|value| (variable, value)));
        }
        if let Some(allow) = section.read::<bool>("allow_http", problems) {
            found
                .settings
                .insert(env_vars::AWS_ALLOW_HTTP, Sourced { value: allow.value.to_string(), origin: allow.origin });
        }
        for (key, variable) in SECRETS {
            found.secrets.extend(section.read(key, problems).map(|reference| (variable, reference)));
        }
        section.finish(problems);
        found
    }

    /// Lays flag and environment over the file. A key pair is never mixed from two layers.
    pub(crate) fn layered(mut self, flag: Flag<'_>, layers: &mut Layers<'_>) -> Self {
        self.url = layers.pick(flag, env_vars::STORE, self.url.take());
        let environment = layers.environment;
        for (_, variable) in SETTINGS.into_iter().chain([("allow_http", env_vars::AWS_ALLOW_HTTP)]) {
            let set = environment.var(variable);
            self.settings
                .extend(set.map(|text| (variable, Sourced { value: text.to_owned(), origin: Origin::Env(variable) })));
        }
        let set: Vec<_> = SECRETS.into_iter().filter(|(_, variable)| environment.var(variable).is_some()).collect();
        let complete = KEY_PAIR.iter().all(|variable| environment.var(variable).is_some());
        if !set.is_empty() && (complete || !self.names_its_own_variables()) {
            let from_env = |variable: &'static str| Sourced {
                value: SecretRef::Env(variable.to_owned()),
                origin: Origin::Env(variable),
            };
            self.secrets = set.into_iter().map(|(_, variable)| (variable, from_env(variable))).collect();
        }
        self.refuse_half_a_key_pair(layers.problems);
        self
    }

    /// Whether the file says `access_key_id = "env:AWS_ACCESS_KEY_ID"`, or so: then these variables are no other layer.
    fn names_its_own_variables(&self) -> bool {
        self.secrets
            .iter()
            .any(|(variable, reference)| matches!(&reference.value, SecretRef::Env(name) if name == variable))
    }

    fn refuse_half_a_key_pair(&self, problems: &mut Problems) {
        if let Some((given, missing)) = self.half_a_key_pair() {
            let from_file = matches!(given.origin, Origin::File { .. });
            let key = SECRETS.iter().find(|(_, variable)| from_file && *variable == missing).map(|(key, _)| *key);
            let lacking = key.unwrap_or(missing);
            let misfit = Misfit::new(format!("the store's access key lacks its other half, {lacking}"));
            problems.add(Place::of(&given.origin), misfit.help("give key id and secret in the same place"));
        }
    }

    /// The half that is given, and the variable of the one that is not.
    pub(crate) fn half_a_key_pair(&self) -> Option<(&Sourced<SecretRef>, &'static str)> {
        let [id, secret] = KEY_PAIR;
        match (self.secrets.get(id), self.secrets.get(secret)) {
            (Some(id), None) => Some((id, secret)),
            (None, Some(secret)) => Some((secret, id)),
            _ => None,
        }
    }

    /// The endpoint of a bucket, if no request would be sent there for want of `allow_http`.
    pub(crate) fn plain_http(&self) -> Option<&Sourced<String>> {
        let is_bucket = self.url.as_ref().is_some_and(|url| url.value.to_string().starts_with("s3:"));
        let allowed = self.settings.get(env_vars::AWS_ALLOW_HTTP).is_some_and(|allow| allow.value == "true");
        let endpoint = self.settings.get(env_vars::AWS_ENDPOINT_URL)?;
        (is_bucket && !allowed && store::is_plain_http(&endpoint.value)).then_some(endpoint)
    }

    /// Whether the object store takes the settings; nothing is sent. Without every secret nobody can tell, and the folder of
    /// a `file://` store may not be there yet.
    ///
    /// # Errors
    /// [`Kind::Config`].
    pub(crate) async fn check(&self, environment: &Environment) -> Result<()> {
        let (url, settings) = self.resolved(environment).await?;
        match store::open(url, &settings) {
            Err(error) if error.kind() == Kind::Config => Err(error),
            _ => Ok(()),
        }
    }

    /// The same settings and secrets at another address.
    ///
    /// # Errors
    /// [`Kind::Usage`] when it is no address.
    pub(crate) fn moved_to(&self, address: &str) -> Result<Self> {
        Ok(Self { url: Self::at(address)?.url, ..self.clone() })
    }

    /// Opens the store to read it; secrets are fetched now.
    ///
    /// # Errors
    /// [`Kind::Config`] when none is configured, a secret is not there, or settings contradict each other;
    /// [`Kind::NotFound`] when its folder is missing.
    pub(crate) async fn open(&self, environment: &Environment) -> Result<Store> {
        let (url, settings) = self.resolved(environment).await?;
        store::open(url, &settings)
    }

    /// Opens the store to write to it, and makes its folder.
    ///
    /// # Errors
    /// As [`StoreConfig::open`]; [`Kind::Config`] when the folder cannot be made.
    pub(crate) async fn create(&self, environment: &Environment) -> Result<Store> {
        let (url, settings) = self.resolved(environment).await?;
        store::create(url, &settings)
    }

    async fn resolved(&self, environment: &Environment) -> Result<(&StoreUrl, BTreeMap<String, String>)> {
        let url = self.url.as_ref().ok_or_else(no_store)?;
        let passed_on = environment.with_prefix(env_vars::AWS_PREFIX);
        let mut settings: BTreeMap<_, _> = passed_on
            .filter(|(name, _)| self.secrets.is_empty() || !SECRETS.iter().any(|(_, variable)| variable == name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        settings.extend(self.settings.iter().map(|(name, value)| ((*name).to_owned(), value.value.clone())));
        for (name, reference) in &self.secrets {
            let secret = reference.value.resolve(environment).await?;
            settings.insert((*name).to_owned(), secret.expose_secret().to_owned());
        }
        Ok((&url.value, settings))
    }
}

fn no_store() -> Error {
    Error::new(Kind::Config, "find out which store to use: none is configured").hint(
        "give --store s3://bucket/prefix or --store file:///folder, set LIFEBOAT_STORE, or write store = \"…\" into \
         /etc/lifeboat/lifeboat.toml",
    )
}

impl Setting for StoreUrl {
    const EXPECTED: &'static str = "the address of a store";

    fn from_text(text: &str) -> Result<Self, Misfit> {
        text.parse().map_err(|error: Error| {
            let misfit =
                Misfit::new(error.to_string().replacen("read the store's address", "this is no address of a store", 1));
            Misfit { help: error.help().map(str::to_owned), ..misfit }.secret()
        })
    }

    fn show(&self) -> String {
        quoted(&self.to_string())
    }
}

/// Keys of `[store]` that are plain text.
pub(crate) const SETTINGS: [(&str, &str); 2] =
    [("endpoint", env_vars::AWS_ENDPOINT_URL), ("region", env_vars::AWS_REGION)];

const KEY_PAIR: [&str; 2] = [env_vars::AWS_ACCESS_KEY_ID, env_vars::AWS_SECRET_ACCESS_KEY];

/// Keys of `[store]` that are secrets.
pub(crate) const SECRETS: [(&str, &str); 3] = [
    ("access_key_id", env_vars::AWS_ACCESS_KEY_ID),
    ("secret_access_key", env_vars::AWS_SECRET_ACCESS_KEY),
    ("session_token", env_vars::AWS_SESSION_TOKEN),
];
