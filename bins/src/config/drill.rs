//! `[drill]`: where backups are restored for a drill, how much is proven, and what the operator checks besides.

mod demands;
mod encrypted_columns;
mod scratch_kind;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use super::amounts::{Percent, Size, assignment};
use super::database_url::DatabaseUrl;
use super::env_vars;
use super::layers::Layers;
use super::origin::Sourced;
use super::problems::{Place, Problems};
use super::section::Section;
use super::setting::{Misfit, Setting as _};
pub(crate) use demands::{AssertConfig, SmokeConfig};
pub(crate) use encrypted_columns::EncryptedColumns;
pub(crate) use scratch_kind::ScratchKind;

/// How drills are run, as the file says it.
#[derive(Clone, Debug, Default)]
pub(crate) struct DrillConfig {
    /// What kind of scratch database.
    pub(crate) scratch: Option<Sourced<ScratchKind>>,
    /// The folder in which throwaway clusters are made.
    pub(crate) dir: Option<Sourced<PathBuf>>,
    /// The major version of throwaway clusters.
    pub(crate) postgres: Option<Sourced<NonZeroU32>>,
    /// The folder of the programs of throwaway clusters, where they are not the distribution's.
    pub(crate) tools_dir: Option<Sourced<PathBuf>>,
    /// Settings of throwaway clusters, `name = value` each.
    pub(crate) settings: Option<Sourced<Vec<String>>>,
    /// What throwaway clusters reckon with instead of all free memory.
    pub(crate) memory: Option<Sourced<Size>>,
    /// The server on which scratch databases are made: being named here marks it as not production.
    pub(crate) server: Option<Sourced<DatabaseUrl>>,
    /// The command that gives a scratch database.
    pub(crate) command: Option<Sourced<Vec<String>>>,
    /// Sessions that restore and check at once.
    pub(crate) jobs: Option<Sourced<NonZeroU32>>,
    /// Until when the database has to be usable.
    pub(crate) rto: Option<Sourced<Duration>>,
    /// How much may be lost.
    pub(crate) rpo: Option<Sourced<Duration>>,
    /// How long a drill may take.
    pub(crate) timeout: Option<Sourced<Duration>>,
    /// How long rows may be compared.
    pub(crate) budget: Option<Sourced<Duration>>,
    /// Within how many drills every table is to be proven.
    pub(crate) prove_within: Option<Sourced<NonZeroU32>>,
    /// How much of the columns that `[[rotate.column]]` declares has to open.
    pub(crate) encrypted_columns: Option<Sourced<EncryptedColumns>>,
    /// The part of its rows that a table may lose.
    pub(crate) max_shrink: Option<Sourced<Percent>>,
    /// The size from which on tables are judged by how they changed.
    pub(crate) judge_from: Option<Sourced<Size>>,
    /// What the operator's SQL says about the restored data.
    pub(crate) asserts: Vec<AssertConfig>,
    /// What the operator's program says.
    pub(crate) smoke: Option<SmokeConfig>,
}

/// The flags of `drill`, as text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DrillFlags<'a> {
    /// `--scratch`.
    pub(crate) scratch: Option<&'a str>,
    /// `--server`.
    pub(crate) server: Option<&'a str>,
    /// `--dir`.
    pub(crate) dir: Option<&'a str>,
    /// `--postgres`.
    pub(crate) postgres: Option<&'a str>,
    /// `--jobs`.
    pub(crate) jobs: Option<&'a str>,
    /// `--budget`.
    pub(crate) budget: Option<&'a str>,
    /// `--timeout`.
    pub(crate) timeout: Option<&'a str>,
    /// `--rto`.
    pub(crate) rto: Option<&'a str>,
    /// `--rpo`.
    pub(crate) rpo: Option<&'a str>,
}

