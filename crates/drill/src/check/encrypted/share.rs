//! Which rows are looked at.

use lifeboat_backup::postgres::{DirectSession, Session as _, quote_ident};
use lifeboat_core::Result;
use lifeboat_rotate::sweep::Holder;

/// How many rows of a table are looked at, by chance from all over it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// Rows of the table.
    of: u64,
    /// Those of them that are looked at.
    rows: u64,
}

impl Share {
    /// As the end of a query. A sample comes in the order in which rows lie: without an order of its own the limit would cut away the
    /// newest ones.
    pub(super) fn sql(self) -> String {
        let (percent, rows) = (self.percent(), self.rows);
        format!(" TABLESAMPLE BERNOULLI ({percent:.6}) ORDER BY pg_catalog.random() LIMIT {rows}")
    }

    /// So much of the table that a sample of it as good as never has fewer rows than are looked at.
    #[expect(clippy::cast_precision_loss, reason = "a percentage needs no precision")]
    fn percent(self) -> f64 {
        let rows = self.rows as f64;
        (100.0 * (rows + 5.0 * rows.sqrt() + 10.0) / self.of.max(1) as f64).clamp(0.000_1, 100.0)
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
    let share = |count: u64| Share { of: count, rows: (u64::from(wanted) * count).div_ceil(all) };
    Ok(counted.into_iter().map(|(holder, count)| (holder, Some(share(count)))).collect())
}

/// A table and nothing below it.
pub(super) fn from(holder: &Holder) -> String {
    format!("ONLY {}.{} AS t", quote_ident(&holder.table.schema), quote_ident(&holder.table.name))
}
