//! `lifeboat cat`.

use std::io::stdout;

use lifeboat_backup::archive::cat;
use lifeboat_core::{Error, Kind, Result};
use serde_json::json;

use super::{Context, Named};
use crate::cli::CatArgs;
use crate::output::Outcome;

/// Writes a backup's script to stdout, each range only once it is proven.
///
/// # Errors
/// [`Usage`](lifeboat_core::Kind::Usage) with `--json`, whose records would stand among the script;
/// [`Integrity`](lifeboat_core::Kind::Integrity) at the first bytes that are not what was stored.
pub(super) async fn run(args: &CatArgs, context: &Context) -> Result<Outcome> {
    if context.style.json {
        return Err(Error::new(Kind::Usage, "write script and records to the same stdout").hint("leave --json out"));
    }
    let Named { reference, store, keys } = context.backup(&args.backup, args.open).await?;
    let bytes = cat(&store, &keys, &reference, stdout(), context.cancel.clone(), context.monitor.clone()).await?;
    Ok(Outcome::success("", json!({"sql_bytes": bytes})))
}
