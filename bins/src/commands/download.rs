//! `lifeboat download`.

use lifeboat_backup::archive::{DownloadOptions, DownloadSummary, download};
use lifeboat_core::Result;
use lifeboat_core::manifest::Compression;
use serde_json::json;

use super::{Context, Named};
use crate::cli::DownloadArgs;
use crate::output::{Outcome, units};

/// Copies a backup's objects into a folder.
///
/// # Errors
/// [`Policy`](lifeboat_core::Kind::Policy) when the folder is not empty; nothing is left of a copy that failed.
pub(super) async fn run(args: &DownloadArgs, context: &Context) -> Result<Outcome> {
    let Named { reference, store, keys } = context.backup(&args.backup, args.open).await?;
    let options = DownloadOptions { to: args.to.clone(), sealed: args.sealed, cancel: context.cancel.clone() };
    let summary = download(&store, &keys, &reference, &options, context.monitor.clone()).await?;
    Ok(Outcome::success(text(&summary), json!(summary)))
}

fn text(summary: &DownloadSummary) -> String {
    let (size, folder) = (units::size(summary.bytes), summary.folder.display());
    let copied =
        format!("{}: {}, {size}, in {folder}\n", summary.backup, units::counted(summary.objects as u64, "object"));
    if summary.sealed {
        let recover = summary.folder.join("recover.py");
        let recover = recover.display();
        return format!(
            "{copied}without Lifeboat: python3 {recover} --keyring keyring.toml {folder} | psql -X -v ON_ERROR_STOP=1 DATABASE\n"
        );
    }
    let script: Vec<_> = summary.script.iter().map(|name| summary.folder.join(name).display().to_string()).collect();
    let script = script.join(" ");
    let decompress = match summary.compression {
        Compression::Gzip => "gunzip",
        Compression::Zstd => "zstd -d",
    };
    format!("{copied}without Lifeboat: cat {script} | {decompress} | psql -X -v ON_ERROR_STOP=1 DATABASE\n")
}
