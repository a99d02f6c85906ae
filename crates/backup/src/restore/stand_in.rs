//! What a database is like that is to take the place of another one: as that one is, and not as the source was.

use lifeboat_core::index::{DatabaseProperties, Source};
use lifeboat_core::{Error, Kind, Result};

use crate::leader::{property_statements, read_database_named};
use crate::postgres::{DirectSession, Session, quote_ident, quote_literal, rows};

/// The properties of a database whose place is to be taken.
#[derive(Clone, Debug)]
pub struct StandIn {
    /// Its own, but for the comment, which says what the stand-in is, and the limit of connections, which it gets last: it may be
    /// there to keep everybody out.
    pub(super) properties: DatabaseProperties,
    /// That limit.
    pub(super) connection_limit: i32,
    /// Its encoding, locale and size.
    pub(super) source: Source,
}

impl StandIn {
    /// Reads them of the database `name`. The stand-in's comment is to be `comment`.
    pub(super) async fn of(session: &mut DirectSession, name: &str, comment: String) -> Result<Self> {
        let properties = read_database_named(session, name).await?;
        let found = rows(session, &SOURCE.replace("%NAME%", &quote_literal(name))).await?.pop();
        let source = found.ok_or_else(|| Error::new(Kind::Database, format!("read what the database {name} is")))?;
        let connection_limit = properties.connection_limit;
        let properties = DatabaseProperties { comment: Some(comment), connection_limit: NO_LIMIT, ..properties };
        Ok(Self { properties, connection_limit, source })
    }

    /// Says of a new database what it is, and tries what it gets when everything is in it: what the role may not do should not
    /// show after hours.
    pub(super) async fn furnish(&self, session: &mut DirectSession, name: &str) -> Result<()> {
        let comment = self.properties.comment.as_deref().unwrap_or_default();
        let say = format!("COMMENT ON DATABASE {} IS {}", quote_ident(name), quote_literal(comment));
        session.execute(&say).await.map_err(|error| error.while_doing(SAY))?;
        let statements = property_statements(name, &self.properties);
        if statements
            .iter()
            .any(|statement| statement.starts_with("REVOKE ALL ON DATABASE") && statement.ends_with("FROM PUBLIC"))
        {
            // From the beginning, not only when everything is in it: the rows are the same.
            let close = format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quote_ident(name));
            session.execute(&close).await.map_err(|error| error.while_doing(TRY))?;
        }
        let statements = statements.iter().filter(|statement| !statement.starts_with("SECURITY LABEL "));
        let statements: Vec<_> = statements.map(String::as_str).collect();
        session.execute("BEGIN").await?;
        let tried = session.execute(&statements.join(";\n")).await;
        session.execute("ROLLBACK").await?;
        tried.map_err(|error| error.while_doing(TRY))
    }

    /// Whether `other` has the same properties, whatever their comments say. Labels of a provider that the server does not load
    /// cannot be given to anything.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let comparable = |properties: &DatabaseProperties| DatabaseProperties {
            comment: None,
            security_labels: Vec::new(),
            ..properties.clone()
        };
        comparable(&self.properties) == comparable(&other.properties) && locale(&self.source) == locale(&other.source)
    }
}

fn locale(source: &Source) -> [Option<&str>; 6] {
    [
        Some(&source.encoding),
        Some(&source.locale_provider),
        Some(&source.collate),
        Some(&source.ctype),
        source.locale.as_deref(),
        source.icu_rules.as_deref(),
    ]
}

const NO_LIMIT: i32 = -1;
const SAY: &str = "say what the new database is";
const TRY: &str = "give a database the properties of the one that it is to replace";

/// Columns that only newer servers have are read through the row's JSON. Who may not connect to a database may not know its size.
const SOURCE: &str = "
SELECT NULL AS system_identifier,
       current_setting('server_version') AS server_version,
       current_setting('server_version_num')::int AS server_version_num,
       d.datname AS database,
       pg_encoding_to_char(d.encoding) AS encoding,
       CASE to_jsonb(d) ->> 'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END AS locale_provider,
       d.datcollate AS collate,
       d.datctype AS ctype,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale,
       to_jsonb(d) ->> 'daticurules' AS icu_rules,
       to_jsonb(d) ->> 'datcollversion' AS collation_version,
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) ELSE 0 END AS size_bytes,
       '' AS lsn,
       false AS standby,
       '' AS snapshot,
       to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS snapshot_at
FROM pg_database d
WHERE d.datname = %NAME%";

#[cfg(test)]
pub(super) mod tests {
    use lifeboat_core::index::{DatabaseProperties, Source};

    use super::StandIn;

    pub(in crate::restore) fn source() -> Source {
        Source {
            system_identifier: None,
            server_version: "18.0".into(),
            server_version_num: 180_000,
            database: "shop".into(),
            encoding: "UTF8".into(),
            locale_provider: "libc".into(),
            collate: "C".into(),
            ctype: "C".into(),
            locale: None,
            icu_rules: None,
            collation_version: None,
            size_bytes: 0,
            lsn: String::new(),
            standby: false,
            snapshot: String::new(),
            snapshot_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn two_databases_are_alike_whatever_their_comments_say() {
        let of = |comment: &str, owner: &str| StandIn {
            properties: DatabaseProperties {
                owner: Some(owner.into()),
                comment: Some(comment.into()),
                ..DatabaseProperties::default()
            },
            connection_limit: -1,
            source: source(),
        };
        assert!(of("a", "joe").is_like(&of("b", "joe")));
        assert!(!of("a", "joe").is_like(&of("a", "jim")));
        let elsewhere = StandIn { source: Source { collate: "de_DE".into(), ..source() }, ..of("a", "joe") };
        assert!(!of("a", "joe").is_like(&elsewhere));
    }
}
