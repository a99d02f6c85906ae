//! What a database is like that is to take the place of another one: as that one is, and not as the source was.

use lifeboat_core::index::{DatabaseProperties, DatabaseSetting, Source};
use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

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
    /// Whether anybody may connect.
    pub(super) allows_connections: bool,
    /// Who may do what, those included who may by default: what `properties` says of privileges depends on how they came to be.
    pub(super) privileges: Vec<Privilege>,
    /// Its encoding and locale.
    pub(super) source: Source,
}

/// What one role may do, or everyone, whoever granted it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) struct Privilege {
    pub(super) role: Option<String>,
    pub(super) grantable: bool,
    pub(super) privilege: String,
}

/// What the server says of it in one answer: others wait while it is asked within a swap.
#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    source: Source,
    allows_connections: bool,
    privileges: Vec<Privilege>,
}

impl StandIn {
    /// Reads them of the database `name`. The stand-in's comment is to be `comment`.
    pub(super) async fn of(session: &mut DirectSession, name: &str, comment: String) -> Result<Self> {
        let properties = read_database_named(session, name).await?;
        let missing = || Error::new(Kind::Database, format!("read what the database {name} is"));
        let answers: Vec<Answer> = rows(session, &ANSWER.replace("%NAME%", &quote_literal(name))).await?;
        let Answer { source, allows_connections, mut privileges } = answers.into_iter().next().ok_or_else(missing)?;
        privileges.sort();
        let connection_limit = properties.connection_limit;
        let properties = DatabaseProperties { comment: Some(comment), connection_limit: NO_LIMIT, ..properties };
        Ok(Self { properties, connection_limit, allows_connections, privileges, source })
    }

