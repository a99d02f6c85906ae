//! `lifeboat store`: what can be asked about the store itself.

use clap::{Args, Subcommand, ValueEnum};

/// The commands under `store`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Try what the store does with this key, and say what follows; cleans up after itself
    #[command(after_help = TEST_HELP)]
    Test(StoreTestArgs),
}

/// What is expected of the key.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct StoreTestArgs {
    /// Fail unless the key may do this and nothing else
    #[arg(long, value_name = "RIGHTS")]
    pub(crate) expect: Option<Expected>,
}

/// Rights of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expected {
    /// To back up: write, but not read, list or delete
    WriteOnly,
    /// To restore and drill: read and list, but not write or delete
    ReadOnly,
}

const TEST_HELP: &str = "\
Answers are ok, denied (to this key), unsupported, ignored (the store says yes and does nothing) \
and inconclusive. About 17 MiB are written to probe/ under the store's prefix and deleted again, \
as far as the key allows; nothing else is touched.

  lifeboat store test --store s3://bucket/prod --expect write-only";
