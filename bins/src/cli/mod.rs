//! The command line. Values stay text here: the configuration reads them, so that a flag, a variable and a line of
//! the file are judged alike, and no message repeats what may be a secret.

mod argument;
mod backup;
mod drill;
mod drill_run;
mod file;
mod key;
mod read;
mod replace;
mod restore;
mod rotate;
mod rotate_columns;
mod store;

use clap::{ArgAction, Args, Parser, Subcommand};

pub(crate) use argument::refuse_passwords;
pub(crate) use backup::BackupArgs;
pub(crate) use drill::{DrillCommand, DrillListArgs, DrillShowArgs, EvidenceArgs, Form};
pub(crate) use drill_run::{DrillGcArgs, DrillRunArgs};
pub(crate) use file::{FileArgs, ImportArgs};
pub(crate) use key::{GenerateArgs, KeyArgs, KeyCommand, SignerArgs, StateArgs};
pub(crate) use read::{CatArgs, DownloadArgs, ListArgs, OpenArgs, RunsArgs, ShowArgs, VerifyArgs};
pub(crate) use replace::ReplaceArgs;
pub(crate) use restore::{RestoreArgs, Roles};
pub(crate) use rotate::{FromTo, ReencryptArgs, RetireArgs, RotateBackups, RotateCommand, ToArgs};
pub(crate) use rotate_columns::{ColumnsArgs, DetectArgs, FinalizeArgs, RotateColumns, RunArgs, WhereArgs};
pub(crate) use store::{Expected, StoreCommand, StoreTestArgs};

use crate::config::{EncryptionFlags, Flags, SingleDatabase};

/// Backs Postgres up to object storage, and proves that the backups restore.
#[derive(Debug, Parser)]
#[command(name = "lifeboat", version, after_help = AFTER_HELP, disable_help_subcommand = false)]
pub(crate) struct Lifeboat {
    /// What applies to every command.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Takes backups, for the nightly timer: the same as `lifeboat backup`, and nothing else.
#[derive(Debug, Parser)]
#[command(name = "lifeboat-backup", version, after_help = backup::EXAMPLES)]
pub(crate) struct LifeboatBackup {
    /// What applies to every command.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// What to back up.
    #[command(flatten)]
    pub(crate) args: BackupArgs,
}

/// Drills, for the monthly timer: the same as `lifeboat drill`, and nothing else.
#[derive(Debug, Parser)]
#[command(name = "lifeboat-drill", version, after_help = drill::EXAMPLES)]
pub(crate) struct LifeboatDrill {
    /// What applies to every command.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: DrillCommand,
}

/// Rotates keys: the same as `lifeboat rotate`, and nothing else.
#[derive(Debug, Parser)]
#[command(name = "lifeboat-rotate", version)]
pub(crate) struct LifeboatRotate {
    /// What applies to every command.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// What to rotate.
    #[command(subcommand)]
    pub(crate) command: RotateCommand,
}

/// Options of every command.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// The store: s3://, b2://, file://, gs://, az:// [env: LIFEBOAT_STORE]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) store: Vec<String>,
    /// The database's name in the store [env: LIFEBOAT_NAME]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The configuration file [env: LIFEBOAT_CONFIG] [default: /etc/lifeboat/lifeboat.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<String>,
    /// The keyring: file:/path, credential:NAME, env:NAME or command:[…] [env: LIFEBOAT_KEYRING]
    #[arg(long, global = true, value_name = "REF")]
    pub(crate) keyring: Option<String>,
    /// Print NDJSON on stdout; the last record is always the result
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print warnings, errors and results only
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Log more; twice for details, three times for everything [env: LIFEBOAT_LOG takes a filter]
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The commands of `lifeboat`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Back up databases
    Backup(BackupArgs),
    /// List the backups in the store
    List(ListArgs),
    /// List the runs, and what became of each
    Runs(RunsArgs),
    /// Show what a backup holds
    Show(ShowArgs),
    /// Read a backup whole and check every byte
    Verify(VerifyArgs),
    /// Restore a backup into a database
    Restore(RestoreArgs),
    /// Bring a dump that Lifeboat did not make into the store, as a backup
    Import(ImportArgs),
    /// Write a backup's SQL script to stdout
    Cat(CatArgs),
    /// Copy a backup's objects into a folder
    Download(DownloadArgs),
    /// Prove that backups restore, and read what earlier drills found out
    #[command(subcommand, after_help = drill::EXAMPLES)]
    Drill(DrillCommand),
    /// Make keys, and show their public sides
    #[command(subcommand, after_help = key::EXAMPLES)]
    Key(KeyCommand),
    /// Rotate keys
    #[command(subcommand)]
    Rotate(RotateCommand),
    /// Try what the store does
    #[command(subcommand)]
    Store(StoreCommand),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// See it work: a throwaway Postgres, a backup, a restore and a comparison row by row
    Demo,
    /// List the exit codes and what they mean
    ExitCodes,
}

