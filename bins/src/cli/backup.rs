//! `lifeboat backup` and `lifeboat-backup`.

use clap::Args;

use super::GlobalArgs;
use crate::config::{BackupFlags, EncryptionFlags, Flags, NetworkFlags, SingleDatabase};

/// What to back up, and how.
#[derive(Args, Debug, Default, PartialEq, Eq)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    /// Names of configured databases; without one, all of them
    #[arg(value_name = "DATABASE", conflicts_with = "database_url")]
    pub(crate) databases: Vec<String>,
    /// Where the database is: env:NAME, file:/path, credential:NAME, command:[…], or a connection string without
    /// password [env: LIFEBOAT_DATABASE_URL]
    #[arg(long, value_name = "REF")]
    pub(crate) database_url: Option<String>,
    /// The dump method: auto, parallel or stream [env: LIFEBOAT_METHOD] [default: auto]
    #[arg(long, value_name = "METHOD")]
    pub(crate) method: Option<String>,
    /// How the rows are compressed: gzip, which every host reads, or zstd [env: LIFEBOAT_COMPRESSION] [default: gzip]
    #[arg(long, value_name = "NAME")]
    pub(crate) compression: Option<String>,
    /// Connections that dump rows, by the method parallel [env: LIFEBOAT_JOBS] [default: one per core, at most 4]
    #[arg(long, short, value_name = "N")]
    pub(crate) jobs: Option<String>,
    /// The class, which lifecycle rules of the bucket can tell apart [env: LIFEBOAT_CLASS] [default: daily]
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// Seal to this public key, beside the keyring's primary key; may be repeated [env: LIFEBOAT_RECIPIENTS]
    #[arg(long = "recipient", value_name = "KEY")]
    pub(crate) recipients: Vec<String>,
    /// Say what would be done, how large it is and how much memory it takes; change nothing
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    /// End a run that makes no progress for so long; 0s waits for ever [env: LIFEBOAT_STALL_TIMEOUT] [default: 30m]
    #[arg(long, value_name = "DURATION")]
    pub(crate) stall_timeout: Option<String>,
    /// Wait so long for a table lock [env: LIFEBOAT_LOCK_TIMEOUT] [default: 10s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) lock_timeout: Option<String>,
    /// End the run when a change of a table has waited so long for it; 0s lets it wait
    /// [env: LIFEBOAT_YIELD_TO_DDL] [default: 0s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) yield_to_ddl: Option<String>,
    /// End the run when its snapshot becomes older, which holds up vacuum; 0s is no limit
    /// [env: LIFEBOAT_SNAPSHOT_MAX_AGE] [default: 0s]
    #[arg(long, value_name = "DURATION")]
    pub(crate) snapshot_max_age: Option<String>,
    /// Move no more than so many bytes in a second to the store, such as 4MiB/s [env: LIFEBOAT_BANDWIDTH]
    #[arg(long, value_name = "RATE")]
    pub(crate) bandwidth: Option<String>,
    /// Wait so long for a store that does not answer, keeping the database's snapshot [env: LIFEBOAT_RETRY_FOR] [default: 10m]
    #[arg(long, value_name = "DURATION")]
    pub(crate) retry_for: Option<String>,
    /// Parts of 16 MiB in flight: memory against speed [env: LIFEBOAT_PARTS_IN_FLIGHT] [default: 3]
    #[arg(long, value_name = "N")]
    pub(crate) parts_in_flight: Option<String>,
}

impl BackupArgs {
    /// What these arguments, with the global ones, say about the configuration.
    pub(crate) fn flags<'a>(&'a self, global: &'a GlobalArgs) -> Flags<'a> {
        Flags {
            database: SingleDatabase {
                name: global.name.as_deref(),
                url: self.database_url.as_deref(),
                ..SingleDatabase::default()
            },
            backup: BackupFlags {
                method: self.method.as_deref(),
                compression: self.compression.as_deref(),
                jobs: self.jobs.as_deref(),
                class: self.class.as_deref(),
                parts_in_flight: self.parts_in_flight.as_deref(),
                stall_timeout: self.stall_timeout.as_deref(),
                lock_timeout: self.lock_timeout.as_deref(),
                yield_to_ddl: self.yield_to_ddl.as_deref(),
                snapshot_max_age: self.snapshot_max_age.as_deref(),
            },
            network: NetworkFlags { bandwidth: self.bandwidth.as_deref(), retry_for: self.retry_for.as_deref() },
            encryption: EncryptionFlags { recipients: &self.recipients, ..global.flags().encryption },
            ..global.flags()
        }
    }
}

pub(super) const EXAMPLES: &str = "\
Examples:
  Every configured database, as a timer does:
    lifeboat backup
  One database, without a configuration file:
    lifeboat backup --store s3://bucket/prod --name shop --database-url env:DATABASE_URL
  Before a migration, in a class that is kept longer:
    lifeboat backup shop --class before-migration

The store's keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, its endpoint from AWS_ENDPOINT_URL, or from the \
configuration file. A key that may only write suffices. Exit code 3 means that some databases failed and others did not.";
