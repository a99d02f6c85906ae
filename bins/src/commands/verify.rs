//! `lifeboat verify`.

use lifeboat_backup::archive::{VerifySummary, verify};
use lifeboat_core::Result;
use serde_json::json;

use super::Context;
use crate::cli::VerifyArgs;
use crate::output::{Outcome, units};

/// Proves every byte of a backup.
///
/// # Errors
/// [`Integrity`](lifeboat_core::Kind::Integrity) naming what is damaged.
pub(super) async fn run(args: &VerifyArgs, context: &Context) -> Result<Outcome> {
    let (reference, store) = context.backup(&args.backup).await?;
    let summary = verify(&store, &reference, context.cancel.clone(), context.monitor.clone()).await?;
    Ok(Outcome::success(text(&summary), json!(summary)))
}

fn text(summary: &VerifySummary) -> String {
    format!(
        "{}: whole; {} objects, {} stored, {} of SQL, {} rows compared with their fingerprints\n",
        summary.backup,
        summary.objects,
        units::size(summary.stored_bytes),
        units::size(summary.sql_bytes),
        units::count(summary.rows),
    )
}
