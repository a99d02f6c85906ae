//! Everything that could make a restore fail or do harm, found before anything is written.

mod empty;
mod encoding;
mod facts;
mod place;
mod warnings;

use lifeboat_core::index::{Extension, Role};
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result};

pub use empty::user_objects;
use encoding::Encoding;
use facts::{TargetFacts, User, facts};
use warnings::{may_not_give_to, warn_of_owner, warn_of_unknown_version, warn_of_untrusted};

use super::extensions::{OTHER_VERSION, SAME_VERSION, TIMESCALEDB, is_another_version, is_no_version};
use super::maintenance::{connect_beside, drop_statement};
use super::select::{self, Part};
use super::target::temporary_name;
use super::{MissingRoles, RestoreOptions};
use crate::archive::Archive;
use crate::postgres::{
    ConnectOptions, ConnectionSettings, DirectSession, Session, connect, quote_ident, quote_literal, sqlstate,
    sqlstate_of,
};
pub(super) use place::{check_for_script, look};

/// What the target is, and why it is not fit, if it is not.
#[derive(Clone, Default)]
pub(super) struct Preflight {
    pub(super) server_version_num: u32,
    pub(super) missing_roles: Vec<Role>,
    /// The source's tablespace, where the server has one of that name.
    pub(super) tablespace: Option<String>,
    /// The encoding of a database that is created of a script, where the server's own is none.
    pub(super) encoding: Option<String>,
    pub(super) refusals: Vec<String>,
    /// What to do about each.
    pub(super) hints: Vec<String>,
}

pub(super) async fn check(
    store: &Store,
    archive: &Archive,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    part: Option<&Part>,
    job: &Job,
) -> Result<Preflight> {
    let mut session = connect_to(target, options, job).await?;
    let facts = facts(&mut session, &target.dbname).await?;
    let encoding = encoding::of_backup(store, archive, job).await?;
    let mut preflight = Preflight {
        missing_roles: missing_roles(archive, options, part, &facts),
        tablespace: options.properties(archive).tablespace.clone().filter(|name| facts.tablespaces.contains(name)),
        encoding: encoding.of_new_database(&facts.encoding),
        ..Preflight::of(&facts)
    };
    preflight.check_is_primary(&facts);
    preflight.check_server(archive, part, &facts);
    preflight.check_timescaledb(archive, part, options, &facts);
    preflight.check_roles(options.roles);
    preflight.check_rights(options, &facts.user);
    preflight.check_owners(&owners(archive, options, part), &facts);
    warn_of_owner(archive, options, part, &facts, job);
    warn_of_untrusted(archive, part, &facts, job);
    warn_of_unknown_version(archive, part, options, &facts, job);
    preflight.check_database(archive, &mut session, target, options, part, &facts).await?;
    preflight.check_encoding(&encoding, &mut session, options).await?;
    session.close().await;
    Ok(preflight)
}

/// A session with the target, or with another database of its server where the target is to be created.
pub(super) async fn connect_to(
    target: &ConnectionSettings,
    options: &RestoreOptions,
    job: &Job,
) -> Result<DirectSession> {
    let how = ConnectOptions { retry: options.connect_retry.clone(), cancel: job.cancel.clone() };
    if options.create { maintenance(target, &how, job).await } else { into(target, &how, job).await }
}

/// A session with a database other than the target, from which the target can be created.
pub(super) async fn maintenance(target: &ConnectionSettings, how: &ConnectOptions, job: &Job) -> Result<DirectSession> {
    connect_beside(target, "restore", how, job).await
}

async fn into(target: &ConnectionSettings, how: &ConnectOptions, job: &Job) -> Result<DirectSession> {
    connect(target, "restore", how, &*job.monitor).await.map_err(|error| {
        if sqlstate_of(&error) == Some(sqlstate::UNDEFINED_DATABASE) {
            return Error::new(Kind::Database, format!("restore into {}", target.display()))
                .hint("create the database first, or let --create do it")
                .caused_by(error);
        }
        error
    })
}

fn missing_roles(archive: &Archive, options: &RestoreOptions, part: Option<&Part>, facts: &TargetFacts) -> Vec<Role> {
    let is_needed = |role: &&Role| {
        part.is_none_or(|part| {
            part.refers_to(role) || options.create && options.properties(archive).refers_to(&role.name)
        })
    };
    let roles = archive.index.roles.iter().filter(is_needed);
    roles.filter(|role| !facts.roles.contains(&role.name)).cloned().collect()
}

impl Preflight {
    /// The roles that a restore would create.
    pub(super) fn roles_to_create(&self, mode: MissingRoles) -> Vec<String> {
        match mode {
            MissingRoles::Create | MissingRoles::Stub => {
                self.missing_roles.iter().map(|role| role.name.clone()).collect()
            }
            MissingRoles::Refuse | MissingRoles::Skip => Vec::new(),
        }
    }

