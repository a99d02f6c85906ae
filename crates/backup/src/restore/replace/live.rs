//! What a database is that is to be replaced: who is connected, and what hangs on it.

use lifeboat_core::{Error, Kind, Result, counted};
use serde::{Deserialize, Serialize};

use super::KeptDatabase;
use super::marker::{Marker, State, recognise};
use crate::postgres::{DirectSession, quote_literal, rows};
use crate::restore::target::drop_statement;

/// Sessions of one role and program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// The role.
    pub role: String,
    /// What the program calls itself.
    pub application: String,
    /// How many sessions.
    pub sessions: u64,
    /// Whether we may end them.
    #[serde(skip_serializing)]
    pub(super) may_end: bool,
}

/// The database that has the name.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Live {
    pub(super) oid: u32,
    pub(super) owner: String,
    pub(super) comment: Option<String>,
    pub(super) size_bytes: Option<u64>,
    pub(super) connected: Vec<Connected>,
    /// Servers that follow this one.
    pub(super) followers: u64,
    pub(super) allows_connections: bool,
    is_template: bool,
    /// Whether a DROP DATABASE of it was cut short: its files may be gone.
    is_half_dropped: bool,
    slots: Vec<String>,
    subscriptions: Vec<String>,
    prepared: Vec<String>,
    user: User,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    name: String,
    superuser: bool,
    creates_databases: bool,
    acts_for_owner: bool,
}

/// A database that a run of ours made or set aside.
#[derive(Clone, Debug)]
pub(super) struct Ours {
    pub(super) name: String,
    pub(super) oid: u32,
    pub(super) size_bytes: Option<u64>,
    /// Whether it lies in the tablespace of the database that it is about.
    pub(super) is_beside: bool,
    pub(super) state: State,
    pub(super) marker: Option<Marker>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    oid: u32,
    comment: Option<String>,
    size_bytes: Option<u64>,
    is_beside: bool,
}

/// Why it is not done, and what to do about each.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    pub(super) why: Vec<String>,
    pub(super) hints: Vec<String>,
}

impl Refusals {
    pub(super) fn add(&mut self, why: impl Into<String>, hint: impl Into<String>) {
        self.why.push(why.into());
        self.hints.push(hint.into());
    }

    /// One error with all of them.
    pub(super) fn check(why: &[String], hints: &[String], doing: &str) -> Result<()> {
        if why.is_empty() {
            return Ok(());
        }
        Err(Error::new(Kind::Policy, format!("{doing}: {}", why.join("; "))).hint(hints.join("; ")))
    }
}

impl Live {
    /// Reads it from another database of its server; `None` when there is none of that name.
    pub(super) async fn read(session: &mut DirectSession, name: &str) -> Result<Option<Self>> {
        Self::read_with(session, name, SIZE).await
    }

    /// The same without its size, which takes as long as it has files.
    pub(super) async fn read_quickly(session: &mut DirectSession, name: &str) -> Result<Option<Self>> {
        Self::read_with(session, name, "NULL").await
    }

    async fn read_with(session: &mut DirectSession, name: &str, size: &str) -> Result<Option<Self>> {
        let query = LIVE.replace("%MAY_END%", MAY_END).replace("%SIZE%", size).replace("%NAME%", &quote_literal(name));
        Ok(rows(session, &query).await?.pop())
    }

    /// What would be lost, or would go on to reach the wrong database, or may not be done.
    pub(super) fn refuse(&self, name: &str, refusals: &mut Refusals) {
        self.refuse_as_it_is(name, refusals);
        self.refuse_what_follows_it(name, refusals);
    }

    /// The same of one that gets the name: what hangs on it follows it.
    pub(super) fn refuse_as_it_is(&self, name: &str, refusals: &mut Refusals) {
        if SERVERS_OWN.contains(&name) || self.is_template {
            refusals
                .add(format!("{name} is a template or the server's own database"), "name the application's database");
        }
        if self.is_half_dropped {
            let drop = drop_statement(name, 0);
            refusals.add(
                format!("{name} is half dropped: a DROP DATABASE of it did not end"),
                format!("finish it: {drop}"),
            );
        }
        if !self.prepared.is_empty() {
            let why = format!(
                "{} in {name}: {}",
                counted(self.prepared.len() as u64, "prepared transaction"),
                self.prepared.join(", ")
            );
            refusals.add(why, "COMMIT PREPARED or ROLLBACK PREPARED each of them, connected to that database");
        }
        self.refuse_rights(name, refusals);
    }

    fn refuse_what_follows_it(&self, name: &str, refusals: &mut Refusals) {
        if !self.slots.is_empty() {
            let why = format!("replication slots hang on {name}: {}", self.slots.join(", "));
            let drop = self
                .slots
                .iter()
                .map(|slot| format!("SELECT pg_drop_replication_slot({})", quote_literal(slot).trim()));
            let drop: Vec<_> = drop.collect();
            refusals.add(
                why,
                format!("end what reads them, and drop them ({}); they cannot be carried over", drop.join("; ")),
            );
        }
        if !self.subscriptions.is_empty() {
            let why = format!(
                "{name} has subscriptions, which would go on to write into the old database: {}",
                self.subscriptions.join(", ")
            );
            refusals.add(
                why,
                "drop them (ALTER SUBSCRIPTION … DISABLE, DROP SUBSCRIPTION …), and create them anew afterwards",
            );
        }
    }