/// The commands under `config`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say everything that is wrong with the configuration
    Check,
    /// Show what is set and where it comes from; secrets only as references
    Show,
}

impl GlobalArgs {
    /// What these options say about the configuration.
    pub(crate) fn flags(&self) -> Flags<'_> {
        Flags {
            store: self.store.first().map(String::as_str),
            database: SingleDatabase { name: self.name.as_deref(), ..SingleDatabase::default() },
            encryption: EncryptionFlags { keyring: self.keyring.as_deref(), recipients: &[] },
            ..Flags::default()
        }
    }

    /// The same for a command that reads backups: the name may be that of a database that the store alone knows.
    pub(crate) fn reading(&self) -> Flags<'_> {
        let flags = self.flags();
        Flags { database: SingleDatabase { of_store: true, ..flags.database }, ..flags }
    }
}

const AFTER_HELP: &str = "\
BACKUP is [DATABASE/]ID, the unique beginning of an id, or latest: shop/latest, 20261121T0217.

Examples:
  lifeboat demo
  lifeboat backup --store s3://bucket/prod --name shop --database-url env:DATABASE_URL
  lifeboat list --store s3://bucket/prod
  lifeboat restore shop/latest --store s3://bucket/prod --into env:TARGET_URL --create

Passwords never stand in arguments: write env:NAME, file:/path, credential:NAME or command:[\"program\"] instead. \
`lifeboat exit-codes` lists the exit codes.";

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::{Command, DrillCommand, Lifeboat, LifeboatBackup, LifeboatDrill, LifeboatRotate};

    #[test]
    fn the_definitions_are_sound() {
        Lifeboat::command().debug_assert();
        LifeboatBackup::command().debug_assert();
        LifeboatDrill::command().debug_assert();
        LifeboatRotate::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in ["lifeboat --json list shop", "lifeboat list --json shop"] {
            let parsed = Lifeboat::try_parse_from(line.split(' ')).unwrap();
            assert!(parsed.global.json && matches!(parsed.command, Command::List(_)), "{line}");
        }
    }

    #[test]
    fn the_timers_program_takes_the_same_arguments_as_the_command() {
        let args = ["--name", "shop", "--database-url", "env:X", "--class", "monthly", "--dry-run"];
        let timer = LifeboatBackup::try_parse_from(["lifeboat-backup"].iter().chain(&args)).unwrap();
        let Command::Backup(command) =
            Lifeboat::try_parse_from(["lifeboat", "backup"].iter().chain(&args)).unwrap().command
        else {
            panic!("not a backup")
        };
        assert_eq!(timer.args, command);
    }

    #[test]
    fn the_monthly_timers_program_takes_the_same_arguments_as_the_command() {
        let args = ["show", "shop/latest", "--form", "html"];
        let timer = LifeboatDrill::try_parse_from(["lifeboat-drill"].iter().chain(&args)).unwrap();
        assert!(matches!(timer.command, DrillCommand::Show(_)));
        let command = Lifeboat::try_parse_from(["lifeboat", "drill"].iter().chain(&args)).unwrap().command;
        assert!(matches!(command, Command::Drill(DrillCommand::Show(_))));
    }

    #[test]
    fn several_stores_may_be_named_in_one_line() {
        let line = "lifeboat rotate backups status --store s3://one --store s3://two/c";
        assert_eq!(Lifeboat::try_parse_from(line.split(' ')).unwrap().global.store, ["s3://one", "s3://two/c"]);
    }

    #[test]
    fn the_timers_program_cannot_read_or_delete() {
        assert!(LifeboatBackup::try_parse_from(["lifeboat-backup", "--into", "x"]).is_err());
    }
}
