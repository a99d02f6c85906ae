//! Tables that belonged to a target at some time of its rotation, and do not any more: a partition that was detached takes values
//! under the other key out of sight.

use lifeboat_backup::postgres::{DirectSession, Session as _, quote_literal, rows};
use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

use super::book::Entry;
use super::catalog::Swept;
use super::errand::Errand;
use super::leader::Leader;
use super::status::Direction;

/// Refuses to end rotations while tables have gone from a target that may hold values under the key which is to go.
pub(super) async fn refuse_strays(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: &[Entry],
    direction: Direction,
) -> Result<()> {
    let may_differ = |entry: &Entry| direction == Direction::Forward || !entry.is_unwritten();
    for (errand, entry) in errands.iter().zip(entries).filter(|(_, entry)| may_differ(entry)) {
        let Some(strays) = strays(leader, errand, entry.id, direction).await? else { continue };
        let doing = match direction {
            Direction::Forward => format!("finalize {}", errand.target),
            Direction::Back => format!("roll the rotation of {} back", errand.target),
        };
        return Err(Error::new(Kind::Policy, doing).hint(format!("nothing was changed: {strays}")));
    }
    Ok(())
}

/// What has gone, and what to do about it.
pub(super) async fn strays(
    leader: &mut Leader,
    errand: &Errand<'_>,
    rotation: i64,
    direction: Direction,
) -> Result<Option<String>> {
    let key = match direction {
        Direction::Forward => &errand.new_key,
        Direction::Back => &errand.old_key,
    };
    leader.alive().await?;
    let now = leader.relations(errand).await?;
    let query = query(rotation, &oids(now.iter().map(|swept| swept.oid)), key);
    let found: Vec<Stray> = rows(leader.session()?, &query).await?;
    let names: Vec<_> = found.into_iter().map(|stray| stray.name).collect();
    Ok((!names.is_empty()).then(|| {
        format!(
            "{} belonged to {} when it was rotated, and may hold values that the key {key} does not open. Attach it again, drop it, or rotate it by itself to that key and finalize this; then give the same command again",
            names.join(", "),
            errand.target.table
        )
    }))
}

#[derive(Deserialize)]
struct Stray {
    name: String,
}

/// One that was brought under the key by a later rotation of its own is none.
fn query(rotation: i64, now: &str, key: &str) -> String {
    format!(
        "SELECT c.oid::pg_catalog.regclass::pg_catalog.text AS name FROM lifeboat_rotate.rotation r \
         JOIN pg_catalog.pg_class c ON c.oid = ANY (r.relations) \
         WHERE r.id = {rotation} AND c.oid <> ALL ({now}) AND EXISTS (SELECT FROM pg_catalog.pg_attribute a \
             WHERE a.attrelid = c.oid AND a.attname = ANY (r.columns) AND NOT a.attisdropped) \
         AND NOT EXISTS (SELECT FROM lifeboat_rotate.rotation o WHERE o.relation = c.oid AND o.columns = r.columns \
             AND o.id > r.id AND o.phase = 'finalized' AND o.new_key = {}) ORDER BY 1",
        quote_literal(key)
    )
}

/// Notes the tables that one transaction writes.
pub(super) async fn note(session: &mut DirectSession, rotation: i64, relations: &[Swept]) -> Result<()> {
    let has_triggers = relations.iter().any(|swept| swept.has_triggers);
    let relations = with_more(relations.iter().map(|swept| swept.oid));
    let update = format!(
        "UPDATE lifeboat_rotate.rotation SET relations = {relations}, had_triggers = had_triggers OR {has_triggers} WHERE id = {rotation}"
    );
    session.execute(&update).await
}

/// The tables of a rotation so far, as an expression over its row in the book, and more of them.
pub(super) fn with_more(more: impl Iterator<Item = u32>) -> String {
    let all = format!("unnest(relations || {})", oids(more));
    format!("(SELECT coalesce(pg_catalog.array_agg(DISTINCT u.oid), '{{}}') FROM {all} AS u (oid))")
}

/// An array of the server's.
pub(super) fn oids(oids: impl Iterator<Item = u32>) -> String {
    let oids: Vec<_> = oids.map(|oid| oid.to_string()).collect();
    format!("'{{{}}}'::pg_catalog.oid[]", oids.join(","))
}
