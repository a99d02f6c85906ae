//! Gives one database what another one has: whoever bears a name has the owner, settings and privileges that belong to it.

use lifeboat_core::{Error, Kind, Result};

use super::super::stand_in::StandIn;
use super::super::with_rights_hint;
use crate::postgres::{DirectSession, Session as _, sqlstate_of};

/// Makes the database `name` like `wanted`, but for its comment, in the session's transaction.
///
/// # Errors
/// [`Kind::Policy`] when it cannot be had; those of the statements: whoever began the transaction has to end it.
pub(super) async fn follow(session: &mut DirectSession, name: &str, wanted: &StandIn) -> Result<()> {
    let statements = StandIn::of(session, name, String::new()).await?.statements_to(name, wanted);
    if statements.is_empty() {
        return Ok(());
    }
    let followed = session.execute(&statements.join(";\n")).await;
    followed.map_err(|error| with_rights_hint(error.while_doing(FOLLOW)))?;
    if StandIn::of(session, name, String::new()).await?.statements_to(name, wanted).is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Policy, format!("give {name} the properties of the database whose place it takes"))
        .hint("compare both with `psql -c '\\l+'` and `psql -c '\\drds'`; run it again, as a superuser"))
}

/// Whether [`follow`] would work; nothing is changed. What somebody else changed at the same moment is met once more.
///
/// # Errors
/// Those of [`follow`]; [`Kind::TryAgain`] when somebody holds a change of that database open.
pub(super) async fn try_to_follow(session: &mut DirectSession, name: &str, wanted: &StandIn) -> Result<()> {
    match try_once(session, name, wanted).await {
        Err(error) if is_changed_at_once(&error) => try_once(session, name, wanted).await,
        tried => tried,
    }
}

async fn try_once(session: &mut DirectSession, name: &str, wanted: &StandIn) -> Result<()> {
    session.execute(&format!("BEGIN;\nSET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")).await?;
    let followed = follow(session, name, wanted).await;
    session.execute("ROLLBACK").await?;
    followed
}

/// Whether somebody else changed, or dropped, the same just then: the server has no code of its own for it.
pub(super) fn is_changed_at_once(error: &Error) -> bool {
    sqlstate_of(error) == Some(INTERNAL_ERROR)
}

/// Whoever comes after waits behind us as long.
pub(super) const LOCK_TIMEOUT: &str = "2s";
/// Of `tuple concurrently updated`, or `cache lookup failed`.
const INTERNAL_ERROR: &str = "XX000";
const FOLLOW: &str = "set what was changed of the database meanwhile";
