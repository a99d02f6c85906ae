//! What is told before a restore and not refused.

use lifeboat_core::Job;

use super::super::extensions::TIMESCALEDB;
use super::super::select::Part;
use super::super::{MissingRoles, RestoreOptions};
use super::extensions;
use super::facts::TargetFacts;
use crate::archive::Archive;

/// Whether the role is there and the user may not make it an owner.
pub(super) fn may_not_give_to(owner: &str, facts: &TargetFacts) -> bool {
    let has = |roles: &[String]| roles.iter().any(|role| role == owner);
    !facts.user.superuser && has(&facts.roles) && !has(&facts.acts_for)
}

/// Not refused: the owner of the source may own nothing in it, and a database that is there keeps its own.
pub(super) fn warn_of_owner(
    archive: &Archive,
    options: &RestoreOptions,
    part: Option<&Part>,
    facts: &TargetFacts,
    job: &Job,
) {
    let owner = archive.index.database.owner.as_deref().filter(|owner| may_not_give_to(owner, facts));
    if let Some(owner) = owner
        && !options.create
        && part.is_none()
        && options.roles != MissingRoles::Skip
    {
        let user = &facts.user.name;
        job.warn(&format!(
            "the role {user} is no member of {owner}: Postgres will not let it restore what {owner} owned"
        ));
    }
}

/// Not refused: providers of Postgres let roles of theirs create some of these.
pub(super) fn warn_of_untrusted(archive: &Archive, part: Option<&Part>, facts: &TargetFacts, job: &Job) {
    let extensions = extensions(archive, part).map(|extension| extension.name.as_str());
    let untrusted = extensions.filter(|name| *name != "plpgsql" && facts.untrusted.iter().any(|it| it == name));
    let untrusted: Vec<_> = untrusted.collect();
    if !facts.user.superuser && !untrusted.is_empty() {
        let (names, user) = (untrusted.join(", "), &facts.user.name);
        job.warn(&format!(
            "the role {user} is no superuser: Postgres itself would not let it create the extensions {names}; who \
             may can do so in an empty database, and the backup is restored without --create then"
        ));
    }
}

/// Not refused: nobody knows whether it is the right one. A dump that was not made by a backup does not tell.
pub(super) fn warn_of_unknown_version(
    archive: &Archive,
    part: Option<&Part>,
    options: &RestoreOptions,
    facts: &TargetFacts,
    job: &Job,
) {
    let is_unknown = extensions(archive, part).any(|it| it.name == TIMESCALEDB && it.version.is_empty());
    let there = facts.timescaledb.there.as_ref().filter(|_| !options.create);
    let which = match (there, &facts.timescaledb.default) {
        (Some(there), _) => format!("{there} is there"),
        (None, Some(default)) => format!("{default} would be created"),
        (None, None) => return,
    };
    if is_unknown {
        job.warn(&format!(
            "the dump does not say of which version of TimescaleDB it is, and can be restored into that one only: {which}; \
             for another one, CREATE EXTENSION timescaledb VERSION '…' in an empty database, and restore without --create"
        ));
    }
}
