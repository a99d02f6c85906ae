//! `lifeboat restore`.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

use lifeboat_backup::restore::{SchemaName, TableName};

use super::{FileArgs, OpenArgs, ReplaceArgs};

/// What to restore, and where to.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// [DATABASE/]ID, the unique beginning of an id, or latest
    #[arg(value_name = "BACKUP", required_unless_present_any = ["from", "undo_replace"], conflicts_with = "from")]
    pub(crate) backup: Option<String>,
    /// Restore a dump that Lifeboat did not make: a path, - for standard input, or store:KEY for an object of the store
    #[arg(long, value_name = "FILE", conflicts_with_all = ["schema", "table", "data_only"])]
    pub(crate) from: Option<String>,
    /// What opens the file.
    #[command(flatten)]
    pub(crate) file: FileArgs,
    /// Have psql run the file's script as it is, also where pg_dump did not write it or it reaches beyond its database
    #[arg(long, requires = "from")]
    pub(crate) trust_script: bool,
    /// The target: env:NAME, file:/path, credential:NAME, command:[…], or a connection string without password
    #[arg(long, value_name = "DSN")]
    pub(crate) into: String,
    /// Restore this schema only, with what its tables need; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) schema: Vec<SchemaName>,
    /// Restore this table only, with what it needs; may be given several times [S.T, quoted as in SQL]
    #[arg(long, value_name = "NAME")]
    pub(crate) table: Vec<TableName>,
    /// Restore rows only, into tables that are there and empty: all of them or none
    #[arg(long, conflicts_with = "create")]
    pub(crate) data_only: bool,
    /// Create the target database; it gets its name when everything is in it
    #[arg(long)]
    pub(crate) create: bool,
    /// Sessions that load rows and build indexes [default: one per core]
    #[arg(long, short, value_name = "N", value_parser = jobs)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// What to do about roles that the target lacks; without this the restore is refused and lists them
    #[arg(long, value_name = "HOW")]
    pub(crate) roles: Option<Roles>,
    /// What may be opened.
    #[command(flatten)]
    pub(crate) open: OpenArgs,
    /// Say what would be done; change nothing
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    /// Whether it takes another database's place.
    #[command(flatten)]
    pub(crate) replace: ReplaceArgs,
}

/// What to do about missing roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Roles {
    /// Create them as they were, without passwords
    Create,
    /// Create them without any rights of their own, and without LOGIN
    Stub,
    /// Restore without ownership and grants
    Skip,
}

fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "write a whole number from 1".to_owned())
}

const EXAMPLES: &str = "\
Examples:
  See what would happen:
    lifeboat restore shop/latest --into postgresql://db/shop_restored --create --dry-run
  Into a new database on a replacement host, with its roles:
    lifeboat restore shop/latest --into env:ADMIN_URL --create --roles create
  One backup, by the beginning of its id, into an empty database:
    lifeboat restore shop/20261121T0217 --into env:TARGET_URL --jobs 4
  One table that was lost, back into the database that lost it:
    lifeboat restore shop/latest --into env:LIVE_URL --table sales.orders
  Rows alone, into tables that a migration made:
    lifeboat restore shop/latest --into env:TARGET_URL --data-only --schema sales
  What another script made: SQL or pg_dump -Fc, in gzip, zstd, gpg or openssl enc:
    lifeboat restore --from shop.sql.gz.gpg --passphrase env:BACKUP_PASSPHRASE \\
      --into env:TARGET_URL --create

  In the place of the live database, which is kept; and back again:
    lifeboat restore shop/latest --into env:LIVE_URL --replace --dry-run
    lifeboat restore shop/latest --into env:LIVE_URL --replace
    lifeboat restore --into env:LIVE_URL --undo-replace

A database that is not empty is refused; with --schema and --table, one that has something of what \
they select. What lies across the border of a part, such as foreign keys to other tables, is \
left out and listed. No row is committed before its bytes are proven; a restore that fails leaves \
nothing under the target's name when it was to be created, and nothing at all of a part.";
