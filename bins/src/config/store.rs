//! `store = "s3://…"`, or `[store]` with its endpoint, region and references to keys.

mod open;

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use lifeboat_core::store::{self, Checksum, Deletes, Provider, Scheme, StoreUrl};
use lifeboat_core::{Error, Kind, Result};

use super::env_vars;
use super::environment::Environment;
use super::layers::{Flag, Layers};
use super::network::{NetworkConfig, NetworkFlags};
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
    /// Who runs it.
    pub(crate) provider: Option<Sourced<Provider>>,
    /// The checksum of each part.
    pub(crate) checksum: Option<Sourced<Checksum>>,
    /// Whether the bucket stands in the path, not in the host name.
    pub(crate) path_style: Option<Sourced<bool>>,
    /// Parts an object may have.
    pub(crate) parts_max: Option<Sourced<NonZeroU32>>,
    /// Whether deleting takes old versions, too.
    pub(crate) deletes: Option<Sourced<Deletes>>,
    /// The way there.
    pub(crate) network: NetworkConfig,
    /// What general variables decided against the file, in words.
    pub(crate) overruled: Vec<String>,
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
        let mut found = Self {
            url,
            provider: section.read("provider", problems),
            checksum: section.read("checksum", problems),
            path_style: section.read("path_style", problems),
            parts_max: section.read("parts_max", problems),
            deletes: section.read("deletes", problems),
            ..Self::default()
        };
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
        found.network = NetworkConfig::read(&mut section, problems);
        if let Some(scheme @ (Scheme::Gs | Scheme::Az)) = found.url.as_ref().map(|url| url.value.scheme()) {
            refuse_those_of_s3(scheme, &section, problems);
            // Said with them.
            found.secrets.clear();
        }
        section.finish(problems);
        found
    }

    /// Lays flag and environment over the file. A key pair is never mixed from two layers.
    pub(crate) fn layered(mut self, flag: Flag<'_>, network: NetworkFlags<'_>, layers: &mut Layers<'_>) -> Self {
        self.url = layers.pick(flag, env_vars::STORE, self.url.take());
        self.provider = layers.pick(("", None), store::settings::PROVIDER, self.provider.take());
        self.checksum = layers.pick(("", None), store::settings::CHECKSUM, self.checksum.take());
        self.path_style = layers.pick(("", None), store::settings::PATH_STYLE, self.path_style.take());
        self.parts_max = layers.pick(("", None), store::settings::PARTS_MAX, self.parts_max.take());
        self.network = self.network.layered(network, layers);
        self.deletes = layers.pick(("", None), store::settings::DELETES, self.deletes.take());
        let environment = layers.environment;
        self.take_settings(environment);
        let variables = self.secret_variables();
        let set: Vec<_> = variables.iter().filter(|(_, variable)| environment.var(variable).is_some()).collect();
        let is_set = |half: &&str| set.iter().any(|(name, _)| name == half);
        if !set.is_empty() && (KEY_PAIR.iter().all(is_set) || !self.names_its_own_variables()) {
            let from_env = |variable: &'static str| Sourced {
                value: SecretRef::Env(variable.to_owned()),
                origin: Origin::Env(variable),
            };
            self.secrets = set.into_iter().map(|(name, variable)| (*name, from_env(variable))).collect();
        }
        self.refuse_half_a_key_pair(layers.problems);
        self
    }

    /// Those of the usual variables. An operator who looks into the file alone is told where another value counts.
    fn take_settings(&mut self, environment: &Environment) {
        for (kept, variables) in self.setting_variables() {
            let set = variables.iter().find_map(|variable| Some((*variable, environment.var(variable)?)));
            let Some((variable, text)) = set else { continue };
            let value = Sourced { value: text.to_owned(), origin: Origin::Env(variable) };
            let before = self.settings.insert(kept, value);
            if let Some(Sourced { origin: Origin::File { line, .. }, .. }) = before.filter(|file| file.value != text) {
                self.overruled
                    .push(format!("{variable} is set, and counts instead of line {line} of the configuration"));
            }
        }
        if !self.setting_variables().is_empty() {
            self.fill_in(environment);
        }
    }

    /// What variables of weaker standing say where nothing else does.
    fn fill_in(&mut self, environment: &Environment) {
        let in_host = environment.var(env_vars::AWS_VIRTUAL_HOSTED_STYLE_REQUEST).and_then(|text| text.parse().ok());
        let in_path = in_host.map(|in_host: bool| Sourced {
            value: !in_host,
            origin: Origin::Env(env_vars::AWS_VIRTUAL_HOSTED_STYLE_REQUEST),
        });
        self.path_style = self.path_style.take().or(in_path);
        let checksum = environment.var(env_vars::AWS_CHECKSUM_ALGORITHM).map(str::to_ascii_lowercase);
        let checksum = checksum
            .and_then(|text| text.parse().ok())
            .map(|value| Sourced { value, origin: Origin::Env(env_vars::AWS_CHECKSUM_ALGORITHM) });
        self.checksum = self.checksum.take().or(checksum);
    }

    fn scheme(&self) -> Scheme {
        self.url.as_ref().map_or(Scheme::S3, |url| url.value.scheme())
    }

    /// The variables of plain settings, the strongest first, each list after the name that the setting is kept by. Those of
    /// AWS say nothing of a store of another kind: they may be of another one.
    fn setting_variables(&self) -> &'static [(&'static str, &'static [&'static str])] {
        match self.scheme() {
            Scheme::S3 | Scheme::File => &AWS_SETTINGS,
            Scheme::B2 | Scheme::Gs | Scheme::Az => &[],
        }
    }

    /// What of the store the environment decides, in words: each setting with its variable.
    pub(crate) fn by_environment(&self, environment: &Environment) -> Vec<String> {
        if self.scheme() == Scheme::File {
            return Vec::new();
        }
        let mut told = Vec::new();
        let mut tell = |key: &str, origin: Option<&Origin>| {
            if let Some(Origin::Env(variable)) = origin {
                told.push(format!("{key} by {variable}"));
            }
        };
        tell("url", self.url.as_ref().map(|url| &url.origin));
        tell("provider", self.provider.as_ref().map(|provider| &provider.origin));
        for (key, variable) in SETTINGS.into_iter().chain([("allow_http", env_vars::AWS_ALLOW_HTTP)]) {
            tell(key, self.settings.get(variable).map(|setting| &setting.origin));
        }
        tell("path_style", self.path_style.as_ref().map(|in_path| &in_path.origin));
        tell("checksum", self.checksum.as_ref().map(|checksum| &checksum.origin));
        tell("parts_max", self.parts_max.as_ref().map(|parts| &parts.origin));
        tell("deletes", self.deletes.as_ref().map(|deletes| &deletes.origin));
        for (key, variable) in SECRETS {
            tell(key, self.secrets.get(variable).map(|secret| &secret.origin));
        }
        told.extend(self.passed_on_unseen(environment).into_iter().map(|name| format!("the client's {name}")));
        told
    }

    /// Variables that the store's client looks at by itself and that no key of `[store]` stands for.
    pub(crate) fn passed_on_unseen(&self, environment: &Environment) -> Vec<String> {
        let passed_on = self.passed_on(environment).into_keys();
        let is_secret = |name: &String| SECRETS.iter().any(|(_, variable)| variable == name);
        passed_on.filter(|name| !is_secret(name) && store::is_for_client(self.scheme(), name)).collect()
    }

    /// The variables of secrets, each after the name that it is kept by.
    fn secret_variables(&self) -> &'static [(&'static str, &'static str)] {
        match self.scheme() {
            Scheme::S3 | Scheme::File => &AWS_SECRETS,
            Scheme::B2 => &B2_SECRETS,
            Scheme::Gs | Scheme::Az => &[],
        }
    }

    /// Whether the file says `access_key_id = "env:AWS_ACCESS_KEY_ID"`, or so: then these variables are no other layer.
    fn names_its_own_variables(&self) -> bool {
        let variables = self.secret_variables();
        self.secrets.iter().any(|(name, reference)| {
            variables.iter().any(|(kept, variable)| {
                kept == name && matches!(&reference.value, SecretRef::Env(named) if named == variable)
            })
        })
    }

    fn refuse_half_a_key_pair(&self, problems: &mut Problems) {
        if let Some((given, missing)) = self.half_a_key_pair() {
            let from_file = matches!(given.origin, Origin::File { .. });
            let key = SECRETS.iter().find(|(_, variable)| from_file && *variable == missing).map(|(key, _)| *key);
            let by_name = |name| self.secret_variables().iter().find(|(kept, _)| *kept == name);
            let lacking = key.unwrap_or_else(|| by_name(missing).map_or(missing, |(_, variable)| variable));
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
        let is_bucket = self.url.is_some() && matches!(self.scheme(), Scheme::S3 | Scheme::B2);
        let allowed = self.settings.get(env_vars::AWS_ALLOW_HTTP).is_some_and(|allow| allow.value == "true");
        let endpoint = self.settings.get(env_vars::AWS_ENDPOINT_URL)?;
        (is_bucket && !allowed && store::is_plain_http(&endpoint.value)).then_some(endpoint)
    }

    /// The same settings and secrets at another address.
    ///
    /// # Errors
    /// [`Kind::Usage`] when it is no address, or one of another kind of store: the keys of this one are not shown to it.
    pub(crate) fn moved_to(&self, address: &str) -> Result<Self> {
        let moved = Self { url: Self::at(address)?.url, ..self.clone() };
        // A folder needs no keys; those that stand beside the address of one are for S3.
        let fits = match (self.scheme(), moved.scheme()) {
            (_, Scheme::File) | (Scheme::File, Scheme::S3) => true,
            (first, second) => first == second,
        };
        if fits {
            return Ok(moved);
        }
        Err(Error::new(Kind::Usage, format!("use {address} beside a store of another kind: they have different keys"))
            .hint("run the command once for each of them"))
    }
}

