//! `lifeboat drill` and `lifeboat-drill`.

use clap::{Args, Subcommand, ValueEnum};

use super::{DrillGcArgs, DrillRunArgs, OpenArgs};

/// The commands under `drill`.
#[derive(Debug, Subcommand)]
pub(crate) enum DrillCommand {
    /// Restore a backup into a scratch database, prove what is in it, and record the verdict
    Run(Box<DrillRunArgs>),
    /// Remove what killed drills have left
    Gc(DrillGcArgs),
    /// List the drills in the store
    #[command(after_help = LIST_HELP)]
    List(DrillListArgs),
    /// Show the report of a drill
    #[command(after_help = SHOW_HELP)]
    Show(DrillShowArgs),
    /// Verify the signed evidence of a drill
    #[command(after_help = VERIFY_HELP)]
    VerifyEvidence(EvidenceArgs),
}

/// What to list.
#[derive(Args, Debug)]
pub(crate) struct DrillListArgs {
    /// Only drills of this database
    #[arg(value_name = "DATABASE")]
    pub(crate) database: Option<String>,
}

/// What to show, and how.
#[derive(Args, Debug)]
pub(crate) struct DrillShowArgs {
    /// [DATABASE/]ID, the unique beginning of an id, or latest
    #[arg(value_name = "DRILL")]
    pub(crate) drill: String,
    /// text for people, json as it is stored, junit for CI, markdown for a runbook's log, html as one page, evidence as the
    /// host signed it
    #[arg(long, value_name = "FORM", default_value = "text", hide_possible_values = true)]
    pub(crate) form: Form,
    /// What may be opened.
    #[command(flatten)]
    pub(crate) open: OpenArgs,
}

/// A form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people, on a terminal.
    Text,
    /// The document as it is stored.
    Json,
    /// For CI.
    Junit,
    /// For a runbook's log.
    Markdown,
    /// One page with the history, drawn.
    Html,
    /// The signed statement.
    Evidence,
}

/// What to verify.
#[derive(Args, Debug)]
pub(crate) struct EvidenceArgs {
    /// A file with the envelope, or a drill in the store: [DATABASE/]ID, the unique beginning of an id, or latest
    #[arg(value_name = "FILE|DRILL")]
    pub(crate) evidence: String,
    /// Trust this signer too, beside trusted_signers and those of the keyring: ed25519:…
    #[arg(long = "signer", value_name = "KEY")]
    pub(crate) signers: Vec<String>,
    /// The backup's manifest.json, to compare with the one that was signed for; without it, that of the store
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<std::path::PathBuf>,
    /// What may be opened.
    #[command(flatten)]
    pub(crate) open: OpenArgs,
}

pub(super) const EXAMPLES: &str = "\
Exit codes: 0 passed, 31 failed (do not count on this backup), 32 inconclusive (nothing was found out; the report says why).";
const LIST_HELP: &str = "\
A drill that began and left no record of its end is lost; one that began less than a day ago may still run. Exit code 10: there is \
nothing at all below the store's prefix.";
const SHOW_HELP: &str = "\
Examples:
  lifeboat drill show shop/latest
  lifeboat drill show shop/latest --form html > drill.html
  lifeboat drill show 20261201T04 --form markdown >> runbook/drills.md";
const VERIFY_HELP: &str = "\
Says who signed and what the drill found out, and ends with the verdict's exit code: 0, 31 or 32. Of a drill in the store the \
report and the backup's manifest must be those that were signed for.

Other tools do it too (docs/drill.md):
  lifeboat drill show shop/latest --form evidence > evidence.json
  lifeboat key signer --pem > host.pem
  cosign verify-blob-attestation --key host.pem --type urn:lifeboat:drill:v1 \\
    --signature evidence.json --insecure-ignore-tlog manifest.json";
