//! Which targets of a rollback are still to be taken back: some were before it was interrupted, and tables come and go.

use lifeboat_backup::postgres::{DirectSession, Session as _, quote_literal};
use lifeboat_core::{Error, Kind, Result};

use super::book::{self, Entry};
use super::leader::Leader;
use super::schema;
use super::status::Phase;
use super::target::Target;

/// What is left to do of a rollback.
pub(super) struct Remaining {
    /// To be taken back.
    pub(super) targets: Vec<Target>,
    /// Rotations whose table was dropped.
    pub(super) gone: Vec<(Target, Entry)>,
    /// Rotations that have written nothing, of which another new key was given.
    pub(super) unwritten: Vec<(Target, Entry)>,
}

/// Passes over targets of which nothing is to be taken back, while there is another of which something is: the same command goes on.
pub(super) async fn remaining(leader: &mut Leader, targets: &[Target]) -> Result<Remaining> {
    let session = leader.session()?;
    let mut remaining = Remaining { targets: Vec::new(), gone: Vec::new(), unwritten: Vec::new() };
    let mut before = Vec::new();
    let is_known = schema::exists(session).await?;
    for target in targets {
        let open = if is_known { book::open_entry(session, target).await? } else { None };
        match open {
            Some(entry) if entry.is_unwritten() && !has_new_key(&entry, target)? => {
                remaining.unwritten.push((target.clone(), entry));
            }
            Some(entry) if is_gone(session, target, &entry).await? => remaining.gone.push((target.clone(), entry)),
            None if is_known && has_nothing_to_end(session, target).await? => before.push(target.clone()),
            _ => remaining.targets.push(target.clone()),
        }
    }
    if remaining.targets.is_empty() && remaining.gone.is_empty() && remaining.unwritten.is_empty() {
        remaining.targets = before;
    }
    Ok(remaining)
}

/// It was taken back, or none was begun: the columns of a file need not have been rotated together.
async fn has_nothing_to_end(session: &mut DirectSession, target: &Target) -> Result<bool> {
    let last = book::last_entry(session, target).await?;
    Ok(last.is_none_or(|entry| entry.phase == Phase::RolledBack))
}

fn has_new_key(entry: &Entry, target: &Target) -> Result<bool> {
    Ok(entry.new_key == target.keys.new.derive()?.fingerprint())
}

fn has_keys(entry: &Entry, target: &Target) -> Result<bool> {
    Ok(has_new_key(entry, target)? && entry.old_key == target.keys.old.derive()?.fingerprint())
}

/// Whether the table was dropped. One that has another name now may hold values under either key.
async fn is_gone(session: &mut DirectSession, target: &Target, entry: &Entry) -> Result<bool> {
    let named = "SELECT n.nspname || '.' || c.relname FROM pg_catalog.pg_class c \
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE";
    let (schema, name) = (quote_literal(&target.table.schema), quote_literal(&target.table.name));
    if session.text(&format!("{named} n.nspname = {schema} AND c.relname = {name}")).await?.is_some() {
        refuse_without_columns(session, target, &schema, &name).await?;
        return Ok(false);
    }
    if let Some(now) = session.text(&format!("{named} c.oid = {}", entry.relation)).await? {
        return Err(Error::new(Kind::Policy, format!("roll the rotation of {target} back: its table is {now} now"))
            .hint("nothing was changed: give the table its name back until the rotation is over"));
    }
    if !has_keys(entry, target)? {
        let doing = format!("end the rotation of {target} from {} to {}", entry.old_key, entry.new_key);
        return Err(Error::new(Kind::WrongKey, doing).hint("nothing was changed: give the keys that it began with"));
    }
    Ok(true)
}

/// A column that has another name now may hold values under either key, and is not to be told from one that was dropped.
async fn refuse_without_columns(session: &mut DirectSession, target: &Target, schema: &str, table: &str) -> Result<()> {
    for column in target.value_columns() {
        let count = format!(
            "SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {schema} AND c.relname = {table} \
             AND a.attname = {} AND NOT a.attisdropped",
            quote_literal(&column)
        );
        if session.text(&count).await?.as_deref() == Some("0") {
            let doing = format!("roll the rotation of {target} back: {} has no column {column} now", target.table);
            return Err(Error::new(Kind::Policy, doing).hint(
                "nothing was changed: when it has another name, give it the old one back until the rotation is over; when it was \
                 dropped, and what it held with it, add an empty column of that name and type until then",
            ));
        }
    }
    Ok(())
}