    /// Says of a new database what it is, and tries what it gets when everything is in it: what the role may not do should not
    /// show after hours.
    pub(super) async fn furnish(&self, session: &mut DirectSession, name: &str) -> Result<()> {
        let comment = self.properties.comment.as_deref().unwrap_or_default();
        let say = format!("COMMENT ON DATABASE {} IS {}", quote_ident(name), quote_literal(comment));
        session.execute(&say).await.map_err(|error| error.while_doing(SAY))?;
        if !self.lets_everybody_in() {
            // From the beginning, not only when everything is in it: the rows are the same.
            let close = format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quote_ident(name));
            session.execute(&close).await.map_err(|error| error.while_doing(TRY))?;
        }
        let mut statements = property_statements(name, &self.properties);
        statements.retain(|statement| !statement.starts_with("SECURITY LABEL "));
        session.execute("BEGIN").await?;
        let tried = session.execute(&statements.join(";\n")).await;
        session.execute("ROLLBACK").await?;
        tried.map_err(|error| error.while_doing(TRY))
    }

    /// The encoding that both have.
    pub(super) fn encoding(&self) -> &str {
        &self.source.encoding
    }

    fn lets_everybody_in(&self) -> bool {
        self.privileges.iter().any(|privilege| privilege.role.is_none() && privilege.privilege == "CONNECT")
    }

    /// Whether `other` lies where this one does, in the same encoding and locale: what cannot be changed of a database any more.
    pub(super) fn lies_as(&self, other: &Self) -> bool {
        self.properties.tablespace == other.properties.tablespace && locale(&self.source) == locale(&other.source)
    }

    /// Whether a DROP DATABASE of it was cut short: nobody can connect to it, and nothing but another one is left to be done.
    pub(super) fn is_half_dropped(&self) -> bool {
        self.connection_limit == HALF_DROPPED
    }

    /// What makes the database `name`, which is as this one, like `wanted`, but for its comment; nothing where it is. Labels are left
    /// out: those of a provider that the server does not load cannot be given to anything.
    pub(super) fn statements_to(&self, name: &str, wanted: &Self) -> Vec<String> {
        let database = quote_ident(name);
        let mut statements = Vec::new();
        if self.properties.owner != wanted.properties.owner {
            let owner = DatabaseProperties { owner: wanted.properties.owner.clone(), ..nothing() };
            statements.extend(property_statements(name, &owner));
        }
        if self.connection_limit != wanted.connection_limit {
            statements.push(format!("ALTER DATABASE {database} CONNECTION LIMIT {}", wanted.connection_limit));
        }
        if !self.allows_connections {
            statements.push(format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"));
        }
        if self.properties.settings != wanted.properties.settings {
            statements.extend(self.resets(&database));
            let settings = DatabaseProperties { settings: wanted.properties.settings.clone(), ..nothing() };
            statements.extend(property_statements(name, &settings));
        }
        if self.privileges != wanted.privileges {
            statements.extend(self.revokes(&database, wanted));
            statements.extend(wanted.grants(&database));
        }
        statements
    }

    fn resets(&self, database: &str) -> impl Iterator<Item = String> {
        let roles = self.properties.settings.iter().filter_map(|setting| setting.role.as_deref());
        let of_roles = roles.map(|role| format!("ALTER ROLE {} IN DATABASE {database} RESET ALL", quote_ident(role)));
        let mut statements = vec![format!("ALTER DATABASE {database} RESET ALL")];
        statements.extend(of_roles);
        statements.dedup();
        statements.into_iter()
    }

    /// From whoever has any, and from what they granted in turn: what is left begins from nothing.
    fn revokes(&self, database: &str, wanted: &Self) -> impl Iterator<Item = String> {
        let mut roles: Vec<_> = self.privileges.iter().map(|privilege| privilege.role.as_deref()).collect();
        roles.extend([None, wanted.properties.owner.as_deref()]);
        roles.sort_unstable();
        roles.dedup();
        let revoke = |role| format!("REVOKE ALL ON DATABASE {database} FROM {} CASCADE", grantee(role));
        roles.into_iter().map(revoke).collect::<Vec<_>>().into_iter()
    }

    fn grants(&self, database: &str) -> impl Iterator<Item = String> {
        let alike = |a: &Privilege, b: &Privilege| (&a.role, a.grantable) == (&b.role, b.grantable);
        self.privileges.chunk_by(alike).map(move |granted| {
            let all: Vec<_> = granted.iter().map(|privilege| privilege.privilege.as_str()).collect();
            let option = if granted[0].grantable { " WITH GRANT OPTION" } else { "" };
            format!(
                "GRANT {} ON DATABASE {database} TO {}{option}",
                all.join(", "),
                grantee(granted[0].role.as_deref())
            )
        })
    }

    /// In words, what [`Self::statements_to`] changes. Not what settings are set to: applications keep secrets there.
    pub(super) fn differences(&self, wanted: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if let (Some(old), Some(new)) = (&self.properties.owner, &wanted.properties.owner)
            && old != new
        {
            differences.push(format!("owner {new} (was {old})"));
        }
        if self.connection_limit != wanted.connection_limit {
            let (new, old) = (wanted.connection_limit, self.connection_limit);
            differences.push(format!("connection limit {new} (was {old})"));
        }
        if !self.allows_connections {
            differences.push("connections are allowed (were not)".to_owned());
        }
        let (old, new) = (&self.properties.settings, &wanted.properties.settings);
        differences.extend(only_in(new, old).map(|setting| format!("{} set", named(setting))));
        let is_gone = |setting: &&DatabaseSetting| !new.iter().any(|it| named(it) == named(setting));
        differences.extend(only_in(old, new).filter(is_gone).map(|setting| format!("{} reset", named(setting))));
        let (old, new) = (&self.privileges, &wanted.privileges);
        differences.extend(only_in(new, old).map(|privilege| format!("{} granted", told(privilege))));
        differences.extend(only_in(old, new).map(|privilege| format!("{} revoked", told(privilege))));
        differences
    }
}

fn only_in<'a, T: PartialEq>(these: &'a [T], others: &'a [T]) -> impl Iterator<Item = &'a T> {
    these.iter().filter(|it| !others.contains(it))
}

/// `work_mem` or `work_mem of joe`.
fn named(setting: &DatabaseSetting) -> String {
    let of = setting.role.as_ref().map(|role| format!(" of {role}"));
    format!("{}{}", setting.name, of.unwrap_or_default())
}

/// `CONNECT to joe`.
fn told(privilege: &Privilege) -> String {
    let option = if privilege.grantable { " with grant option" } else { "" };
    format!("{} of {}{option}", privilege.privilege, privilege.role.as_deref().unwrap_or("everyone"))
}

fn grantee(role: Option<&str>) -> String {
    role.map_or_else(|| "PUBLIC".to_owned(), quote_ident)
}

