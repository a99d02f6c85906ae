//! `lifeboat rotate columns` and `lifeboat-rotate columns`.

use clap::{Args, Subcommand};

use super::GlobalArgs;
use crate::config::{Flags, RotateFlags};

/// The commands under `rotate columns`.
#[derive(Debug, Subcommand)]
pub(crate) enum RotateColumns {
    /// Find the columns that a key opens, also those that nobody listed, and print the configuration for them
    #[command(after_help = DETECT_HELP)]
    Detect(DetectArgs),
    /// Say what a rotation would do, and what stands in its way
    Plan(ColumnsArgs),
    /// Rewrite every value under the new key; interrupted at any moment, the same command goes on
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Say how far rotations have come
    Status(WhereArgs),
    /// Prove that the new key alone opens every value
    Verify(ColumnsArgs),
    /// End a rotation: prove it, drop what it kept, and list the backups that still hold values under the old key
    #[command(after_help = FINALIZE_HELP)]
    Finalize(FinalizeArgs),
    /// Take every value back under the old key
    Rollback(ColumnsArgs),
}

/// The database.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct WhereArgs {
    /// The database, as a reference or a connection string without a password [default: the configured ones]
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}

/// Columns, their keys, and how they are rotated; what is not said is taken from the configuration.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ColumnsArgs {
    /// The database.
    #[command(flatten)]
    pub(crate) place: WhereArgs,
    /// The table, as table or schema.table [default: every [[rotate.column]] of the configuration]
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// The column; none when the layout names its columns
    #[arg(long, value_name = "COLUMN")]
    pub(crate) column: Option<String>,
    /// What a value looks like: 'base64(iv tag ct)'
    #[arg(long, value_name = "LAYOUT")]
    pub(crate) layout: Option<String>,
    /// The columns by which rows are named, once for each [default: the primary key]
    #[arg(long = "key-column", value_name = "COLUMN")]
    pub(crate) key_columns: Vec<String>,
    /// What else is authenticated: '{table}.{column}:{id}'
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) aad: Option<String>,
    /// The old key: env:NAME, file:/path, credential:NAME or command:[…]
    #[arg(long, value_name = "REF")]
    pub(crate) old: Option<String>,
    /// The new key, likewise
    #[arg(long, value_name = "REF")]
    pub(crate) new: Option<String>,
    /// How the application makes a key of the secret: hex, base64, raw, sha256, hex-or-sha256, scrypt(…) or pbkdf2(…)
    /// [default: hex, if both are 64 hexadecimal digits]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) key_format: Option<String>,
    /// How the old key is made, where it is in another way
    #[arg(long, value_name = "FORMAT")]
    pub(crate) old_key_format: Option<String>,
    /// The id by which values name the old key
    #[arg(long, value_name = "ID")]
    pub(crate) old_id: Option<String>,
    /// The id by which values name the new key
    #[arg(long, value_name = "ID")]
    pub(crate) new_id: Option<String>,
    /// online: the application reads both keys; staged: it reads one, and restarts once; offline: it is stopped
    /// [default: as the rotation under way began; online]
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<String>,
    /// Sessions that work side by side [default: one per core, at most 4]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<String>,
    /// Rows that can never be opened and may stay as they are: a file with their primary keys
    #[arg(long, value_name = "FILE", value_parser = absolute)]
    pub(crate) accept_list: Option<String>,
}

/// What is rotated, and how.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Columns and keys.
    #[command(flatten)]
    pub(crate) columns: ColumnsArgs,
    /// Open everything and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// In the mode staged: put the prepared values in place, in one short transaction
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) cut_over: bool,
    /// The new key's fingerprint, as plan shows it: nobody is asked, and another key is refused. Once for each new key
    #[arg(long, value_name = "FINGERPRINT")]
    pub(crate) confirm_new: Vec<String>,
    /// Rows of a batch [default: as many as take 0.1 s]
    #[arg(long, value_name = "N")]
    pub(crate) batch_rows: Option<String>,
    /// Wait so long after each batch
    #[arg(long, value_name = "DURATION")]
    pub(crate) pause: Option<String>,
}

