//! What belongs to a database beside its objects: its own properties, the roles it refers to, its extensions.
//!
//! `pg_dump` prints them only together with CREATE DATABASE, under the database's own name. A restore gives them to a
//! database of any name, and asks for roles and extensions before it begins.

use lifeboat_core::index::{DatabaseProperties, DatabaseSetting, Extension, Role};
use lifeboat_core::{Error, Kind, Result};
use serde::Deserialize;

use super::name_list::split_names;
use crate::postgres::{Session, quote_ident, quote_literal, rows};

/// The database's own properties, and what must be there before it is restored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    /// What a created database gets.
    pub(crate) database: DatabaseProperties,
    /// Roles the database refers to, without the server's own (`pg_…`).
    pub(crate) roles: Vec<Role>,
    /// Its extensions.
    pub(crate) extensions: Vec<Extension>,
}

/// Reads them under the session's snapshot.
///
/// # Errors
/// As the session's.
pub(crate) async fn read_properties(session: &mut dyn Session) -> Result<Properties> {
    Ok(Properties {
        database: read_database(session).await?,
        roles: rows(session, ROLES).await?,
        extensions: rows(session, EXTENSIONS).await?,
    })
}

/// The properties as a script for people to read and for `psql` to run.
pub(crate) fn database_sql(source_database: &str, properties: &DatabaseProperties) -> String {
    let mut script = DATABASE_SQL_HEAD.to_owned();
    for statement in statements(source_database, properties) {
        script.push_str(&statement);
        script.push_str(";\n");
    }
    script
}

/// The statements that give `database` these properties, in the order to run them: the owner first, whose privileges the
/// others are.
pub(crate) fn statements(database: &str, properties: &DatabaseProperties) -> Vec<String> {
    let database = quote_ident(database);
    let mut statements = Vec::new();
    if let Some(owner) = &properties.owner {
        statements.push(format!("ALTER DATABASE {database} OWNER TO {}", quote_ident(owner)));
    }
    if properties.connection_limit != NO_LIMIT {
        statements.push(format!("ALTER DATABASE {database} CONNECTION LIMIT {}", properties.connection_limit));
    }
    if let Some(comment) = &properties.comment {
        statements.push(format!("COMMENT ON DATABASE {database} IS {}", quote_literal(comment)));
    }
    statements.extend(properties.settings.iter().map(|setting| set(&database, setting)));
    statements.extend(properties.privileges.iter().map(|statement| statement.replace(PLACEHOLDER, &database)));
    statements.extend(properties.security_labels.iter().map(|label| {
        let (provider, label) = (quote_ident(&label.provider), quote_literal(&label.label));
        format!("SECURITY LABEL FOR {provider} ON DATABASE {database} IS {label}")
    }));
    // Last: a template cannot be dropped, should anything before this fail.
    if properties.is_template {
        statements.push(template_statement(&database, true));
    }
    statements
}

/// Makes the database, whose quoted name this is, a template or no longer one.
pub(crate) fn template_statement(database: &str, is_template: bool) -> String {
    format!("ALTER DATABASE {database} IS_TEMPLATE {is_template}")
}

async fn read_database(session: &mut dyn Session) -> Result<DatabaseProperties> {
    read_database_where(session, "current_database()").await
}

/// The properties of another database of the session's server: all of them are in catalogs that its databases share.
///
/// # Errors
/// As the session's; [`Kind::Database`] when there is no database of that name.
pub(crate) async fn read_database_named(session: &mut dyn Session, name: &str) -> Result<DatabaseProperties> {
    read_database_where(session, &quote_literal(name)).await
}

async fn read_database_where(session: &mut dyn Session, name: &str) -> Result<DatabaseProperties> {
    let of = |query: &str| query.replace("current_database()", name);
    let found: Vec<Database> = rows(session, &of(DATABASE)).await?;
    let Some(found) = found.into_iter().next() else {
        return Err(Error::new(Kind::Database, "read the database's properties"));
    };
    let grants: Vec<Grant> = rows(session, &of(GRANTS)).await?;
    Ok(DatabaseProperties {
        privileges: privileges(&found, &grants),
        owner: Some(found.owner),
        connection_limit: found.connection_limit,
        comment: found.comment,
        settings: rows(session, &of(SETTINGS)).await?,
        tablespace: found.tablespace,
        is_template: found.is_template,
        security_labels: rows(session, &of(SECURITY_LABELS)).await?,
    })
}

