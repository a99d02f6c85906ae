//! What the server and the database are.

use jiff::Timestamp;
use lifeboat_core::index::Source;
use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

use crate::postgres::{Session, rows};

/// The server and database under the snapshot.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Facts {
    system_identifier: Option<String>,
    server_version: String,
    pub(crate) server_version_num: u32,
    pub(crate) database: String,
    pub(crate) encoding: String,
    locale_provider: Option<String>,
    collate: String,
    ctype: String,
    locale: Option<String>,
    icu_rules: Option<String>,
    collation_version: Option<String>,
    pub(crate) size_bytes: u64,
    lsn: String,
    standby: bool,
    pub(crate) snapshot_at: Timestamp,
    pub(crate) large_objects: u64,
}

impl Facts {
    /// The major version.
    pub(crate) fn major(&self) -> u32 {
        self.server_version_num / 10_000
    }

    /// As the index records them.
    pub(crate) fn source(&self, snapshot: &str) -> Source {
        let facts = self.clone();
        Source {
            system_identifier: facts.system_identifier,
            server_version: facts.server_version,
            server_version_num: facts.server_version_num,
            database: facts.database,
            encoding: facts.encoding,
            locale_provider: provider_name(facts.locale_provider.as_deref()).to_owned(),
            collate: facts.collate,
            ctype: facts.ctype,
            locale: facts.locale,
            icu_rules: facts.icu_rules,
            collation_version: facts.collation_version,
            size_bytes: facts.size_bytes,
            lsn: facts.lsn,
            standby: facts.standby,
            snapshot: snapshot.to_owned(),
            snapshot_at: facts.snapshot_at,
        }
    }
}

/// `pg_database.datlocprovider`; servers before 15 have no such column and use the C library.
fn provider_name(provider: Option<&str>) -> &'static str {
    match provider {
        Some("i") => "icu",
        Some("b") => "builtin",
        _ => "libc",
    }
}

pub(super) async fn read(session: &mut dyn Session) -> Result<Facts> {
    let identifier = identifier_column(session).await?;
    let found = rows(session, &FACTS.replace("%SYSTEM_IDENTIFIER%", identifier)).await?;
    found.into_iter().next().ok_or_else(|| Error::new(Kind::Database, "read what the database is"))
}

/// A permission error would end the transaction, so the right is asked for first.
async fn identifier_column(session: &mut dyn Session) -> Result<&'static str> {
    let may =
        session.text("SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')").await?;
    Ok(if may.as_deref() == Some("t") {
        "(SELECT system_identifier::text FROM pg_control_system())"
    } else {
        "NULL::text"
    })
}

/// Columns that only newer servers have are read through the row's JSON.
const FACTS: &str = "
SELECT %SYSTEM_IDENTIFIER% AS system_identifier,
       current_setting('server_version') AS server_version,
       current_setting('server_version_num')::int AS server_version_num,
       d.datname AS database,
       pg_encoding_to_char(d.encoding) AS encoding,
       to_jsonb(d) ->> 'datlocprovider' AS locale_provider,
       d.datcollate AS collate,
       d.datctype AS ctype,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
       to_jsonb(d) ->> 'daticurules' AS icu_rules,
       to_jsonb(d) ->> 'datcollversion' AS collation_version,
       pg_database_size(d.oid) AS size_bytes,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text AS lsn,
       pg_is_in_recovery() AS standby,
       to_char(transaction_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS snapshot_at,
       (SELECT count(*) FROM pg_largeobject_metadata) AS large_objects
FROM pg_database d
WHERE d.datname = current_database()";