/// What is ended.
#[derive(Args, Debug)]
pub(crate) struct FinalizeArgs {
    /// Columns and keys.
    #[command(flatten)]
    pub(crate) columns: ColumnsArgs,
}

/// What is looked at, and with which key.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DetectArgs {
    /// The database.
    #[command(flatten)]
    pub(crate) place: WhereArgs,
    /// Only this table, as table or schema.table; once for each
    #[arg(long = "table", value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// The key in use: env:NAME, file:/path, credential:NAME or command:[…]; without one, only what looks encrypted is told
    #[arg(long, value_name = "REF")]
    pub(crate) old: Option<String>,
    /// How the application makes its key [default: every way that fits, and the one that opens is told]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) key_format: Option<String>,
    /// What values may be bound to: '{table}.{column}:{id}'; once for each, beside nothing
    #[arg(long = "aad", value_name = "TEMPLATE")]
    pub(crate) aads: Vec<String>,
    /// Look at about so many rows of each table
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub(crate) rows: usize,
}

/// A path from wherever the command is typed. The file of a configuration has no such place.
fn absolute(path: &str) -> Result<String, String> {
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    path.into_os_string().into_string().map_err(|_| "it is not UTF-8".to_owned())
}

impl ColumnsArgs {
    /// What these arguments say about the configuration; the database is chosen apart.
    pub(crate) fn flags<'a>(&'a self, global: &'a GlobalArgs) -> Flags<'a> {
        let rotate = RotateFlags {
            old: self.old.as_deref(),
            new: self.new.as_deref(),
            key_format: self.key_format.as_deref(),
            old_key_format: self.old_key_format.as_deref(),
            old_id: self.old_id.as_deref(),
            new_id: self.new_id.as_deref(),
            mode: self.mode.as_deref(),
            jobs: self.jobs.as_deref(),
            accept_list: self.accept_list.as_deref(),
            table: self.table.as_deref(),
            column: self.column.as_deref(),
            layout: self.layout.as_deref(),
            key_columns: &self.key_columns,
            aad: self.aad.as_deref(),
            ..RotateFlags::default()
        };
        Flags { rotate, ..global.flags() }
    }
}

impl RunArgs {
    /// What these arguments say about the configuration.
    pub(crate) fn flags<'a>(&'a self, global: &'a GlobalArgs) -> Flags<'a> {
        let flags = self.columns.flags(global);
        let rotate =
            RotateFlags { batch_rows: self.batch_rows.as_deref(), pause: self.pause.as_deref(), ..flags.rotate };
        Flags { rotate, ..flags }
    }
}

impl DetectArgs {
    /// What these arguments say about the configuration.
    pub(crate) fn flags<'a>(&'a self, global: &'a GlobalArgs) -> Flags<'a> {
        let rotate =
            RotateFlags { old: self.old.as_deref(), key_format: self.key_format.as_deref(), ..RotateFlags::default() };
        Flags { rotate, ..global.flags() }
    }
}

pub(super) const COLUMNS_HELP: &str = "\
A rotation while the application runs and reads both keys:
  lifeboat rotate columns detect --database-url env:DATABASE_URL --old env:OLD_KEY
  lifeboat rotate columns plan      with --table, --column, --layout, --old and --new, or with
  lifeboat rotate columns run       [rotate] and [[rotate.column]] in the configuration
  lifeboat rotate columns verify
  lifeboat rotate columns finalize

A value that does not open is never written; such rows are listed by their primary keys, and the \
exit code is 3. docs/rotate-a-key.md is the whole procedure.";
pub(super) const DETECT_HELP: &str = "\
Reads some rows of every table and writes nothing. Every column that opens is told with its layout, \
and the configuration for it is printed; columns that look encrypted and did not open are told too.";
const RUN_HELP: &str = "\
Every value is opened, encrypted under the new key, opened again and compared before it is written, \
and written only in the place of the very value that was read. The new key has to be kept where it \
is found again before anything is written: on a terminal its fingerprint is to be confirmed.";
const FINALIZE_HELP: &str = "\
Refused while a value is left that the new key does not open, unless --accept-list names its row: \
one plain key or JSON array a line, [schema.table] before those of a table, # before a remark. \
Changes no backup: it lists those that still need the old key.";