    fn refuse_rights(&self, name: &str, refusals: &mut Refusals) {
        let user = &self.user;
        if !user.superuser && !user.creates_databases {
            let why = format!("the role {} may not rename databases, for it may not create any", user.name);
            refusals
                .add(why, format!("as a superuser: ALTER ROLE {} CREATEDB", crate::postgres::quote_ident(&user.name)));
        }
        if !user.acts_for_owner {
            let why = format!("the role {} is no member of {}, which owns {name}", user.name, self.owner);
            refusals.add(why, format!("connect as {}, as a member of it, or as a superuser", self.owner));
        }
        let mut others: Vec<_> = self.connected.iter().filter(|it| !it.may_end).map(|it| it.role.as_str()).collect();
        others.dedup();
        if !others.is_empty() {
            let why = format!("the role {} may not end the sessions of {}", user.name, others.join(", "));
            let grant =
                format!("as a superuser: GRANT pg_signal_backend TO {}", crate::postgres::quote_ident(&user.name));
            refusals.add(
                why,
                format!("stop what is connected; or {grant}, which is enough for all but superusers' sessions"),
            );
        }
    }

    /// A safety backup has to connect; whether it cannot.
    pub(super) fn refuse_closed(&self, name: &str, refusals: &mut Refusals) -> bool {
        if !self.allows_connections {
            let allow = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", crate::postgres::quote_ident(name));
            refusals.add(
                format!("{name} allows no connections, and cannot be backed up"),
                format!("{allow}; or --no-safety-backup"),
            );
        }
        !self.allows_connections
    }
}

impl Ours {
    pub(super) fn kept(&self) -> KeptDatabase {
        let replaced_at = self.marker.as_ref().and_then(|marker| marker.replaced_at);
        KeptDatabase { name: self.name.clone(), bytes: self.size_bytes, replaced_at }
    }
}

/// The databases of the server that replacements of `name` made and set aside, the oldest first.
pub(super) async fn ours(session: &mut DirectSession, name: &str) -> Result<Vec<Ours>> {
    let found: Vec<Row> = rows(session, &OTHERS.replace("%NAME%", &quote_literal(name))).await?;
    let ours = found.into_iter().filter_map(|row| {
        let (state, marker) = recognise(name, &row.name, row.comment.as_deref())?;
        let Row { name, oid, size_bytes, is_beside, .. } = row;
        Some(Ours { name, oid, size_bytes, is_beside, state, marker })
    });
    let mut ours: Vec<_> = ours.collect();
    ours.sort_by_key(|ours| ours.marker.as_ref().and_then(|marker| marker.replaced_at));
    Ok(ours)
}

/// Which sessions the session's role may end, by the rule of `pg_terminate_backend`. Processes that belong to no role, such as
/// autovacuum, give way by themselves.
pub(super) const MAY_END: &str = "(SELECT u.rolsuper OR NOT r.rolsuper
            AND (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE'))
          FROM pg_roles u, pg_roles r WHERE u.rolname = current_user AND r.oid = a.usesysid)";

const SIZE: &str = "CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) END";

const LIVE: &str = "
SELECT d.oid::bigint AS oid, pg_get_userbyid(d.datdba) AS owner, shobj_description(d.oid, 'pg_database') AS comment,
       %SIZE% AS size_bytes,
       d.datallowconn AS allows_connections, d.datistemplate AS is_template,
       d.datconnlimit = -2 AS is_half_dropped,
       (SELECT count(*) FROM pg_stat_replication) AS followers,
       coalesce((SELECT json_agg(slot_name ORDER BY slot_name) FROM pg_replication_slots WHERE database = d.datname), '[]') AS slots,
       coalesce((SELECT json_agg(subname ORDER BY subname) FROM pg_subscription WHERE subdbid = d.oid), '[]') AS subscriptions,
       coalesce((SELECT json_agg(gid ORDER BY gid) FROM pg_prepared_xacts WHERE database = d.datname), '[]') AS prepared,
       (SELECT json_build_object('name', rolname, 'superuser', rolsuper, 'creates_databases', rolcreatedb,
                                 'acts_for_owner', rolsuper OR pg_has_role(d.datdba, 'USAGE'))
          FROM pg_roles WHERE rolname = current_user) AS user,
       coalesce((SELECT json_agg(c) FROM (
           SELECT a.usename AS role, coalesce(a.application_name, '') AS application, count(*) AS sessions,
                  bool_and(%MAY_END%) AS may_end
             FROM pg_stat_activity a
            WHERE a.datname = d.datname AND a.usesysid IS NOT NULL
            GROUP BY 1, 2 ORDER BY 1, 2) AS c), '[]') AS connected
FROM pg_database d
WHERE d.datname = %NAME%";

const OTHERS: &str = r"
SELECT datname AS name, oid::bigint AS oid, shobj_description(oid, 'pg_database') AS comment,
       CASE WHEN has_database_privilege(oid, 'CONNECT') THEN pg_database_size(oid) END AS size_bytes,
       coalesce(dattablespace = (SELECT l.dattablespace FROM pg_database l WHERE l.datname = %NAME%), false) AS is_beside
FROM pg_database
WHERE datname LIKE '%\_replac%' ORDER BY datname";

const SERVERS_OWN: [&str; 3] = ["postgres", "template0", "template1"];
