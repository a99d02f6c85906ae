//! What is told before a restore and not refused.

use lifeboat_core::Job;

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