/// None when nobody changed them; otherwise everything is revoked first, so that the result does not depend on what the
/// database was created with.
fn privileges(database: &Database, grants: &[Grant]) -> Vec<String> {
    if !database.has_privileges {
        return Vec::new();
    }
    let revoked = ["PUBLIC".to_owned(), quote_ident(&database.owner)];
    let revoke = revoked.iter().map(|role| format!("REVOKE ALL ON DATABASE {PLACEHOLDER} FROM {role}"));
    revoke.chain(grants.iter().map(Grant::statement)).collect()
}

#[derive(Deserialize)]
struct Database {
    owner: String,
    connection_limit: i32,
    comment: Option<String>,
    has_privileges: bool,
    tablespace: Option<String>,
    is_template: bool,
}

/// Privileges of one role, or of everyone.
#[derive(Deserialize)]
struct Grant {
    role: Option<String>,
    privileges: String,
    grantable: bool,
}

impl Grant {
    fn statement(&self) -> String {
        let role = self.role.as_deref().map_or_else(|| "PUBLIC".to_owned(), quote_ident);
        let option = if self.grantable { " WITH GRANT OPTION" } else { "" };
        format!("GRANT {} ON DATABASE {PLACEHOLDER} TO {role}{option}", self.privileges)
    }
}

fn set(database: &str, setting: &DatabaseSetting) -> String {
    let target = match &setting.role {
        Some(role) => format!("ALTER ROLE {} IN DATABASE {database}", quote_ident(role)),
        None => format!("ALTER DATABASE {database}"),
    };
    format!("{target} SET {} TO {}", quote_ident(&setting.name), value(&setting.name, &setting.value))
}

/// The catalog holds lists of names as one text of identifiers. As one literal that text would be a single name.
fn value(name: &str, text: &str) -> String {
    let is_list = LISTS_OF_NAMES.iter().any(|list| list.eq_ignore_ascii_case(name));
    let names = if is_list { split_names(text) } else { None };
    let names = names.unwrap_or_else(|| vec![text.to_owned()]);
    names.iter().map(|name| quote_literal(name)).collect::<Vec<_>>().join(", ")
}

const PLACEHOLDER: &str = "%DATABASE%";
const NO_LIMIT: i32 = -1;

