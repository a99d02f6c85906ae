//! Extensions that only a superuser creates, as the server tells it. Providers of Postgres let roles of theirs create some of them
//! all the same: nothing but trying tells.
//!
//! Who restores into a database that is there can have the provider's tools create them before. A replacement makes its database
//! itself, and finds out before anything that takes long is done.

use lifeboat_core::index::Extension;
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Deserialize;

use super::super::target::Target;
use super::beside::Beside;
use crate::archive::Archive;
use crate::postgres::sqlstate::INSUFFICIENT_PRIVILEGE;
use crate::postgres::{DirectSession, Session as _, quote_ident, quote_literal, rows, sqlstate_of};

/// Those of these that the session's role may have no right to create; none for a superuser.
pub(super) async fn untrusted(session: &mut DirectSession, extensions: &[Extension]) -> Result<Vec<String>> {
    let names: Vec<_> = extensions.iter().map(|extension| quote_literal(&extension.name)).collect();
    if names.is_empty() {
        return Ok(names);
    }
    let found: Vec<Named> = rows(session, &UNTRUSTED.replace("%NAMES%", &names.join(", "))).await?;
    Ok(found.into_iter().map(|extension| extension.name).collect())
}

/// Tries whether they can be created in a database like the one that is to be restored, which is dropped again.
///
/// # Errors
/// [`Kind::Policy`] when the server denies it; those of making the database.
pub(super) async fn try_to_create(archive: &Archive, beside: &Beside, job: &Job) -> Result<()> {
    if beside.untrusted.is_empty() {
        return Ok(());
    }
    job.step(&format!("try to create {}, which the server does not trust", beside.untrusted.join(", ")));
    let target = Target::prepare(archive, &beside.target, &beside.options, &beside.preflight, job).await?;
    let tried = job.run(Box::pin(denied(&target, &beside.untrusted, job))).await;
    target.discard(job).await;
    let denied = tried?;
    if denied.is_empty() {
        return Ok(());
    }
    let names = denied.join(", ");
    let doing = format!("look for what may be denied: the role may not create {names} in a new database");
    Err(Error::new(Kind::Policy, doing).hint(format!(
        "connect as a role that may; or have the provider's tools make an empty database with {names} in it, restore into that one \
         without --create, and rename both by hand (docs/restore.md has the statements)"
    )))
}

/// Those that the server does not let the role create. That one fails for another reason is the restore's to tell.
async fn denied(target: &Target, names: &[String], job: &Job) -> Result<Vec<String>> {
    let mut session = target.connect("restore", job).await?;
    let mut denied = Vec::new();
    for name in names {
        session.execute("BEGIN;\nSET LOCAL search_path TO public").await?;
        let created = session.execute(&format!("CREATE EXTENSION {} CASCADE", quote_ident(name))).await;
        session.execute("ROLLBACK").await?;
        if created.is_err_and(|error| sqlstate_of(&error) == Some(INSUFFICIENT_PRIVILEGE)) {
            denied.push(name.clone());
        }
    }
    session.close().await;
    Ok(denied)
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// From 13 on an extension can be trusted.
const UNTRUSTED: &str = "
SELECT e.name
FROM pg_available_extensions e
JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
WHERE e.name IN (%NAMES%) AND e.name <> 'plpgsql'
  AND v.superuser AND coalesce(to_jsonb(v) ->> 'trusted', 'false') = 'false'
  AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
ORDER BY 1";
