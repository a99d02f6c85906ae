//! `lifeboat download`.

use lifeboat_backup::archive::{DownloadSummary, download};
use lifeboat_core::Result;
use serde_json::json;

use super::Context;
use crate::cli::DownloadArgs;
use crate::output::{Outcome, units};

/// Copies a backup's objects into a folder.
///
/// # Errors
/// [`Policy`](lifeboat_core::Kind::Policy) when the folder is not empty; nothing is left of a copy that failed.
pub(super) async fn run(args: &DownloadArgs, context: &Context) -> Result<Outcome> {
    let (reference, store) = context.backup(&args.backup).await?;
    let summary = download(&store, &reference, &args.to, context.cancel.clone(), context.monitor.clone()).await?;
    Ok(Outcome::success(text(&summary), json!(summary)))
}

fn text(summary: &DownloadSummary) -> String {
    let script: Vec<_> = summary.script.iter().map(|name| summary.folder.join(name).display().to_string()).collect();
    format!(
        "{}: {} objects, {}, in {}\nwithout Lifeboat: cat {} | gunzip | psql -X -v ON_ERROR_STOP=1 DATABASE\n",
        summary.backup,
        summary.objects,
        units::size(summary.bytes),
        summary.folder.display(),
        script.join(" "),
    )
}
