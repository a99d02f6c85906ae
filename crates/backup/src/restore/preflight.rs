//! Everything that could make a restore fail or do harm, found before anything is written.

use lifeboat_core::index::{Extension, Role};
use lifeboat_core::{Error, Job, Kind, Result, counted};
use serde::Deserialize;

use super::select::{self, Part};
use super::{MissingRoles, RestoreOptions};
use crate::archive::Archive;
use crate::postgres::{
    ConnectOptions, ConnectionSettings, DirectSession, Session, connect, quote_ident, quote_literal, rows,
};

/// What the target is, and why it is not fit, if it is not.
#[derive(Clone)]
pub(super) struct Preflight {
    pub(super) server_version_num: u32,
    pub(super) missing_roles: Vec<Role>,
    /// The source's tablespace, where the server has one of that name.
    pub(super) tablespace: Option<String>,
    pub(super) refusals: Vec<String>,
    /// What to do about each.
    pub(super) hints: Vec<String>,
}

#[derive(Deserialize)]
struct TargetFacts {
    server_version_num: u32,
    recovering: bool,
    exists: bool,
    user: User,
    roles: Vec<String>,
    /// Those that the user may give things to, and then work on them.
    acts_for: Vec<String>,
    extensions: Vec<String>,
    /// Those that a superuser alone creates.
    untrusted: Vec<String>,
    tablespaces: Vec<String>,
}

/// Who restores. Attributes of a role are not inherited: only its own count.
#[derive(Deserialize)]
struct User {
    name: String,
    superuser: bool,
    creates_databases: bool,
    creates_roles: bool,
}

pub(super) async fn check(
    archive: &Archive,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    part: Option<&Part>,
    job: &Job,
) -> Result<Preflight> {
    let mut session = connect_to(target, options, job).await?;
    let facts = facts(&mut session, &target.dbname).await?;
    let mut preflight = Preflight {
        server_version_num: facts.server_version_num,
        missing_roles: missing_roles(archive, options, part, &facts),
        tablespace: options.properties(archive).tablespace.clone().filter(|name| facts.tablespaces.contains(name)),
        refusals: Vec::new(),
        hints: Vec::new(),
    };
    preflight.check_server(archive, part, &facts);
    preflight.check_roles(options.roles);
    preflight.check_rights(options, &facts.user);
    preflight.check_owners(&owners(archive, options, part), &facts);
    warn_of_owner(archive, options, part, &facts, job);
    warn_of_untrusted(archive, part, &facts, job);
    preflight.check_database(archive, &mut session, target, options, part, &facts).await?;
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
    match connect(&target.with_dbname("postgres"), "restore", how, &*job.monitor).await {
        Err(error) if crate::postgres::sqlstate_of(&error) == Some(UNDEFINED_DATABASE) => {
            connect(&target.with_dbname("template1"), "restore", how, &*job.monitor).await
        }
        other => other,
    }
}

async fn into(target: &ConnectionSettings, how: &ConnectOptions, job: &Job) -> Result<DirectSession> {
    connect(target, "restore", how, &*job.monitor).await.map_err(|error| {
        if crate::postgres::sqlstate_of(&error) == Some(UNDEFINED_DATABASE) {
            return Error::new(Kind::Database, format!("restore into {}", target.display()))
                .hint("create the database first, or let --create do it")
                .caused_by(error);
        }
        error
    })
}

async fn facts(session: &mut DirectSession, dbname: &str) -> Result<TargetFacts> {
    let found = rows(session, &TARGET.replace("%DBNAME%", &quote_literal(dbname))).await?;
    found.into_iter().next().ok_or_else(|| Error::new(Kind::Database, "read what the target server is"))
}

/// A part needs the roles of what it makes, and of the database where that is created.
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
        if facts.recovering {
            self.refuse("the server is a standby", "restore into its primary");
        }
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
            if facts.exists {
                let why = format!("the database {} exists already", target.dbname);
                self.refuse(
                    why,
                    "name another database, or leave --create out if it is empty; --replace puts a backup in its place",
                );
            }
            return Ok(());
        }
        if let Some(part) = part {
            for (why, hint) in select::refusals(part, &archive.index, session).await? {
                self.refuse(why, hint);
            }
            return self.check_encoding(archive, session).await;
        }
        let objects = user_objects(session).await?;
        if objects > 0 {
            // One that was dropped and created again since has nothing to lose.
            if is_source(archive, session, target).await? {
                let hint = "restore into another database, or let --replace put the backup in its place";
                self.refuse("the target is the database the backup was taken of", hint);
            }
            let why = format!("the database {} is not empty: it has {}", target.dbname, counted(objects, "object"));
            self.refuse(why, "name an empty database, or another one with --create");
        }
        self.check_encoding(archive, session).await
    }

    async fn check_encoding(&mut self, archive: &Archive, session: &mut DirectSession) -> Result<()> {
        let encoding = session.text("SELECT pg_catalog.current_setting('server_encoding')").await?.unwrap_or_default();
        if let Some(source) = &archive.index.source
            && source.encoding != encoding
        {
            let why = format!("the backup is in {} and the database in {encoding}", source.encoding);
            self.refuse(why, "create the database with the encoding of the backup, or let --create do it");
        }
        Ok(())
    }
}

