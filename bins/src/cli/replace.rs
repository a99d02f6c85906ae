//! What `lifeboat restore` takes to put a backup in the place of a database that is in use.

use clap::Args;

/// Replacing, and taking it back.
#[derive(Args, Debug)]
#[command(next_help_heading = "Replacing a database")]
pub(crate) struct ReplaceArgs {
    /// Put the backup in the place of the target database, which is kept under another name
    #[arg(long, conflicts_with_all = ["create", "schema", "table", "data_only"])]
    pub(crate) replace: bool,
    /// Give the target's name back to the database that had it before --replace
    #[arg(long, conflicts_with_all = ["replace", "backup", "from", "create", "schema", "table", "data_only"])]
    pub(crate) undo_replace: bool,
    /// The kept database that gets the name back; --undo-replace lists them where there are several
    #[arg(long, value_name = "NAME", requires = "undo_replace")]
    pub(crate) kept: Option<String>,
    /// Do it without being asked for the database's name; needed where there is no terminal to ask on
    #[arg(long)]
    pub(crate) yes: bool,
    /// Take no backup of the target before it is replaced
    #[arg(long, requires = "replace")]
    pub(crate) no_safety_backup: bool,
    /// Replace it although the server's disk looks too small for two of them, or cannot be looked at
    #[arg(long, requires = "replace")]
    pub(crate) ignore_disk: bool,
    /// Replace it also by rows that have no fingerprints to prove them by, as those of an imported dump with INSERT
    #[arg(long, requires = "replace")]
    pub(crate) unproven_rows: bool,
}
