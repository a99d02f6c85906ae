//! What earlier drills of a database found.

use std::pin::pin;

use futures_util::stream::{self, StreamExt as _};
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Name, Result};

use super::{READS_AT_ONCE, names};
use crate::record;
use crate::report::DrillReport;

/// The reports of a database's earlier drills, newest first, until `limit` of them have compared rows. Those that cannot be opened are
/// passed over, with one warning: what is new is judged without them.
///
/// # Errors
/// Those of the store's listing.
pub async fn earlier_reports(
    database: &Name,
    limit: usize,
    store: &Store,
    keys: &OpenKeys,
    job: &Job,
) -> Result<Vec<DrillReport>> {
    let found = names(Some(database), store, job).await?;
    let ended = found.into_iter().rev().filter(|(_, ended)| *ended).take(limit.saturating_mul(TRIES));
    let reports = stream::iter(ended)
        .map(|((database, drill), _)| async move { record::read_report(&database, &drill, store, keys, job).await });
    let mut reports = pin!(reports.buffered(READS_AT_ONCE));
    let (mut read, mut compared, mut passed_over) = (Vec::new(), 0, Vec::new());
    while compared < limit {
        match reports.next().await {
            Some(Ok(report)) => {
                compared += usize::from(report.compared_rows());
                read.push(report);
            }
            // Its record says why none was kept.
            Some(Err(error)) if error.kind() == Kind::NotFound => {}
            Some(Err(error)) => passed_over.push(error),
            None => break,
        }
    }
    warn_of(&passed_over, job);
    Ok(read)
}

fn warn_of(passed_over: &[Error], job: &Job) {
    let Some(newest) = passed_over.first() else { return };
    let what = match passed_over.len() {
        1 => "an earlier drill is".to_owned(),
        several => format!("{several} earlier drills are"),
    };
    job.warn(&format!("{what} passed over in comparisons: {}", newest.chain()));
}

/// Of so many drills one will have compared rows.
const TRIES: usize = 8;