/// How many objects of users a database has, of every kind: an empty one has none.
///
/// # Errors
/// Those of the session.
pub async fn user_objects(session: &mut DirectSession) -> Result<u64> {
    Ok(session.text(USER_OBJECTS).await?.and_then(|count| count.parse().ok()).unwrap_or(0))
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

/// Whether the role is there and the user may not make it an owner.
fn may_not_give_to(owner: &str, facts: &TargetFacts) -> bool {
    let has = |roles: &[String]| roles.iter().any(|role| role == owner);
    !facts.user.superuser && has(&facts.roles) && !has(&facts.acts_for)
}

/// Not refused: the owner of the source may own nothing in it, and a database that is there keeps its own.
fn warn_of_owner(archive: &Archive, options: &RestoreOptions, part: Option<&Part>, facts: &TargetFacts, job: &Job) {
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
fn warn_of_untrusted(archive: &Archive, part: Option<&Part>, facts: &TargetFacts, job: &Job) {
    let extensions = extensions(archive, part).map(|extension| extension.name.as_str());
    let untrusted = extensions.filter(|name| *name != "plpgsql" && facts.untrusted.iter().any(|it| it == name));
    let untrusted: Vec<_> = untrusted.collect();
    if !facts.user.superuser && !untrusted.is_empty() {
        let (names, user) = (untrusted.join(", "), &facts.user.name);
        job.warn(&format!(
            "the role {user} is no superuser: Postgres itself would not let it create the extensions {names}"
        ));
    }
}

/// Why a server of major version `target` cannot take a backup of `source`, and what to do.
fn version_refusal(source: u32, target: u32) -> Option<(String, String)> {
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

const TARGET: &str = "
SELECT current_setting('server_version_num')::int AS server_version_num,
       pg_is_in_recovery() AS recovering,
       EXISTS (SELECT FROM pg_database WHERE datname = %DBNAME%) AS exists,
       (SELECT json_build_object('name', rolname, 'superuser', rolsuper, 'creates_databases', rolcreatedb,
                                 'creates_roles', rolcreaterole)
          FROM pg_roles WHERE rolname = current_user) AS user,
       coalesce((SELECT json_agg(rolname) FROM pg_roles), '[]') AS roles,
       coalesce((SELECT json_agg(rolname) FROM pg_roles
                  WHERE pg_has_role(oid, 'USAGE')
                    -- From 16 on a membership may be without the right to act as the role.
                    AND pg_has_role(oid, CASE WHEN current_setting('server_version_num')::int >= 160000
                                              THEN 'SET' ELSE 'USAGE' END)), '[]') AS acts_for,
       coalesce((SELECT json_agg(name) FROM pg_available_extensions), '[]') AS extensions,
       coalesce((SELECT json_agg(e.name)
                   FROM pg_available_extensions e
                   JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version
                   -- From 13 on an extension can be trusted.
                   WHERE v.superuser AND coalesce(to_jsonb(v) ->> 'trusted', 'false') = 'false'), '[]') AS untrusted,
       (SELECT json_agg(spcname) FROM pg_tablespace) AS tablespaces";

/// What pg_dump would find in the database, but for the schema `public` itself. As pg_dump does, it takes an oid below
/// 16384 for initdb's; of an extension only itself counts.
const USER_OBJECTS: &str = "
SELECT (SELECT count(*)
        FROM (SELECT 'pg_class'::regclass AS class, oid, relnamespace AS namespace
                FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
              UNION ALL SELECT 'pg_type'::regclass, t.oid, typnamespace
                FROM pg_type t LEFT JOIN pg_class c ON c.oid = typrelid
                WHERE typtype IN ('d', 'e', 'r') OR relkind = 'c'
              UNION ALL SELECT 'pg_namespace'::regclass, oid, oid FROM pg_namespace WHERE nspname <> 'public'
              UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc
              UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace FROM pg_operator
              UNION ALL SELECT 'pg_opclass'::regclass, oid, opcnamespace FROM pg_opclass
              UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace FROM pg_opfamily
              UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace FROM pg_collation
              UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace FROM pg_conversion
              UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace FROM pg_ts_config
              UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace FROM pg_ts_dict
              UNION ALL SELECT 'pg_ts_parser'::regclass, oid, prsnamespace FROM pg_ts_parser
              UNION ALL SELECT 'pg_ts_template'::regclass, oid, tmplnamespace FROM pg_ts_template
              UNION ALL SELECT 'pg_cast'::regclass, oid, NULL FROM pg_cast
              UNION ALL SELECT 'pg_transform'::regclass, oid, NULL FROM pg_transform
              UNION ALL SELECT 'pg_am'::regclass, oid, NULL FROM pg_am
              UNION ALL SELECT 'pg_language'::regclass, oid, NULL FROM pg_language
              UNION ALL SELECT 'pg_extension'::regclass, oid, NULL FROM pg_extension WHERE extname <> 'plpgsql'
              UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, NULL FROM pg_foreign_data_wrapper
              UNION ALL SELECT 'pg_foreign_server'::regclass, oid, NULL FROM pg_foreign_server
              UNION ALL SELECT 'pg_event_trigger'::regclass, oid, NULL FROM pg_event_trigger
              UNION ALL SELECT 'pg_publication'::regclass, oid, NULL FROM pg_publication
              UNION ALL SELECT 'pg_default_acl'::regclass, oid, NULL FROM pg_default_acl) AS o
        LEFT JOIN pg_namespace n ON n.oid = o.namespace
        WHERE o.oid >= 16384
          AND (o.namespace IS NULL OR n.nspname <> 'information_schema' AND n.nspname !~ '^pg_')
          AND NOT EXISTS (SELECT FROM pg_depend d
                          WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype IN ('e', 'i')))
     + (SELECT count(*) FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
        WHERE d.datname = current_database())
     + (SELECT count(*) FROM pg_largeobject_metadata)";

const UNDEFINED_DATABASE: &str = "3D000";
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
