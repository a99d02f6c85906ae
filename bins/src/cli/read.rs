//! Commands that only read the store: `list`, `runs`, `show`, `verify`, `cat`, `download`.

use std::num::NonZeroUsize;

use clap::Args;

use crate::config::Allowed;

/// Which backups may be opened, beyond those of the configured keys.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct OpenArgs {
    /// Read backups that are not encrypted although encryption is configured
    #[arg(long)]
    pub(crate) allow_unencrypted: bool,
    /// Open with retired keys too
    #[arg(long)]
    pub(crate) allow_retired: bool,
    /// Read backups that nobody signed although trusted signers are configured
    #[arg(long)]
    pub(crate) allow_unsigned: bool,
}

impl OpenArgs {
    /// The same for the configuration.
    pub(crate) fn allowed(self) -> Allowed {
        Allowed { unencrypted: self.allow_unencrypted, retired: self.allow_retired, unsigned: self.allow_unsigned }
    }
}

/// What to list.
#[derive(Args, Debug)]
#[command(after_help = LIST_HELP)]
pub(crate) struct ListArgs {
    /// Only backups of this database
    #[arg(value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// Only what interrupted runs left behind and nothing refers to
    #[arg(long)]
    pub(crate) orphans: bool,
}

/// Which runs to list.
#[derive(Args, Debug)]
#[command(after_help = RUNS_HELP)]
pub(crate) struct RunsArgs {
    /// Only runs that were to back this database up
    #[arg(value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// Only the newest so many
    #[arg(long, value_name = "N", default_value = "30")]
    pub(crate) last: NonZeroUsize,
    /// Say what the errors were, too; those of a store whose backups are sealed need a key that opens them
    #[arg(long)]
    pub(crate) errors: bool,
    /// What may be opened.
    #[command(flatten)]
    pub(crate) open: OpenArgs,
}

/// What to show.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// [DATABASE/]ID, the unique beginning of an id, or latest
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// What may be opened.
    #[command(flatten)]
    pub(crate) open: OpenArgs,
}

/// What to verify.
#[derive(Args, Debug)]
#[command(after_help = VERIFY_HELP)]
pub(crate) struct VerifyArgs {
    /// [DATABASE/]ID, the unique beginning of an id, or latest
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// What may be opened.
    #[command(flatten)]
    pub(crate) open: OpenArgs,
}

/// What to write to stdout.
#[derive(Args, Debug)]
#[command(after_help = CAT_HELP)]
pub(crate) struct CatArgs {
    /// [DATABASE/]ID, the unique beginning of an id, or latest
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// What may be opened.
    #[command(flatten)]
    pub(crate) open: OpenArgs,
}

/// What to download, and where to.
#[derive(Args, Debug)]
#[command(after_help = DOWNLOAD_HELP)]
pub(crate) struct DownloadArgs {
    /// [DATABASE/]ID, the unique beginning of an id, or latest
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    /// What may be opened.
    #[command(flatten)]
    pub(crate) open: OpenArgs,
    /// The folder; it is made, or must be empty
    #[arg(long, value_name = "DIR")]
    pub(crate) to: std::path::PathBuf,
    /// Copy an encrypted backup as it lies in the store, with its wraps and recover.py, which opens it without Lifeboat
    #[arg(long)]
    pub(crate) sealed: bool,
}

const LIST_HELP: &str = "\
States: available (every object is there with its length), damaged, expired (older than the configured retention and no \
longer whole), in flight (not finished, begun less than 48 hours ago, and no run is known to have ended without it), orphan \
(never finished: --orphans lists them, `lifeboat runs` says why). Exit code 10: there is nothing at all below the store's prefix.

KEYS names what opens a backup, each alone: an id of the keyring, or 16 hexadecimal digits, the fingerprint of a recipient \
(`lifeboat key fingerprint` prints it for an x25519 key). A dash: the backup is not encrypted.

PROVEN says how long ago a drill restored a backup and passed it; in part, when it compared the rows of some tables only; FAILED, \
when the last drill that found something out said no.";
const RUNS_HELP: &str = "\
Runs are those of `backup` and `import`, failed ones too. What became of one is ok; partial (some databases failed); failed, with \
the class of the error (the names that `lifeboat exit-codes` lists); \"runs, or lost\" (begun less than 48 hours ago, without an end \
on record); or lost. Exit code 10: there is nothing at all below the store's prefix.

Examples:
  What became of last night:
    lifeboat runs --last 1 --errors
  For monitoring: when the last good run of a database ended:
    lifeboat runs shop --json | tail -n 1 \\
      | jq -r '[.result.runs[] | select(.outcome == \"ok\")][0].end.finished'";
const VERIFY_HELP: &str = "\
Reads every object, checks its length and digest, and unpacks it. Exit code 30 names the first object that is not what \
the manifest says.";
const CAT_HELP: &str = "\
Examples:
  lifeboat cat shop/latest | psql -X -v ON_ERROR_STOP=1 shop_restored
  lifeboat cat shop/latest | grep -c '^COPY '

`lifeboat restore` is the better way back: psql commits what it got when its input ends early, and nothing tells it so. \
Watch this command's exit code (set -o pipefail).";
const DOWNLOAD_HELP: &str = "\
The folder then holds a backup that needs no Lifeboat: gunzip the objects of manifest.json's script in their order, or `zstd -d` \
them where they end with .zst, and pipe them into psql.

An encrypted backup is opened on the way: the folder holds the script's objects and the others in the clear, for whoever \
can read the folder, and no manifest.json, which proves the sealed ones. With --sealed it holds what the store holds.";
