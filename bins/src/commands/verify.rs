//! `lifeboat verify`.

use lifeboat_backup::archive::{VerifySummary, verify};
use lifeboat_core::Result;
use serde_json::json;

use super::{Context, Named};
use crate::cli::VerifyArgs;
use crate::output::{Outcome, units};

/// Proves every byte of a backup.
///
/// # Errors
/// [`Integrity`](lifeboat_core::Kind::Integrity) naming what is damaged.
pub(super) async fn run(args: &VerifyArgs, context: &Context) -> Result<Outcome> {
    let Named { reference, store, keys } = context.backup(&args.backup, args.open).await?;
    let summary = verify(&store, &keys, &reference, context.cancel.clone(), context.monitor.clone()).await?;
    Ok(Outcome::success(text(&summary), json!(summary)))
}

fn text(summary: &VerifySummary) -> String {
    let stored =
        format!("{}, {} stored", units::counted(summary.objects as u64, "object"), units::size(summary.stored_bytes));
    if let (Some(sql_bytes), Some(rows)) = (summary.sql_bytes, summary.rows) {
        let (sql, rows) = (units::size(sql_bytes), units::counted(rows, "row"));
        return format!("{}: whole; {stored}, {sql} of SQL, {rows} compared with their fingerprints\n", summary.backup);
    }
    let unchecked: String = summary.unchecked.iter().map(|what| format!("not checked: {what}\n")).collect();
    format!("{}: stored bytes whole; {stored}\n{unchecked}", summary.backup)
}