impl DrillConfig {
    /// Reads `[drill]`.
    pub(crate) fn read(root: &mut Section<'_, '_>, problems: &mut Problems) -> Self {
        let Some(mut section) = root.table("drill", problems) else { return Self::default() };
        let asserts = section.tables("assert", problems);
        let smoke = section.table("smoke", problems);
        let found = Self {
            scratch: section.read("scratch", problems),
            dir: section.read("dir", problems),
            postgres: section.read("postgres", problems),
            tools_dir: section.read("tools_dir", problems),
            settings: section.read("settings", problems),
            memory: section.read("memory", problems),
            server: section.read("server", problems),
            command: section.read("command", problems),
            jobs: section.read("jobs", problems),
            rto: section.read("rto", problems),
            rpo: section.read("rpo", problems),
            timeout: section.read("timeout", problems),
            budget: section.read("budget", problems),
            prove_within: section.read("prove_within", problems),
            encrypted_columns: section.read("encrypted_columns", problems),
            max_shrink: section.read("max_shrink", problems),
            judge_from: section.read("judge_from", problems),
            asserts: asserts.into_iter().filter_map(|assert| AssertConfig::read(assert, problems)).collect(),
            smoke: smoke.and_then(|smoke| SmokeConfig::read(smoke, problems)),
        };
        section.finish(problems);
        found
    }

    /// Lays flags and environment over the file.
    pub(crate) fn layered(self, flags: DrillFlags<'_>, layers: &mut Layers<'_>) -> Self {
        let layered = Self {
            scratch: layers.pick(("--scratch", flags.scratch), env_vars::DRILL_SCRATCH, self.scratch),
            dir: layers.pick(("--dir", flags.dir), env_vars::DRILL_DIR, self.dir),
            postgres: layers.pick(("--postgres", flags.postgres), env_vars::DRILL_POSTGRES, self.postgres),
            tools_dir: layers.pick(("", None), env_vars::TOOLS_DIR, self.tools_dir),
            server: layers.pick(("--server", flags.server), env_vars::DRILL_SERVER, self.server),
            jobs: layers.pick(("--jobs", flags.jobs), env_vars::DRILL_JOBS, self.jobs),
            rto: layers.pick(("--rto", flags.rto), env_vars::DRILL_RTO, self.rto),
            rpo: layers.pick(("--rpo", flags.rpo), env_vars::DRILL_RPO, self.rpo),
            timeout: layers.pick(("--timeout", flags.timeout), env_vars::DRILL_TIMEOUT, self.timeout),
            budget: layers.pick(("--budget", flags.budget), env_vars::DRILL_BUDGET, self.budget),
            ..self
        };
        layered.judge(layers.problems);
        layered
    }

    /// Each kind of scratch database needs what it is made of, and two asserts of one name could not be told apart.
    fn judge(&self, problems: &mut Problems) {
        let mut lacks = |kind: &Sourced<ScratchKind>, key: &str, help: &str| {
            let misfit = Misfit::new(format!("scratch = {} needs `{key}`", kind.value.show())).help(help);
            problems.add(Place::of(&kind.origin), misfit);
        };
        match &self.scratch {
            Some(kind) if kind.value == ScratchKind::Server && self.server.is_none() => {
                lacks(kind, "server", "add server = \"env:DRILL_SERVER_URL\" to [drill], or --server");
            }
            Some(kind) if kind.value == ScratchKind::Command && self.command.is_none() => {
                lacks(kind, "command", "add command = [\"…\"] to [drill]: it prints a connection string");
            }
            _ => {}
        }
        for setting in self.settings.iter().filter(|settings| settings.value.iter().any(|it| assignment(it).is_none()))
        {
            let misfit = Misfit::new("a setting of the server is no `name = value`");
            let help = "write settings = [\"shared_preload_libraries = 'timescaledb'\"]";
            problems.add(Place::of(&setting.origin), misfit.help(help));
        }
        for (at, assert) in self.asserts.iter().enumerate() {
            if self.asserts[..at].iter().any(|other| other.is_twin_of(assert)) {
                let misfit = Misfit::new(format!("two asserts are called {:?}", assert.name.value));
                problems.add(Place::of(&assert.name.origin), misfit.help("give each a name of its own"));
            }
        }
    }
}

impl DrillConfig {
    /// The settings of throwaway clusters, by name.
    pub(crate) fn server_settings(&self) -> Vec<(String, String)> {
        let settings = self.settings.iter().flat_map(|settings| &settings.value);
        settings.filter_map(|setting| assignment(setting)).collect()
    }
}
