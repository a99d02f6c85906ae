//! Which rows are looked at.

use lifeboat_backup::postgres::{DirectSession, Session as _, quote_ident};
use lifeboat_core::Result;
use lifeboat_rotate::sweep::Holder;

/// How many rows of a table are looked at, spread over it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    percent: f64,
    rows: u64,
}

impl Share {
    /// As the end of a query.
    pub(super) fn sql(self) -> String {
        format!(" TABLESAMPLE BERNOULLI ({:.6}) LIMIT {}", self.percent, self.rows)
    }
}

/// Of each table its share of the rows that are wanted; all where there are not more.
pub(super) async fn shares(
    session: &mut DirectSession,
    holders: Vec<Holder>,
    wanted: Option<u32>,
) -> Result<Vec<(Holder, Option<Share>)>> {
    let Some(wanted) = wanted else { return Ok(holders.into_iter().map(|holder| (holder, None)).collect()) };
    let mut counted = Vec::new();
    for holder in holders {
        let count = session.text(&format!("SELECT count(*) FROM {}", from(&holder))).await?;
        counted.push((holder, count.and_then(|count| count.parse().ok()).unwrap_or(0_u64)));
    }
    let all: u64 = counted.iter().map(|(_, count)| count).sum();
    if all <= u64::from(wanted) {
        return Ok(counted.into_iter().map(|(holder, _)| (holder, None)).collect());
    }
    #[expect(clippy::cast_precision_loss, reason = "a percentage needs no precision")]
    let percent = (f64::from(wanted) * 120.0 / all as f64).clamp(0.000_1, 100.0);
    let share = |count: u64| Share { percent, rows: (u64::from(wanted) * count).div_ceil(all) };
    Ok(counted.into_iter().map(|(holder, count)| (holder, Some(share(count)))).collect())
}

/// A table and nothing below it.
pub(super) fn from(holder: &Holder) -> String {
    format!("ONLY {}.{} AS t", quote_ident(&holder.table.schema), quote_ident(&holder.table.name))
}
