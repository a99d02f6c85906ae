//! `[backup]`: how backups are taken.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use lifeboat_backup::MethodChoice;
use lifeboat_core::Name;
use lifeboat_core::manifest::Compression;

use super::env_vars;
use super::environment::Environment;
use super::layers::Layers;
use super::origin::{Origin, Sourced};
use super::problems::Problems;
use super::section::Section;

/// How backups are taken, where a database says nothing of its own.
#[derive(Clone, Debug)]
pub(crate) struct BackupConfig {
    /// The dump method.
    pub(crate) method: Sourced<MethodChoice>,
    /// How the script is compressed.
    pub(crate) compression: Sourced<Compression>,
    /// Connections that dump rows; as many as suit host and server without it.
    pub(crate) jobs: Option<Sourced<NonZeroU32>>,
    /// The class of new backups.
    pub(crate) class: Sourced<Name>,
    /// How many parts of 16 MiB may be in flight.
    pub(crate) parts_in_flight: Sourced<NonZeroU32>,
    /// How long a run may stand still before it ends itself; zero means for ever.
    pub(crate) stall_timeout: Sourced<Duration>,
    /// How long to wait for a table lock.
    pub(crate) lock_timeout: Sourced<Duration>,
    /// How long a change of a table may wait for a run; zero means for ever.
    pub(crate) yield_to_ddl: Sourced<Duration>,
    /// How old a run's snapshot may become; zero is no limit.
    pub(crate) snapshot_max_age: Sourced<Duration>,
    /// The folder for what must outlive a run: the journal of open uploads and lock files.
    pub(crate) state_dir: Sourced<PathBuf>,
    /// The folder for credential files of child processes.
    pub(crate) runtime_dir: Sourced<PathBuf>,
}

/// What the file says; nothing is filled in yet.
#[derive(Debug, Default)]
pub(crate) struct BackupFile {
    method: Option<Sourced<MethodChoice>>,
    compression: Option<Sourced<Compression>>,
    jobs: Option<Sourced<NonZeroU32>>,
    class: Option<Sourced<Name>>,
    parts_in_flight: Option<Sourced<NonZeroU32>>,
    stall_timeout: Option<Sourced<Duration>>,
    lock_timeout: Option<Sourced<Duration>>,
    yield_to_ddl: Option<Sourced<Duration>>,
    snapshot_max_age: Option<Sourced<Duration>>,
    state_dir: Option<Sourced<PathBuf>>,
    runtime_dir: Option<Sourced<PathBuf>>,
}

/// The flags of `backup`, as text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BackupFlags<'a> {
    /// `--method`.
    pub(crate) method: Option<&'a str>,
    /// `--compression`.
    pub(crate) compression: Option<&'a str>,
    /// `--jobs`.
    pub(crate) jobs: Option<&'a str>,
    /// `--class`.
    pub(crate) class: Option<&'a str>,
    /// `--parts-in-flight`.
    pub(crate) parts_in_flight: Option<&'a str>,
    /// `--stall-timeout`.
    pub(crate) stall_timeout: Option<&'a str>,
    /// `--lock-timeout`.
    pub(crate) lock_timeout: Option<&'a str>,
    /// `--yield-to-ddl`.
    pub(crate) yield_to_ddl: Option<&'a str>,
    /// `--snapshot-max-age`.
    pub(crate) snapshot_max_age: Option<&'a str>,
}

impl BackupFile {
    /// Reads `class` from the root table and the rest from `[backup]`.
    pub(crate) fn read(root: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        let class = root.read("class", problems);
        let Some(mut section) = root.table("backup", problems) else { return Self { class, ..Self::default() } };
        let found = Self {
            class,
            method: section.read("method", problems),
            compression: section.read("compression", problems),
            jobs: section.read("jobs", problems),
            parts_in_flight: section.read("parts_in_flight", problems),
            stall_timeout: section.read("stall_timeout", problems),
            lock_timeout: section.read("lock_timeout", problems),
            yield_to_ddl: section.read("yield_to_ddl", problems),
            snapshot_max_age: section.read("snapshot_max_age", problems),
            state_dir: section.read("state_dir", problems),
            runtime_dir: section.read("runtime_dir", problems),
        };
        section.finish(problems);
        found
    }

