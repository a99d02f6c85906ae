//! The configuration: `lifeboat.toml` under the environment under flags, each setting in a file of its own.
//!
//! Invariant: everything that is wrong is found before anything is done, and said at once; a secret stands nowhere
//! in a [`Config`], only where to find it.

mod amounts;
mod backup;
mod compression;
mod database;
mod database_url;
mod drill;
mod encryption;
pub(crate) mod env_vars;
mod environment;
mod file;
mod layers;
mod method;
mod network;
mod origin;
pub(crate) mod password;
mod problems;
mod provider;
mod retention;
mod rotate;
mod secret_ref;
mod section;
mod setting;
mod show;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use lifeboat_core::Name;
use lifeboat_core::codec::PART_BYTES;
use toml::de::DeTable;

pub(crate) use backup::{BackupConfig, BackupFlags};
pub(crate) use database::{Database, SingleDatabase};
pub(crate) use database_url::DatabaseUrl;
pub(crate) use drill::{AssertConfig, DrillConfig, DrillFlags, EncryptedColumns, ScratchKind};
pub(crate) use encryption::{Allowed, EncryptionConfig, EncryptionFlags};
pub(crate) use environment::Environment;
pub(crate) use file::ConfigFile;
pub(crate) use network::NetworkFlags;
pub(crate) use origin::{Origin, Sourced};
pub(crate) use problems::{Place, Problems};
pub(crate) use retention::Retention;
pub(crate) use rotate::{ColumnConfig, KeysConfig, RotateConfig, RotateFlags};
pub(crate) use secret_ref::SecretRef;
pub(crate) use setting::{Misfit, Setting};
pub(crate) use store::StoreConfig;

use backup::BackupFile;
use layers::Layers;
use section::Section;

/// What the command line says about the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags<'a> {
    /// `--store`.
    pub(crate) store: Option<&'a str>,
    /// `--bandwidth` and `--retry-for`.
    pub(crate) network: NetworkFlags<'a>,
    /// `--name` and `--database-url`.
    pub(crate) database: SingleDatabase<'a>,
    /// The flags of `backup`.
    pub(crate) backup: BackupFlags<'a>,
    /// `--keyring`, and `--recipient` of `backup`.
    pub(crate) encryption: EncryptionFlags<'a>,
    /// The flags of `drill run` and `drill gc`.
    pub(crate) drill: DrillFlags<'a>,
    /// The flags of `rotate columns`.
    pub(crate) rotate: RotateFlags<'a>,
}

/// The effective configuration, each value with its origin.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The file it was read from.
    pub(crate) path: Option<String>,
    /// Where backups are kept.
    pub(crate) store: StoreConfig,
    /// The databases this run may be about.
    pub(crate) databases: Vec<Database>,
    /// The names of all databases of the file.
    pub(crate) names: Vec<Name>,
    /// How backups are taken.
    pub(crate) backup: BackupConfig,
    /// How long they are kept.
    pub(crate) retention: Retention,
    /// Which keys seal, open and are trusted.
    pub(crate) encryption: EncryptionConfig,
    /// How drills are run.
    pub(crate) drill: DrillConfig,
    /// Which columns hold ciphertexts, and how their keys are rotated.
    pub(crate) rotate: RotateConfig,
}

impl Config {
    /// The effective configuration, or everything that is wrong with it.
    pub(crate) fn load(
        file: Option<ConfigFile>,
        flags: Flags<'_>,
        environment: &Environment,
    ) -> Result<Self, Problems> {
        let (config, problems) = Self::read(file, flags, environment);
        if problems.is_empty() { Ok(config) } else { Err(problems.sorted()) }
    }

    /// How long a backup may stand still; zero means for ever. One that waits for its store as long as it was told to does not
    /// stand still.
    pub(crate) fn stall_timeout(&self) -> Duration {
        let stall = self.backup.stall_timeout.value;
        let network = &self.store.network;
        let waits = network.retry_for.as_ref().map_or(Duration::ZERO, |time| time.value + AFTER_THE_STORE);
        let part = network.time_for(u64::from(self.backup.parts_in_flight.value.get()) * PART_BYTES as u64);
        if stall.is_zero() { stall } else { stall.max(waits).max(part * 2) }
    }

    /// The environment variables in which secrets of ours are. The new key of columns is not among them: after a rotation it is
    /// the application's own, and a smoke test that is the application works with it.
    pub(crate) fn secret_variables(&self) -> Vec<String> {
        let databases = self.databases.iter().filter_map(|database| database.url.as_ref());
        let urls = databases.chain(&self.drill.server).filter_map(|url| url.value.reference());
        let store = self.store.secrets.values().map(|secret| &secret.value);
        let proxy = self.store.network.proxy.iter().filter_map(|proxy| proxy.value.reference());
        let keyring = self.encryption.keyring.iter().map(|keyring| keyring.value.reference());
        let retired = self.rotate.keys_that_go();
        let all = urls.chain(store).chain(proxy).chain(keyring).chain(retired);
        all.filter_map(|secret| secret.variable_name().map(str::to_owned)).collect()
    }

    /// What could be read, and everything that is wrong, for a check that goes on.
    pub(crate) fn read(file: Option<ConfigFile>, flags: Flags<'_>, environment: &Environment) -> (Self, Problems) {
        let path = file.as_ref().map(|file| file.path.clone());
        let (mut problems, text) = match file {
            Some(file) => (Problems::in_file(file.path, file.text.clone()), file.text),
            None => (Problems::default(), String::new()),
        };
        let (root, errors) = DeTable::parse_recoverable(&text);
        for error in errors {
            let place = error.span().map_or(Place::Nowhere, Place::File);
            problems.add(place, not_toml(error.message()));
        }
        let mut root = Section::new("the file", &root, &text);
        let store = StoreConfig::read(&mut root, &mut problems);
        let databases = Database::read_all(&mut root, &mut problems);
        let backup = BackupFile::read(&mut root, &mut problems);
        let retention = Retention::read(&mut root, &mut problems);
        let encryption = EncryptionConfig::read(&mut root, &mut problems);
        let drill = DrillConfig::read(&mut root, &mut problems);
        let rotate = RotateConfig::read(&mut root, &mut problems);
        let names: Vec<_> = databases.iter().map(|database| database.name.value.clone()).collect();
        rotate.judge(&names, &mut problems);
        root.finish(&mut problems);
        let mut layers = Layers { environment, problems: &mut problems };
        let config = Self {
            path,
            store: store.layered(("--store", flags.store), flags.network, &mut layers),
            databases: database::layered(databases, flags.database, &mut layers),
            names,
            backup: backup.layered(flags.backup, &mut layers),
            retention,
            encryption: encryption.layered(flags.encryption, &mut layers),
            drill: drill.layered(flags.drill, &mut layers),
            rotate: rotate.layered(flags.rotate, &mut layers),
        };
        (config, problems)
    }
}

/// For what a backup does when its store answers again.
const AFTER_THE_STORE: Duration = Duration::from_secs(5 * 60);

/// What the parser says, in words of people where it matters: a forgotten quote is the commonest slip.
fn not_toml(message: &str) -> Misfit {
    match message.split_once(" string, expected ") {
        Some((_, quotes)) => Misfit::new(format!("the string does not end: {quotes} is missing"))
            .help("a string ends with the quotes it begins with"),
        None => Misfit::new(message),
    }
}
