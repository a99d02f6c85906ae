//! `lifeboat download`.

use std::path::Path;

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
    let stock = |pipeline: String| {
        format!("without Lifeboat: set -o pipefail; {pipeline} | psql -X -v ON_ERROR_STOP=1 -d NEW_DATABASE\n")
    };
    let copied =
        format!("{}: {}, {size}, in {folder}\n", summary.backup, units::counted(summary.objects as u64, "object"));
    if summary.sealed {
        let (recover, folder) = (quoted(&summary.folder.join("recover.py")), quoted(&summary.folder));
        return copied + &stock(format!("python3 {recover} --keyring KEYRING {folder}"));
    }
    let script: Vec<_> = summary.script.iter().map(|name| quoted(&summary.folder.join(name))).collect();
    let script = script.join(" ");
    let decompress = match summary.compression {
        Compression::Gzip => "gunzip",
        Compression::Zstd => "zstd -d",
    };
    copied + &stock(format!("cat {script} | {decompress}"))
}

/// As a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%=,".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::quoted;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(quoted(Path::new("dir/a-0.sql.gz")), "dir/a-0.sql.gz");
        assert_eq!(quoted(Path::new("my dir/it's")), r"'my dir/it'\''s'");
    }
}