fn nothing() -> DatabaseProperties {
    DatabaseProperties { connection_limit: NO_LIMIT, ..DatabaseProperties::default() }
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
/// What the server sets the limit to before it removes the files.
const HALF_DROPPED: i32 = -2;
const SAY: &str = "say what the new database is";
const TRY: &str = "give a database the properties of the one that it is to replace";

/// Columns that only newer servers have are read through the row's JSON. The size is not asked for: it takes as long as the database
/// has files, and others may be waiting.
const ANSWER: &str = "
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
       0 AS size_bytes,
       '' AS lsn,
       false AS standby,
       '' AS snapshot,
       to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS snapshot_at,
       d.datallowconn AS allows_connections,
       coalesce((SELECT json_agg(p) FROM (
           SELECT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END AS role, a.privilege_type AS privilege,
                  bool_or(a.is_grantable) AS grantable
             FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
            GROUP BY a.grantee, a.privilege_type) AS p), '[]') AS privileges
FROM pg_database d
WHERE d.datname = %NAME%";

#[cfg(test)]
mod tests {
    use lifeboat_core::index::{DatabaseProperties, DatabaseSetting, Source};

    use super::{Privilege, StandIn, nothing};

    fn source() -> Source {
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

    /// A database of joe's, as he made it.
    fn stand_in() -> StandIn {
        let privilege = |role: Option<&str>, privilege: &str| Privilege {
            role: role.map(Into::into),
            grantable: false,
            privilege: privilege.into(),
        };
        StandIn {
            properties: DatabaseProperties { owner: Some("joe".into()), ..nothing() },
            connection_limit: -1,
            allows_connections: true,
            privileges: vec![
                privilege(None, "CONNECT"),
                privilege(None, "TEMPORARY"),
                privilege(Some("joe"), "CREATE"),
            ],
            source: source(),
        }
    }

    fn setting(role: Option<&str>, value: &str) -> DatabaseSetting {
        DatabaseSetting { role: role.map(Into::into), name: "work_mem".into(), value: value.into() }
    }

    #[test]
    fn two_databases_are_alike_whatever_their_comments_say() {
        let mut other = stand_in();
        other.properties.comment = Some("another".into());
        assert_eq!(other.statements_to("x", &stand_in()), Vec::<String>::new());
        assert!(other.lies_as(&stand_in()));
        other.source.collate = "de_DE".into();
        assert!(!other.lies_as(&stand_in()));
    }

    #[test]
    fn settings_that_are_gone_are_reset_before_those_that_are_there_are_made() {
        let (mut old, mut new) = (stand_in(), stand_in());
        old.properties.settings = vec![setting(Some("app"), "7MB"), setting(None, "8MB")];
        old.connection_limit = 5;
        new.properties.settings = vec![setting(None, "9MB")];
        assert_eq!(
            old.statements_to("x", &new),
            [
                "ALTER DATABASE \"x\" CONNECTION LIMIT -1",
                "ALTER DATABASE \"x\" RESET ALL",
                "ALTER ROLE \"app\" IN DATABASE \"x\" RESET ALL",
                "ALTER DATABASE \"x\" SET \"work_mem\" TO '9MB'",
            ]
        );
        assert_eq!(old.differences(&new), ["connection limit -1 (was 5)", "work_mem set", "work_mem of app reset"]);
    }

    #[test]
    fn privileges_are_taken_from_whoever_has_any_and_given_to_whoever_is_to_have_them() {
        let (mut old, mut new) = (stand_in(), stand_in());
        old.privileges.push(Privilege { role: Some("plain".into()), grantable: true, privilege: "CREATE".into() });
        old.allows_connections = false;
        new.properties.owner = Some("jim".into());
        new.privileges = vec![Privilege { role: Some("jim".into()), grantable: false, privilege: "CREATE".into() }];
        assert_eq!(
            old.statements_to("x", &new),
            [
                "ALTER DATABASE \"x\" OWNER TO \"jim\"",
                "ALTER DATABASE \"x\" ALLOW_CONNECTIONS true",
                "REVOKE ALL ON DATABASE \"x\" FROM PUBLIC CASCADE",
                "REVOKE ALL ON DATABASE \"x\" FROM \"jim\" CASCADE",
                "REVOKE ALL ON DATABASE \"x\" FROM \"joe\" CASCADE",
                "REVOKE ALL ON DATABASE \"x\" FROM \"plain\" CASCADE",
                "GRANT CREATE ON DATABASE \"x\" TO \"jim\"",
            ]
        );
        let told = old.differences(&new);
        for words in ["owner jim (was joe)", "CREATE of plain with grant option revoked", "CONNECT of everyone revoked"]
        {
            assert!(told.iter().any(|it| it == words), "{words} in {told:?}");
        }
    }
}