    /// Lays flags and environment over the file, and defaults under it.
    pub(crate) fn layered(self, flags: BackupFlags<'_>, layers: &mut Layers<'_>) -> BackupConfig {
        let class = layers.pick(("--class", flags.class), env_vars::CLASS, self.class);
        let parts =
            layers.pick(("--parts-in-flight", flags.parts_in_flight), env_vars::PARTS_IN_FLIGHT, self.parts_in_flight);
        let stall = layers.pick(("--stall-timeout", flags.stall_timeout), env_vars::STALL_TIMEOUT, self.stall_timeout);
        let lock = layers.pick(("--lock-timeout", flags.lock_timeout), env_vars::LOCK_TIMEOUT, self.lock_timeout);
        let yielding = layers.pick(("--yield-to-ddl", flags.yield_to_ddl), env_vars::YIELD_TO_DDL, self.yield_to_ddl);
        let snapshot_age = ("--snapshot-max-age", flags.snapshot_max_age);
        let snapshot_age = layers.pick(snapshot_age, env_vars::SNAPSHOT_MAX_AGE, self.snapshot_max_age);
        let method = layers.pick(("--method", flags.method), env_vars::METHOD, self.method);
        let compression = layers.pick(("--compression", flags.compression), env_vars::COMPRESSION, self.compression);
        let jobs = layers.pick(("--jobs", flags.jobs), env_vars::JOBS, self.jobs);
        let environment = layers.environment;
        BackupConfig {
            jobs,
            method: method.unwrap_or_else(|| Sourced::default_of(MethodChoice::default())),
            compression: compression.unwrap_or_else(|| Sourced::default_of(Compression::default())),
            class: class.unwrap_or_else(|| Sourced::default_of("daily".parse().expect("a valid name"))),
            parts_in_flight: parts.unwrap_or_else(|| Sourced::default_of(PARTS_IN_FLIGHT)),
            stall_timeout: stall.unwrap_or_else(|| Sourced::default_of(STALL_TIMEOUT)),
            lock_timeout: lock.unwrap_or_else(|| Sourced::default_of(LOCK_TIMEOUT)),
            yield_to_ddl: yielding.unwrap_or_else(|| Sourced::default_of(Duration::ZERO)),
            snapshot_max_age: snapshot_age.unwrap_or_else(|| Sourced::default_of(Duration::ZERO)),
            state_dir: self.state_dir.unwrap_or_else(|| state_dir(environment)),
            runtime_dir: self.runtime_dir.unwrap_or_else(|| runtime_dir(environment)),
        }
    }
}

/// What systemd gives, else the XDG state folder. systemd separates several folders by colons: the first is ours.
fn state_dir(environment: &Environment) -> Sourced<PathBuf> {
    if let Some(given) = first_of(environment, env_vars::STATE_DIRECTORY) {
        return given;
    }
    let xdg = environment.var(env_vars::XDG_STATE_HOME).map(PathBuf::from);
    let home = || environment.var(env_vars::HOME).map(|home| PathBuf::from(home).join(".local/state"));
    Sourced::default_of(xdg.or_else(home).unwrap_or_else(std::env::temp_dir).join("lifeboat"))
}

fn runtime_dir(environment: &Environment) -> Sourced<PathBuf> {
    first_of(environment, env_vars::RUNTIME_DIRECTORY).unwrap_or_else(|| Sourced::default_of(std::env::temp_dir()))
}

fn first_of(environment: &Environment, variable: &'static str) -> Option<Sourced<PathBuf>> {
    let first = environment.var(variable)?.split(':').next()?;
    Some(Sourced { value: first.into(), origin: Origin::Env(variable) })
}

const PARTS_IN_FLIGHT: NonZeroU32 = NonZeroU32::new(3).expect("not zero");
const STALL_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
