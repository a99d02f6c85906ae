//! What `config check` tries beyond reading the file: whatever a run would need of this host. Nothing is sent anywhere, and
//! what is wrong is told together, each at its line.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lifeboat_core::{Error, store};
use lifeboat_rotate::Keyring;
use lifeboat_rotate::sweep::KeySource;
use secrecy::SecretString;

use super::super::source;
use crate::config::{Config, Database, Environment, Misfit, Origin, Place, Problems, SecretRef, Sourced};

/// What was found.
pub(super) struct Checked {
    /// Everything that is wrong.
    pub(super) problems: Problems,
    /// References that only the systemd unit can resolve.
    pub(super) unchecked: Vec<String>,
    /// Keys of columns that are not here: backups need none, rotations and drills do.
    pub(super) absent: Vec<String>,
    /// What the operator should know.
    pub(super) warning: Option<&'static str>,
}

/// Checks what `config` names. `problems` are those that were found while it was read: what was left out because of one is
/// not called missing.
pub(super) async fn check(config: &Config, problems: Problems, environment: &Environment) -> Checked {
    let as_read = problems.is_empty();
    let mut check = Check { environment, problems, unchecked: Vec::new(), absent: BTreeSet::new() };
    if as_read {
        check.complete(config);
    }
    check.store(config).await;
    let warning = check.keys(config).await;
    for database in &config.databases {
        check.database(database, as_read).await;
    }
    check.columns(config).await;
    let absent = check.absent.into_iter().collect();
    Checked { problems: check.problems.sorted(), unchecked: check.unchecked, absent, warning }
}

struct Check<'a> {
    environment: &'a Environment,
    problems: Problems,
    unchecked: Vec<String>,
    absent: BTreeSet<String>,
}

impl Check<'_> {
    /// A configuration may be well-formed and still not enough for a backup.
    fn complete(&mut self, config: &Config) {
        if config.store.url.is_none() {
            let misfit = Misfit::new("no store is configured").help("write store = \"s3://bucket/prefix\"");
            self.problems.add(Place::Nowhere, misfit);
        }
        if config.databases.is_empty() {
            let misfit = Misfit::new("no database is configured").help("write a [[database]] with its name and url");
            self.problems.add(Place::Nowhere, misfit);
        }
    }

    async fn store(&mut self, config: &Config) {
        let mut whole = config.store.half_a_key_pair().is_none();
        for reference in config.store.secrets.values() {
            whole &= self.secret(&reference.value, &reference.origin).await;
        }
        if let Some(endpoint) = config.store.plain_http() {
            self.add(&endpoint.origin, &store::plain_http("use this endpoint"));
        } else if let (true, Some(url)) = (whole, &config.store.url)
            && let Err(error) = config.store.check(self.environment).await
        {
            self.add(&url.origin, &error);
        }
    }

    async fn keys(&mut self, config: &Config) -> Option<&'static str> {
        let keyring = config.encryption.keyring.as_ref();
        if let Some(keyring) = keyring.filter(|keyring| !self.is_at_hand(keyring.value.reference())) {
            self.unchecked.push(keyring.value.to_string());
            return None;
        }
        match config.encryption.seal_keys(self.environment).await {
            Ok(seal) => config.encryption.untrusted_warning(seal.as_ref()),
            Err(error) => {
                self.add(keyring.map_or(&Origin::Default, |keyring| &keyring.origin), &error);
                None
            }
        }
    }

    async fn database(&mut self, database: &Database, as_read: bool) {
        if let Some(folder) = &database.tools_dir
            && let Some(misfit) = unfit_tools(&folder.value)
        {
            self.problems.add(Place::of(&folder.origin), misfit);
        }
        let reference = database.url.as_ref().and_then(|url| url.value.reference());
        if let Some(reference) = reference.filter(|reference| !self.is_at_hand(reference)) {
            self.unchecked.push(reference.to_string());
            return;
        }
        let origin = database.url.as_ref().map_or(&database.name.origin, |url| &url.origin);
        // Without an address it may be one that could not be read.
        let (true, Err(error)) = (as_read || database.url.is_some(), source::reach(database, self.environment).await)
        else {
            return;
        };
        self.add(origin, &error);
    }

    /// The keys of declared columns, as far as they are here: each has its format, and fits its layout.
    async fn columns(&mut self, config: &Config) {
        for column in &config.rotate.columns {
            let keys = column.keys.or(&config.rotate.keys);
            let old = self.column_key(keys.old.as_ref()).await;
            let Some(new) = self.column_key(keys.new.as_ref()).await else { continue };
            let known: Vec<_> = std::iter::once(&new).chain(&old).collect();
            let origin = keys.new.as_ref().map_or(&Origin::Default, |new| &new.origin);
            let checked = crate::commands::rotate::format(&keys, &known).and_then(|format| {
                let key = KeySource { secret: new, format, id: keys.new_id.as_ref().map(|id| id.value.clone()) };
                Keyring::new(column.layout.value.clone(), key.derive()?)
            });
            if let Err(error) = checked {
                self.add(origin, &error.while_doing(format!("take the new key of {}", column.name())));
            }
        }
    }

    async fn column_key(&mut self, reference: Option<&Sourced<SecretRef>>) -> Option<SecretString> {
        let reference = &reference?.value;
        let resolved = reference.resolve(self.environment).await;
        if resolved.is_err() {
            self.absent.insert(reference.to_string());
        }
        resolved.ok()
    }

    /// Whether the secret is there, now.
    async fn secret(&mut self, reference: &SecretRef, origin: &Origin) -> bool {
        if !self.is_at_hand(reference) {
            self.unchecked.push(reference.to_string());
            return false;
        }
        let resolved = reference.resolve(self.environment).await;
        resolved.inspect_err(|error| self.add(origin, error)).is_ok()
    }

    fn is_at_hand(&self, reference: &SecretRef) -> bool {
        reference.is_at_hand(self.environment)
    }

    fn add(&mut self, origin: &Origin, error: &Error) {
        self.problems.add(Place::of(origin), error.into());
    }
}

fn unfit_tools(folder: &Path) -> Option<Misfit> {
    let pg_dump = folder.join("pg_dump");
    let why = match pg_dump.metadata() {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => return None,
        _ if !folder.is_dir() => "there is no such folder",
        _ => "it holds no pg_dump that can be run",
    };
    let misfit = Misfit::new(format!("look for the Postgres tools in {}: {why}", folder.display()));
    Some(misfit.help(
        "name the folder of pg_dump, such as /usr/lib/postgresql/17/bin, or leave it out: the usual ones are tried",
    ))
}
