//! Subscriptions of a restored database. A dump makes them disabled, and they know the slot of the original at its publisher: no
//! database that has one can be dropped, and one that is enabled would take the original's changes.

use lifeboat_core::Result;
use serde::Deserialize;

use crate::postgres::{Session, quote_ident, rows};

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// Drops those of the database that `session` is connected to; which they were. The publisher is not touched: the slot there is the
/// original's.
///
/// # Errors
/// As the session's.
pub async fn drop_subscriptions(session: &mut dyn Session) -> Result<Vec<String>> {
    let found: Vec<Named> = rows(session, SUBSCRIPTIONS).await?;
    for Named { name } in &found {
        let quoted = quote_ident(name);
        // One statement at a time: within a transaction block a drop would be refused.
        for what in
            ["ALTER SUBSCRIPTION % DISABLE", "ALTER SUBSCRIPTION % SET (slot_name = NONE)", "DROP SUBSCRIPTION %"]
        {
            let done = session.execute(&what.replace('%', &quoted)).await;
            done.map_err(|error| error.while_doing(format!("drop the subscription {name}")))?;
        }
    }
    Ok(found.into_iter().map(|found| found.name).collect())
}

const SUBSCRIPTIONS: &str = "SELECT subname AS name FROM pg_catalog.pg_subscription \
    WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) ORDER BY 1";
