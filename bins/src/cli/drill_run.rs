//! `lifeboat drill run` and `lifeboat drill gc`.

use clap::Args;

use super::{GlobalArgs, OpenArgs};
use crate::config::{DrillFlags, Flags};

/// What to drill, and where.
#[derive(Args, Debug)]
#[command(after_help = RUN_HELP)]
pub(crate) struct DrillRunArgs {
    /// DATABASE/latest, DATABASE/ID or the unique beginning of an id; latest where one database is configured
    #[arg(value_name = "BACKUP", conflicts_with = "all")]
    pub(crate) backup: Option<String>,
    /// Drill the latest backup of every configured database, or of every one in the store where none is configured
    #[arg(long)]
    pub(crate) all: bool,
    /// Where it is restored.
    #[command(flatten)]
    pub(crate) scratch: ScratchArgs,
    /// Sessions that restore and check at once [env: LIFEBOAT_DRILL_JOBS] [default: one per core]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<String>,
    /// Compare rows for so long only; tables that were not proven for longest go first [env: LIFEBOAT_DRILL_BUDGET]
    #[arg(long, value_name = "DURATION")]
    pub(crate) budget: Option<String>,
    /// End the drill after so long [env: LIFEBOAT_DRILL_TIMEOUT] [default: 12h]
    #[arg(long, value_name = "DURATION")]
    pub(crate) timeout: Option<String>,
    /// Fail unless the database can be used within so long [env: LIFEBOAT_DRILL_RTO]
    #[arg(long, value_name = "DURATION")]
    pub(crate) rto: Option<String>,
    /// Fail unless the backup's snapshot is younger [env: LIFEBOAT_DRILL_RPO]
    #[arg(long, value_name = "DURATION")]
    pub(crate) rpo: Option<String>,
    /// What may be opened.
    #[command(flatten)]
    pub(crate) open: OpenArgs,
}

/// What to clean up.
#[derive(Args, Debug)]
#[command(after_help = GC_HELP)]
pub(crate) struct DrillGcArgs {
    /// Where drills restore.
    #[command(flatten)]
    pub(crate) scratch: ScratchArgs,
}

/// Where drills restore.
#[derive(Args, Debug)]
pub(crate) struct ScratchArgs {
    /// cluster: a throwaway Postgres of this machine; server: a database on the one that --server names; command: what the
    /// configured command gives [env: LIFEBOAT_DRILL_SCRATCH] [default: cluster]
    #[arg(long, value_name = "KIND")]
    pub(crate) scratch: Option<String>,
    /// A server that is not production, as a reference or a connection string without a password: databases of drills are
    /// made there and dropped [env: LIFEBOAT_DRILL_SERVER]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The folder in which throwaway clusters are made [env: LIFEBOAT_DRILL_DIR]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<String>,
    /// The major version of the throwaway cluster, to rehearse an upgrade [env: LIFEBOAT_DRILL_POSTGRES] [default: the
    /// backup's, else the next newer one installed]
    #[arg(long, value_name = "MAJOR")]
    pub(crate) postgres: Option<String>,
}

impl DrillRunArgs {
    /// What these arguments say about the configuration.
    pub(crate) fn flags<'a>(&'a self, global: &'a GlobalArgs) -> Flags<'a> {
        let drill = DrillFlags {
            jobs: self.jobs.as_deref(),
            budget: self.budget.as_deref(),
            timeout: self.timeout.as_deref(),
            rto: self.rto.as_deref(),
            rpo: self.rpo.as_deref(),
            ..self.scratch.flags()
        };
        Flags { drill, ..global.reading() }
    }
}

impl DrillGcArgs {
    /// What these arguments say about the configuration.
    pub(crate) fn flags<'a>(&'a self, global: &'a GlobalArgs) -> Flags<'a> {
        Flags { drill: self.scratch.flags(), ..global.flags() }
    }
}

impl ScratchArgs {
    /// A server that is named is where to go.
    fn flags(&self) -> DrillFlags<'_> {
        DrillFlags {
            scratch: self.scratch.as_deref().or(self.server.as_ref().map(|_| "server")),
            server: self.server.as_deref(),
            dir: self.dir.as_deref(),
            postgres: self.postgres.as_deref(),
            ..DrillFlags::default()
        }
    }
}

const RUN_HELP: &str = "\
Restores the backup into a scratch database, compares every row with the fingerprints taken while it was dumped, runs the \
checks of [drill] in the configuration, records the verdict in the store, and removes the scratch database.

Examples:
  lifeboat drill run shop/latest --store s3://bucket/prod
  lifeboat drill run shop/latest --server env:STAGING_URL --budget 30m --rto 2h
  lifeboat drill run --all --json";
const GC_HELP: &str = "\
A drill that was killed leaves its scratch database; the next drill removes it, and so does this, and records in the store that \
it was killed. Live drills are left alone.";
