//! A configured store, opened: what it is told, and by whom, is put together here, and secrets are fetched.

use std::collections::BTreeMap;

use lifeboat_core::store::{self, Probe, Scheme, Store, StoreUrl};
use lifeboat_core::{Error, Kind, Result};
use secrecy::ExposeSecret as _;

use super::super::env_vars;
use super::super::environment::Environment;
use super::{AWS_SETTINGS, SECRETS, StoreConfig};

impl StoreConfig {
    /// Whether the object store takes the settings; nothing is sent. Without every secret nobody can tell, and the folder of
    /// a `file://` store may not be there yet.
    ///
    /// # Errors
    /// [`Kind::Config`].
    pub(crate) async fn check(&self, environment: &Environment) -> Result<()> {
        let (url, settings) = self.resolved(environment).await?;
        match self.network.resolved(environment).await?.open(url, &settings) {
            Err(error) if error.kind() == Kind::Config => Err(error),
            _ => Ok(()),
        }
    }

    /// Opens the store to read it; secrets are fetched now.
    ///
    /// # Errors
    /// [`Kind::Config`] when none is configured, a secret is not there, or settings contradict each other;
    /// [`Kind::NotFound`] when its folder is missing.
    pub(crate) async fn open(&self, environment: &Environment) -> Result<Store> {
        let (url, settings) = self.resolved(environment).await?;
        let network = self.network.resolved(environment).await?;
        Ok(network.open(url, &settings)?.with_retry(self.network.patience()))
    }

    /// Opens the store to try what it does.
    ///
    /// # Errors
    /// As [`StoreConfig::open`].
    pub(crate) async fn probe(&self, environment: &Environment) -> Result<Probe> {
        let (url, settings) = self.resolved(environment).await?;
        Probe::open(url, &settings, &self.network.resolved(environment).await?)
    }

    /// Opens the store to write to it, and makes its folder.
    ///
    /// # Errors
    /// As [`StoreConfig::open`]; [`Kind::Config`] when the folder cannot be made.
    pub(crate) async fn create(&self, environment: &Environment) -> Result<Store> {
        let (url, settings) = self.resolved(environment).await?;
        let network = self.network.resolved(environment).await?;
        Ok(network.create(url, &settings)?.with_retry(self.network.patience()))
    }

    async fn resolved(&self, environment: &Environment) -> Result<(&StoreUrl, BTreeMap<String, String>)> {
        let url = self.url.as_ref().ok_or_else(no_store)?;
        let mut settings = self.passed_on(environment);
        settings.extend(self.settings.iter().map(|(name, value)| ((*name).to_owned(), value.value.clone())));
        settings.extend(self.known().into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        for (name, reference) in &self.secrets {
            let secret = reference.value.resolve(environment).await?;
            settings.insert((*name).to_owned(), secret.expose_secret().to_owned());
        }
        Ok((&url.value, settings))
    }

    /// What the environment says to the object store itself. Keys of two layers are not mixed.
    pub(super) fn passed_on(&self, environment: &Environment) -> BTreeMap<String, String> {
        let prefix = match self.scheme() {
            Scheme::S3 | Scheme::File => env_vars::AWS_PREFIX,
            Scheme::Gs => env_vars::GOOGLE_PREFIX,
            Scheme::Az => env_vars::AZURE_PREFIX,
            Scheme::B2 if self.secrets.is_empty() => store::settings::B2_KEY,
            Scheme::B2 => return BTreeMap::new(),
        };
        let is_secret = |name: &str| SECRETS.iter().any(|(_, variable)| *variable == name);
        let is_ours = |name: &str| AWS_SETTINGS.iter().any(|(_, variables)| variables.contains(&name));
        let passed_on = environment.with_prefix(prefix);
        let passed_on = passed_on.filter(|(name, _)| !is_ours(name) && (self.secrets.is_empty() || !is_secret(name)));
        passed_on.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// What the configuration says of the store that is no secret and no address.
    fn known(&self) -> [(&'static str, Option<String>); 5] {
        [
            (store::settings::PROVIDER, self.provider.as_ref().map(|provider| provider.value.to_string())),
            (store::settings::CHECKSUM, self.checksum.as_ref().map(|checksum| checksum.value.to_string())),
            (store::settings::PATH_STYLE, self.path_style.as_ref().map(|in_path| in_path.value.to_string())),
            (store::settings::PARTS_MAX, self.parts_max.as_ref().map(|parts| parts.value.to_string())),
            (store::settings::DELETES, self.deletes.as_ref().map(|deletes| deletes.value.to_string())),
        ]
    }
}

fn no_store() -> Error {
    Error::new(Kind::Config, "find out which store to use: none is configured").hint(
        "give --store s3://bucket/prefix or --store file:///folder, set LIFEBOAT_STORE, or write store = \"…\" into \
         /etc/lifeboat/lifeboat.toml",
    )
}