    fn refuse(&mut self, why: impl Into<String>, hint: &str) {
        self.refusals.push(why.into());
        self.hints.push(hint.to_owned());
    }

    fn check_server(&mut self, archive: &Archive, part: Option<&Part>, facts: &TargetFacts) {
        let source = archive.index.server_major().unwrap_or(0);
        if let Some((why, hint)) = version_refusal(source, facts.server_version_num / 10_000) {
            self.refuse(why, &hint);
        }
        let lacking = extensions(archive, part).filter(|extension| !facts.extensions.contains(&extension.name));
        let lacking: Vec<_> = lacking.map(|it| format!("{} {}", it.name, it.version).trim_end().to_owned()).collect();
        if !lacking.is_empty() {
            let why = format!("the server lacks the extensions {}", lacking.join(", "));
            self.refuse(why, "install the extensions' packages on the target server");
        }
    }

    /// A version that is there already stays, whatever the backup wants; a part takes it as it is.
    fn check_timescaledb(
        &mut self,
        archive: &Archive,
        part: Option<&Part>,
        options: &RestoreOptions,
        facts: &TargetFacts,
    ) {
        let is_wanted = |it: &&Extension| it.name == TIMESCALEDB && facts.extensions.contains(&it.name);
        let Some(wanted) = extensions(archive, part).find(is_wanted) else { return };
        let (why, hint) = match &facts.timescaledb.there {
            Some(there) if part.is_none() && !options.create => (is_another_version(wanted, there), OTHER_VERSION),
            _ => (is_no_version(wanted, &facts.timescaledb.available), SAME_VERSION),
        };
        if let Some(why) = why {
            self.refuse(why, hint);
        }
    }

    fn check_roles(&mut self, mode: MissingRoles) {
        if mode == MissingRoles::Refuse && !self.missing_roles.is_empty() {
            let names: Vec<_> = self.missing_roles.iter().map(|role| role.name.as_str()).collect();
            let why = format!("the server lacks the roles {}", names.join(", "));
            self.refuse(why, "create them with --roles create or --roles stub, or leave owners out with --roles skip");
        }
    }

    fn check_rights(&mut self, options: &RestoreOptions, user: &User) {
        if user.superuser {
            return;
        }
        let (name, quoted) = (&user.name, quote_ident(&user.name));
        if options.create && !user.creates_databases {
            let hint = format!(
                "as a superuser: ALTER ROLE {quoted} CREATEDB; or connect as a role that may, or create the database \
                 and leave --create out"
            );
            self.refuse(format!("the role {name} may not create databases"), &hint);
        }
        if self.missing_roles.is_empty() {
            return;
        }
        if options.roles == MissingRoles::Create {
            // Whatever else may be said of a new role: NOSUPERUSER is, and only a superuser may say it.
            let why = format!("the role {name} is no superuser, and roles are created as they were by one only");
            self.refuse(why, "connect as a superuser, or use --roles stub or --roles skip");
        }
        if options.roles == MissingRoles::Stub && !user.creates_roles {
            let hint = format!("as a superuser: ALTER ROLE {quoted} CREATEROLE; or use --roles skip");
            self.refuse(format!("the role {name} may not create roles"), &hint);
        }
    }

    /// Postgres lets a role give things only to itself and to roles that it is a member of.
    fn check_owners(&mut self, owners: &[&str], facts: &TargetFacts) {
        let name = &facts.user.name;
        for owner in owners.iter().filter(|owner| may_not_give_to(owner, facts)) {
            let hint = format!(
                "as a superuser: GRANT {} TO {}; or connect as a superuser, or use --roles skip",
                quote_ident(owner),
                quote_ident(name)
            );
            let why = format!("the role {name} is no member of {owner}, and may not give it what it owned");
            self.refuse(why, &hint);
        }
    }

    async fn check_database(
        &mut self,
        archive: &Archive,
        session: &mut DirectSession,
        target: &ConnectionSettings,
        options: &RestoreOptions,
        part: Option<&Part>,
        facts: &TargetFacts,
    ) -> Result<()> {
        if options.create {
            // One that is to take another's place has a name of its own from the beginning.
            if options.stand_in.is_none() {
                self.check_unfinished(archive, session, target).await?;
            }
            return self.check_place(session, target, options, Some(&archive.index.extensions), facts).await;
        }
        if let Some(part) = part {
            for (why, hint) in select::refusals(part, &archive.index, session).await? {
                self.refuse(why, hint);
            }
            return Ok(());
        }
        // One that was dropped and created again since has nothing to lose.
        if is_source(archive, session, target).await? && user_objects(session).await? > 0 {
            let hint = "restore into another database, or let --replace put the backup in its place";
            self.refuse("the target is the database the backup was taken of", hint);
        }
        self.check_place(session, target, options, Some(&archive.index.extensions), facts).await
    }