/// The settings whose values the server stores as lists of quoted names, in every version so far.
const LISTS_OF_NAMES: &[&str] = &[
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

const DATABASE_SQL_HEAD: &str = "-- What belongs to the database itself and not to what is in it. Its roles must be there.\n\
     -- For a database of another name, replace the name.\n\n";

const DATABASE: &str = "
SELECT pg_get_userbyid(d.datdba) AS owner, d.datconnlimit AS connection_limit,
       shobj_description(d.oid, 'pg_database') AS comment, d.datacl IS NOT NULL AS has_privileges,
       nullif(t.spcname, 'pg_default') AS tablespace, d.datistemplate AS is_template
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
WHERE d.datname = current_database()";

/// Whoever granted: a restore grants as the owner.
const GRANTS: &str = "
SELECT g.role, g.grantable, string_agg(g.privilege, ', ' ORDER BY g.privilege COLLATE \"C\") AS privileges
FROM (SELECT DISTINCT CASE WHEN a.grantee <> 0 THEN pg_get_userbyid(a.grantee) END AS role,
             a.privilege_type AS privilege, a.is_grantable AS grantable
      FROM pg_database d CROSS JOIN LATERAL aclexplode(d.datacl) a
      WHERE d.datname = current_database()) AS g
GROUP BY g.role, g.grantable
ORDER BY g.role COLLATE \"C\" NULLS FIRST, g.grantable";

const SETTINGS: &str = "
SELECT CASE WHEN s.setrole <> 0 THEN pg_get_userbyid(s.setrole) END AS role,
       split_part(c.item, '=', 1) AS name, substr(c.item, strpos(c.item, '=') + 1) AS value
FROM pg_db_role_setting s
JOIN pg_database d ON d.oid = s.setdatabase
CROSS JOIN LATERAL unnest(s.setconfig) WITH ORDINALITY AS c (item, place)
WHERE d.datname = current_database()
ORDER BY s.setrole <> 0, pg_get_userbyid(s.setrole) COLLATE \"C\", c.place";

const SECURITY_LABELS: &str = "
SELECT l.provider, l.label
FROM pg_shseclabel l JOIN pg_database d ON d.oid = l.objoid
WHERE l.classoid = 'pg_database'::regclass AND d.datname = current_database()
ORDER BY l.provider COLLATE \"C\"";

/// Dependencies on the superuser that the cluster began with (oid 10) are recorded nowhere. Of subscriptions, which all
/// databases share, every role may read the owner.
const ROLES: &str = "
SELECT r.rolname AS name, r.rolcanlogin AS login, r.rolsuper AS superuser
FROM pg_roles r
WHERE r.rolname !~ '^pg_' AND r.oid IN (
    SELECT 10::oid
    UNION SELECT d.datdba FROM pg_database d WHERE d.datname = current_database()
    UNION SELECT s.refobjid
          FROM pg_shdepend s JOIN pg_database d ON d.datname = current_database()
          WHERE s.refclassid = 'pg_authid'::regclass
            AND (s.dbid = d.oid OR s.dbid = 0 AND s.classid = 'pg_database'::regclass AND s.objid = d.oid)
    UNION SELECT s.setrole FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
          WHERE d.datname = current_database()
    UNION SELECT s.subowner FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid
          WHERE d.datname = current_database())
ORDER BY r.rolname COLLATE \"C\"";

const EXTENSIONS: &str = "
SELECT e.extname AS name, e.extversion AS version, n.nspname AS schema
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
ORDER BY e.extname COLLATE \"C\"";

#[cfg(test)]
mod tests {
    use lifeboat_core::index::{DatabaseProperties, DatabaseSetting};

    use super::{Database, Grant, database_sql, privileges, statements};

    fn setting(role: Option<&str>, name: &str, value: &str) -> DatabaseSetting {
        DatabaseSetting { role: role.map(Into::into), name: name.into(), value: value.into() }
    }

    #[test]
    fn lists_of_names_are_set_name_by_name_and_all_else_as_it_is() {
        let settings = vec![
            setting(None, "search_path", r#""Odd ""Schema""", "$user", public"#),
            setting(Some("r\"1"), "app.note", "a, \"b\" it's \\"),
            setting(None, "Search_Path", "\"\""),
        ];
        let properties = DatabaseProperties { connection_limit: -1, settings, ..DatabaseProperties::default() };
        assert_eq!(
            statements("shop", &properties),
            [
                r#"ALTER DATABASE "shop" SET "search_path" TO 'Odd "Schema"', '$user', 'public'"#,
                r#"ALTER ROLE "r""1" IN DATABASE "shop" SET "app.note" TO  E'a, "b" it''s \\'"#,
                r#"ALTER DATABASE "shop" SET "Search_Path" TO ''"#,
            ]
        );
    }

    #[test]
    fn privileges_begin_from_nothing_and_take_the_new_name() {
        let mut database = Database {
            owner: "o".into(),
            connection_limit: 5,
            comment: None,
            has_privileges: true,
            tablespace: None,
            is_template: false,
        };
        let grants = [
            Grant { role: None, privileges: "CONNECT".into(), grantable: false },
            Grant { role: Some("r".into()), privileges: "CREATE, TEMPORARY".into(), grantable: true },
        ];
        let properties = DatabaseProperties {
            owner: Some("o".into()),
            connection_limit: 5,
            privileges: privileges(&database, &grants),
            ..DatabaseProperties::default()
        };
        let script = database_sql("a\"b", &properties);
        let lines: Vec<_> = script.lines().filter(|line| !line.starts_with("--") && !line.is_empty()).collect();
        assert_eq!(
            lines,
            [
                r#"ALTER DATABASE "a""b" OWNER TO "o";"#,
                r#"ALTER DATABASE "a""b" CONNECTION LIMIT 5;"#,
                r#"REVOKE ALL ON DATABASE "a""b" FROM PUBLIC;"#,
                r#"REVOKE ALL ON DATABASE "a""b" FROM "o";"#,
                r#"GRANT CONNECT ON DATABASE "a""b" TO PUBLIC;"#,
                r#"GRANT CREATE, TEMPORARY ON DATABASE "a""b" TO "r" WITH GRANT OPTION;"#,
            ]
        );
        database.has_privileges = false;
        assert!(privileges(&database, &grants).is_empty());
    }
}
