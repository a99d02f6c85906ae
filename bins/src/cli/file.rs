//! Files that Lifeboat did not write: what opens them, and `lifeboat import`.

use std::num::NonZeroU32;

use clap::Args;

use super::GlobalArgs;
use crate::config::{BackupFlags, EncryptionFlags, Flags};

/// What opens a file that is encrypted.
#[derive(Args, Debug, Default)]
pub(crate) struct FileArgs {
    /// What gpg or openssl encrypted the file with: env:NAME, file:/path, credential:NAME or command:[…]
    #[arg(long, value_name = "REF")]
    pub(crate) passphrase: Option<String>,
    /// Iterations of `openssl enc -pbkdf2`, its -iter [default: 10000, as openssl's]
    #[arg(long, value_name = "N")]
    pub(crate) openssl_iterations: Option<NonZeroU32>,
}

/// What to import.
#[derive(Args, Debug)]
#[command(after_help = IMPORT_HELP)]
pub(crate) struct ImportArgs {
    /// The file: a path, - for standard input, or store:KEY for an object of the store
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// When the dump was taken: a time such as 2025-11-21T02:17:00Z, or mtime for that of the file [default: as the dump says,
    /// where that is certain enough]
    #[arg(long, value_name = "WHEN")]
    pub(crate) taken_at: Option<String>,
    /// The time zone of whoever took the dump: times in its rows are printed in it, and an archive says by it when it was made
    /// [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
    /// What opens the file.
    #[command(flatten)]
    pub(crate) open: FileArgs,
    /// The class [env: LIFEBOAT_CLASS] [default: daily]
    #[arg(long, value_name = "CLASS")]
    pub(crate) class: Option<String>,
    /// How the rows are compressed: gzip or zstd [env: LIFEBOAT_COMPRESSION] [default: gzip]
    #[arg(long, value_name = "NAME")]
    pub(crate) compression: Option<String>,
    /// Seal to this public key, beside the keyring's primary key; may be repeated [env: LIFEBOAT_RECIPIENTS]
    #[arg(long = "recipient", value_name = "KEY")]
    pub(crate) recipients: Vec<String>,
}

impl ImportArgs {
    /// What these arguments, with the global ones, say about the configuration.
    pub(crate) fn flags<'a>(&'a self, global: &'a GlobalArgs) -> Flags<'a> {
        Flags {
            backup: BackupFlags {
                class: self.class.as_deref(),
                compression: self.compression.as_deref(),
                ..BackupFlags::default()
            },
            encryption: EncryptionFlags { recipients: &self.recipients, ..global.flags().encryption },
            ..global.flags()
        }
    }
}

const IMPORT_HELP: &str = "\
Examples:
  Last year's archive, so that it can be drilled:
    lifeboat import shop-2025.dump --store s3://bucket/prod --name shop
  A script that gpg encrypted; a plain script does not say when it was taken:
    lifeboat import shop-2025.sql.gz.gpg --name shop --taken-at 2025-11-21T02:17:00Z \\
      --passphrase env:BACKUP_PASSPHRASE
    lifeboat drill run shop/20251121T0217

SQL and archives of pg_dump (-Fc, -Ft) are read, in any nesting of gzip, zstd, gpg and openssl enc -aes-256-cbc -pbkdf2, told \
apart by their content. The backup's id has the time at which the dump was taken, so that a later backup stays the latest. A file \
that is cut, and one that does more than a dump of one database does, is refused, and leaves nothing that looks like a backup.";
