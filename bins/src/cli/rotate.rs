//! `lifeboat rotate` and `lifeboat-rotate`.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::OpenArgs;
use super::rotate_columns::{COLUMNS_HELP, DETECT_HELP, DetectArgs, RotateColumns};

/// The commands under `rotate`.
#[derive(Debug, Subcommand)]
pub(crate) enum RotateCommand {
    /// Rotate the keys of backups, without touching their data
    #[command(subcommand, after_help = BACKUPS_HELP)]
    Backups(RotateBackups),
    /// Rotate AES-256-GCM keys over the encrypted columns of a database
    #[command(subcommand, after_help = COLUMNS_HELP)]
    Columns(Box<RotateColumns>),
    /// The same as `rotate columns detect`
    #[command(hide = true, after_help = DETECT_HELP)]
    Detect(DetectArgs),
}

/// The commands under `rotate backups`.
#[derive(Debug, Subcommand)]
pub(crate) enum RotateBackups {
    /// Count the backups under each key, those that are not encrypted, and those that one key alone opens
    Status,
    /// Say what rewrap would do
    Plan(FromTo),
    /// Make every encrypted backup open with another key too
    #[command(after_help = REWRAP_HELP)]
    Rewrap(FromTo),
    /// Prove that one key alone opens every encrypted backup
    Verify(ToArgs),
    /// Delete what a key opens backups by, once each opens with another
    #[command(after_help = RETIRE_HELP)]
    Retire(RetireArgs),
    /// Seal backups anew under new data keys: the remedy for a leaked key
    #[command(after_help = REENCRYPT_HELP)]
    Reencrypt(ReencryptArgs),
}

/// The keys that are meant.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct FromTo {
    /// The key in use so far: only backups under it, opened with it
    #[arg(long, value_name = "ID")]
    pub(crate) from: Option<String>,
    /// The new key: one of the keyring or a configured recipient [default: the primary key]
    #[arg(long, value_name = "ID")]
    pub(crate) to: Option<String>,
    /// Open with retired keys too; the one that --from names is used anyway
    #[arg(long)]
    pub(crate) allow_retired: bool,
    /// Take backups that nobody signed although trusted signers are configured
    #[arg(long)]
    pub(crate) allow_unsigned: bool,
}

/// The key that is to be proven.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ToArgs {
    /// The key: one of the keyring [default: the primary key]
    #[arg(long, value_name = "ID")]
    pub(crate) to: Option<String>,
    /// Take backups that nobody signed although trusted signers are configured
    #[arg(long)]
    pub(crate) allow_unsigned: bool,
}

/// The key that goes.
#[derive(Args, Debug)]
pub(crate) struct RetireArgs {
    /// The key that goes
    #[arg(long, value_name = "ID")]
    pub(crate) from: String,
    /// The key that must open every backup instead [default: any other]
    #[arg(long, value_name = "ID")]
    pub(crate) to: Option<String>,
    /// Delete; without it the plan is printed and nothing changes
    #[arg(long)]
    pub(crate) yes: bool,
    /// Retire a key that is or was lately in use, count wraps that no key at hand opens and those under keys that do not
    /// seal new backups, and pass over backups that keep theirs; the last wrap of a backup stays even so
    #[arg(long)]
    pub(crate) force: bool,
    /// Count wraps under retired keys too
    #[arg(long)]
    pub(crate) allow_retired: bool,
    /// Take backups that nobody signed although trusted signers are configured
    #[arg(long)]
    pub(crate) allow_unsigned: bool,
}

/// The backups to seal anew.
#[derive(Args, Debug)]
pub(crate) struct ReencryptArgs {
    /// Backups under this key
    #[arg(long, value_name = "ID")]
    pub(crate) from: Option<String>,
    /// Backups that were finished before this time, under whichever key: 2026-12-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) before: Option<Timestamp>,
    /// The key to seal with, beside the configured recipients [default: the primary key]
    #[arg(long, value_name = "ID")]
    pub(crate) to: Option<String>,
    /// Write the new backups, then remove the old ones; without it the plan is printed and nothing changes
    #[arg(long)]
    pub(crate) yes: bool,
    /// Keep the old backups
    #[arg(long)]
    pub(crate) keep: bool,
    /// Seal anew also what recipients open who are not configured any more: they will not open the new backups
    #[arg(long)]
    pub(crate) force: bool,
    /// What may be opened.
    #[command(flatten)]
    pub(crate) open: OpenArgs,
}

fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "write a time as 2026-12-01T00:00:00Z".to_owned())
}

pub(super) const BACKUPS_HELP: &str = "\
A new key takes over, and the old one goes two days later:
  lifeboat key generate --id 2026-12 --out keyring.toml --primary
  lifeboat rotate backups rewrap --keyring file:keyring.toml
  lifeboat rotate backups verify --keyring file:keyring.toml
  lifeboat rotate backups retire --keyring file:keyring.toml --from 2026-11 --yes

--store may be given more than once: these commands look through every store that is named, with \
the same credentials. Exit code 3 means that some backups failed and others did not; the same \
command again does the rest.";
const REWRAP_HELP: &str = "\
Adds keys/<id>.json to each backup and changes nothing else. Run it as often as you like, and \
interrupt it anywhere.

It is no remedy for a leaked key: whoever kept an old wrap and has the old key still has the data \
key. Reencrypt is, with the deletion of old versions in the bucket.";
const RETIRE_HELP: &str = "\
Deletes keys/<id>.json of each backup and changes nothing else, after proving that a key that new \
backups are sealed with opens it. Refuses all of it when a single backup would not open, and a key \
that new backups are sealed with, or were within 48 hours.";
const REENCRYPT_HELP: &str = "\
Writes each backup anew: same time, new id, new data key. The new one is read back and compared \
before the old one is removed. With --allow-unencrypted, backups that are not encrypted are sealed \
too. Old versions that the bucket keeps are not touched: delete them there.";
