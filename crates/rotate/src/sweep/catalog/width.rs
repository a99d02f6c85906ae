//! Whether the new values fit where the old ones are.

use lifeboat_backup::postgres::{DirectSession, Session as _, quote_ident};
use lifeboat_core::Result;

use super::{Found, Swept};
use crate::sweep::sql;
use crate::sweep::target::Target;

/// Why the new values do not fit: the id of the new key is longer than the old one's.
pub(in crate::sweep) async fn too_narrow(
    session: &mut DirectSession,
    target: &Target,
    found: &Found,
) -> Result<Option<String>> {
    let length = |id: &Option<String>| id.as_ref().map_or(0, |id| id.chars().count());
    let keys = &target.keys;
    let more = length(&keys.new.id).saturating_sub(length(&keys.old.id));
    if more == 0 || !target.layout.has_key_id() {
        return Ok(None);
    }
    for swept in &found.relations {
        let columns = found.facts.iter().filter(|fact| fact.oid == swept.oid).flat_map(|fact| &fact.columns);
        for column in columns.filter(|column| swept.values.iter().any(|value| value.name == column.name)) {
            let Some(width) = column.width else { continue };
            let longest = longest(session, swept, &column.name).await?;
            if longest + more > width as usize {
                return Ok(Some(format!(
                    "{} of {} takes {width} characters, its longest value has {longest}, and the new key's id is longer by {more}: widen the column, or choose a shorter id",
                    column.name, swept.name
                )));
            }
        }
    }
    Ok(None)
}

async fn longest(session: &mut DirectSession, swept: &Swept, column: &str) -> Result<usize> {
    let query = format!(
        "SELECT pg_catalog.max(pg_catalog.char_length({})) FROM ONLY {}",
        quote_ident(column),
        sql::table(&swept.name)
    );
    Ok(session.text(&query).await?.and_then(|text| text.parse().ok()).unwrap_or_default())
}