    /// What a killed restore of this backup left has the name that the database has until it is whole.
    async fn check_unfinished(
        &mut self,
        archive: &Archive,
        session: &mut DirectSession,
        target: &ConnectionSettings,
    ) -> Result<()> {
        let name = temporary_name(&target.dbname, archive);
        let count =
            format!("SELECT pg_catalog.count(*) FROM pg_catalog.pg_database WHERE datname = {}", quote_literal(&name));
        if session.text(&count).await?.as_deref() == Some("1") {
            let drop = drop_statement(&name, self.server_version_num);
            let why = format!("an earlier restore of this backup did not end: the database {name} is there");
            self.refuse(why, &format!("if it is not running any more, drop what it left: {drop}"));
        }
        Ok(())
    }

    /// What takes another one's place gets its encoding.
    async fn check_encoding(
        &mut self,
        backup: &Encoding,
        session: &mut DirectSession,
        options: &RestoreOptions,
    ) -> Result<()> {
        let (database, hint) = match &options.stand_in {
            Some(stand_in) => (stand_in.encoding().to_owned(), "restore beside it with --create, and rename by hand"),
            None if options.create => return Ok(()),
            None => (
                session.text("SELECT pg_catalog.current_setting('server_encoding')").await?.unwrap_or_default(),
                "create the database with the encoding of the backup, or let --create do it",
            ),
        };
        if !backup.fits_into(&database) {
            self.refuse(format!("the backup is in {backup} and the database in {database}"), hint);
        }
        Ok(())
    }
}

/// How many of these extensions, or of all, are there already: who may create an extension is often another than who restores.
async fn present(extensions: Option<&[Extension]>, session: &mut DirectSession) -> Result<u64> {
    let names: Option<Vec<_>> = extensions.map(|these| these.iter().map(|it| quote_literal(&it.name)).collect());
    let these = match names {
        None => String::new(),
        Some(names) if names.is_empty() => return Ok(0),
        Some(names) => format!(" AND extname IN ({})", names.join(", ")),
    };
    let query = format!(
        "SELECT pg_catalog.count(*) FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql' AND oid >= 16384{these}"
    );
    Ok(session.text(&query).await?.and_then(|count| count.parse().ok()).unwrap_or(0))
}

/// The extensions that are created.
fn extensions<'a>(archive: &'a Archive, part: Option<&Part>) -> impl Iterator<Item = &'a Extension> {
    archive.index.extensions.iter().filter(move |extension| part.is_none_or(|part| part.has_extension(extension)))
}

/// The roles that are certain to get something: what a whole backup says of roles does not tell owners from others.
fn owners<'a>(archive: &'a Archive, options: &'a RestoreOptions, part: Option<&'a Part>) -> Vec<&'a str> {
    if options.roles == MissingRoles::Skip {
        return Vec::new();
    }
    let of_the_database = options.properties(archive).owner.as_deref().filter(|_| options.create);
    let mut owners: Vec<_> = part.into_iter().flat_map(Part::owners).chain(of_the_database).collect();
    owners.sort_unstable();
    owners.dedup();
    owners
}

/// Why a server of major version `target` cannot take a backup of `source`, and what to do.
pub(super) fn version_refusal(source: u32, target: u32) -> Option<(String, String)> {
    if target < OLDEST_MAJOR {
        let hint = format!("restore into PostgreSQL {} or later", source.max(OLDEST_MAJOR));
        return Some((format!("the server is PostgreSQL {target}, older than {OLDEST_MAJOR}"), hint));
    }
    (target < source).then(|| {
        let why = format!("the backup is of PostgreSQL {source} and the server is {target}");
        (why, "restore into a server of the same or a later major version".to_owned())
    })
}

async fn is_source(archive: &Archive, session: &mut DirectSession, target: &ConnectionSettings) -> Result<bool> {
    let Some(source) = &archive.index.source else { return Ok(false) };
    if source.database != target.dbname || source.system_identifier.is_none() {
        return Ok(false);
    }
    Ok(system_identifier(session).await? == source.system_identifier)
}

/// What tells a server, and those that were copied from it, from all others; where the role may know it.
pub(super) async fn system_identifier(session: &mut DirectSession) -> Result<Option<String>> {
    let may =
        session.text("SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')").await?;
    if may.as_deref() != Some("t") {
        return Ok(None);
    }
    session.text("SELECT system_identifier FROM pg_catalog.pg_control_system()").await
}

const OLDEST_MAJOR: u32 = 12;

#[cfg(test)]
mod tests {
    use super::version_refusal;

    #[test]
    fn a_server_older_than_12_is_refused_once_and_clearly() {
        let (why, hint) = version_refusal(15, 11).unwrap();
        assert_eq!(why, "the server is PostgreSQL 11, older than 12");
        assert_eq!(hint, "restore into PostgreSQL 15 or later");
        assert!(version_refusal(0, 9).is_some());
        assert!(version_refusal(12, 12).is_none());
        assert!(version_refusal(15, 14).is_some());
    }
}