/// What a cloud that does not speak S3 never gets to see must not look as if it counted.
fn refuse_those_of_s3(scheme: Scheme, section: &Section<'_, '_>, problems: &mut Problems) {
    let (address, variables) = match scheme {
        Scheme::Gs => ("gs://", env_vars::GOOGLE_PREFIX),
        _ => ("az://", env_vars::AZURE_PREFIX),
    };
    let of_s3: Vec<_> = SETTINGS.into_iter().chain(SECRETS).map(|(key, _)| key).chain(OF_S3).collect();
    for (key, span, _) in section.entries().filter(|(key, ..)| of_s3.contains(key)) {
        let misfit = Misfit::new(format!("`{key}` means nothing at {address}: it is of stores that speak S3"));
        let line = section.line(&span);
        let help =
            format!("remove line {line}: {variables}* variables alone say how this store is reached (docs/stores.md)");
        problems.add(Place::File(span), misfit.help(help));
    }
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

/// Keys of `[store]` beside [`SETTINGS`] and [`SECRETS`] that stores which speak S3 alone look at.
const OF_S3: [&str; 6] = ["provider", "checksum", "path_style", "parts_max", "deletes", "allow_http"];

/// Names that settings of stores that speak S3 are kept by, and their variables, the strongest first.
const AWS_SETTINGS: [(&str, &[&str]); 3] = [
    (env_vars::AWS_ENDPOINT_URL, &[env_vars::AWS_ENDPOINT_URL_S3, env_vars::AWS_ENDPOINT_URL, env_vars::AWS_ENDPOINT]),
    (env_vars::AWS_REGION, &[env_vars::AWS_REGION]),
    (env_vars::AWS_ALLOW_HTTP, &[env_vars::AWS_ALLOW_HTTP]),
];

const KEY_PAIR: [&str; 2] = [env_vars::AWS_ACCESS_KEY_ID, env_vars::AWS_SECRET_ACCESS_KEY];

/// Keys of `[store]` that are secrets.
pub(crate) const SECRETS: [(&str, &str); 3] = [
    ("access_key_id", env_vars::AWS_ACCESS_KEY_ID),
    ("secret_access_key", env_vars::AWS_SECRET_ACCESS_KEY),
    ("session_token", env_vars::AWS_SESSION_TOKEN),
];

/// The variables of [`SECRETS`] for stores that speak S3, each after the name that it is kept by.
const AWS_SECRETS: [(&str, &str); 3] = [
    (env_vars::AWS_ACCESS_KEY_ID, env_vars::AWS_ACCESS_KEY_ID),
    (env_vars::AWS_SECRET_ACCESS_KEY, env_vars::AWS_SECRET_ACCESS_KEY),
    (env_vars::AWS_SESSION_TOKEN, env_vars::AWS_SESSION_TOKEN),
];

/// The same for `b2://`.
const B2_SECRETS: [(&str, &str); 2] = [
    (env_vars::AWS_ACCESS_KEY_ID, store::settings::B2_KEY_ID),
    (env_vars::AWS_SECRET_ACCESS_KEY, store::settings::B2_KEY),
];
