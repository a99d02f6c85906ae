//! What the target server is, and who restores.

use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

use crate::postgres::{DirectSession, quote_literal, rows};

#[derive(Deserialize)]
pub(super) struct TargetFacts {
    pub(super) server_version_num: u32,
    pub(super) recovering: bool,
    pub(super) exists: bool,
    /// That of a new database.
    pub(super) encoding: String,
    pub(super) user: User,
    pub(super) roles: Vec<String>,
    /// Those that the user may give things to, and then work on them.
    pub(super) acts_for: Vec<String>,
    pub(super) extensions: Vec<String>,
    /// Those that a superuser alone creates.
    pub(super) untrusted: Vec<String>,
    pub(super) tablespaces: Vec<String>,
    pub(super) timescaledb: Timescaledb,
}

/// In which versions the server has TimescaleDB.
#[derive(Deserialize)]
pub(super) struct Timescaledb {
    /// Those that can be created.
    pub(super) available: Vec<String>,
    /// The one that is created where none is named.
    pub(super) default: Option<String>,
    /// The one of the database that was asked.
    pub(super) there: Option<String>,
}

/// Who restores. Attributes of a role are not inherited: only its own count.
#[derive(Deserialize)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) superuser: bool,
    pub(super) creates_databases: bool,
    pub(super) creates_roles: bool,
}

pub(super) async fn facts(session: &mut DirectSession, dbname: &str) -> Result<TargetFacts> {
    let found = rows(session, &TARGET.replace("%DBNAME%", &quote_literal(dbname))).await?;
    found.into_iter().next().ok_or_else(|| Error::new(Kind::Database, "read what the target server is"))
}

/// A part needs the roles of what it makes, and of the database where that is created.
const TARGET: &str = "
SELECT current_setting('server_version_num')::int AS server_version_num,
       pg_is_in_recovery() AS recovering,
       EXISTS (SELECT FROM pg_database WHERE datname = %DBNAME%) AS exists,
       coalesce((SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template0'), '') AS encoding,
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
       (SELECT json_agg(spcname) FROM pg_tablespace) AS tablespaces,
       json_build_object(
           'available', coalesce((SELECT json_agg(version) FROM pg_available_extension_versions
                                   WHERE name = 'timescaledb'), '[]'),
           'default', (SELECT default_version FROM pg_available_extensions WHERE name = 'timescaledb'),
           'there', (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')) AS timescaledb";
