//! Roles that the backup needs and the target does not have.

use lifeboat_core::index::Role;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::GLOBALS;
use lifeboat_core::{Error, Job, Kind, Result};

use super::MissingRoles;
use crate::archive::Archive;
use crate::postgres::sqlstate::UNDEFINED_OBJECT;
use crate::postgres::{DirectSession, Session, quote_ident, sqlstate_of};
use crate::script::{StatementKind, Statements};

/// Roles that this run created.
#[derive(Default)]
pub(super) struct Created {
    names: Vec<String>,
    /// An ALTER ROLE line for each that can log in but has no password.
    pub(super) passwords_to_set: Vec<String>,
}

impl Created {
    /// Roles belong to the server: they outlive a database that is dropped.
    pub(super) fn tell_what_stays(&self, job: &Job) {
        if !self.names.is_empty() {
            job.warn(&format!("the roles {} were created and stay", self.names.join(", ")));
        }
    }
}

/// Creates the missing roles as `mode` says: all, or none when it fails and the session ends.
pub(super) async fn create(
    store: &Store,
    archive: &Archive,
    missing: &[Role],
    mode: MissingRoles,
    session: &mut DirectSession,
    job: &Job,
) -> Result<Created> {
    if missing.is_empty() || matches!(mode, MissingRoles::Refuse | MissingRoles::Skip) {
        return Ok(Created::default());
    }
    session.execute("BEGIN").await?;
    let passwords_to_set = match mode {
        MissingRoles::Create => as_they_were(store, archive, missing, session, job).await?,
        _ => stub(missing, session, job).await?,
    };
    session.execute("COMMIT").await.map_err(|error| error.while_doing("create the roles"))?;
    Ok(Created { names: missing.iter().map(|role| role.name.clone()).collect(), passwords_to_set })
}

async fn stub(missing: &[Role], session: &mut DirectSession, job: &Job) -> Result<Vec<String>> {
    for role in missing {
        job.step(&format!("create the role {} without the right to log in", role.name));
        session
            .execute(&format!("CREATE ROLE {} NOLOGIN", quote_ident(&role.name)))
            .await
            .map_err(|error| error.while_doing(format!("create the role {}", role.name)))?;
    }
    Ok(Vec::new())
}

async fn as_they_were(
    store: &Store,
    archive: &Archive,
    missing: &[Role],
    session: &mut DirectSession,
    job: &Job,
) -> Result<Vec<String>> {
    let globals = read_globals(store, archive, job).await?;
    for role in missing {
        job.step(&format!("create the role {}", role.name));
        for statement in statements_about(&globals, &role.name)? {
            session
                .execute(&statement)
                .await
                .map_err(|error| error.while_doing(format!("create the role {}", role.name)))?;
        }
    }
    grant_memberships(&globals, missing, session, job).await?;
    let can_log_in = missing.iter().filter(|role| role.login);
    Ok(can_log_in.map(|role| format!("ALTER ROLE {} PASSWORD '…';", quote_ident(&role.name))).collect())
}

/// A member or group that neither the backup refers to nor the target has is left out.
async fn grant_memberships(globals: &[u8], created: &[Role], session: &mut DirectSession, job: &Job) -> Result<()> {
    for statement in memberships(globals, created)? {
        session.execute("SAVEPOINT membership").await?;
        match session.execute(&statement).await {
            Err(error) if sqlstate_of(&error) == Some(UNDEFINED_OBJECT) => {
                session.execute("ROLLBACK TO SAVEPOINT membership").await?;
                job.warn(&format!("left out the membership {statement} {}", error.chain()));
            }
            result => result.map_err(|error| error.while_doing("restore the memberships of roles"))?,
        }
    }
    Ok(())
}

async fn read_globals(store: &Store, archive: &Archive, job: &Job) -> Result<Vec<u8>> {
    let object = archive.manifest.attachment(GLOBALS).ok_or_else(|| {
        Error::new(Kind::NotFound, "find the roles: the backup holds none").hint("use --roles stub or --roles skip")
    })?;
    lifeboat_core::codec::gunzip(&archive.read_object(store, job, object).await?)
}

/// `CREATE ROLE name;` and `ALTER ROLE name …;` as pg_dumpall prints them.
fn statements_about(globals: &[u8], role: &str) -> Result<Vec<String>> {
    let quoted = quote_ident(role);
    // pg_dumpall quotes only where it must, and our own quoting always does.
    let names = [quoted.as_str(), role];
    let mut found = Vec::new();
    for statement in Statements::new(globals) {
        let statement = statement?;
        if statement.kind != StatementKind::Sql {
            continue;
        }
        let Ok(text) = std::str::from_utf8(statement.body()) else { continue };
        let about = ["CREATE ROLE ", "ALTER ROLE "].iter().find_map(|verb| text.strip_prefix(verb));
        let is_ours = |rest: &str, name: &str| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with([';', ' ']));
        if about.is_some_and(|rest| names.iter().any(|name| is_ours(rest, name))) {
            found.push(text.to_owned());
        }
    }
    if found.is_empty() {
        return Err(Error::new(Kind::Integrity, format!("find the role {role} among the roles of the backup"))
            .hint("use --roles stub or --roles skip"));
    }
    Ok(found)
}

/// `GRANT group TO member …;` wherever one of them was created, without the grantor: who restores grants now.
fn memberships(globals: &[u8], created: &[Role]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for statement in Statements::new(globals) {
        let statement = statement?;
        let Ok(text) = std::str::from_utf8(statement.body()) else { continue };
        let Some((group, member, options)) = membership(text) else { continue };
        let is_one =
            |role: &Role| [group, member].iter().any(|name| *name == role.name || *name == quote_ident(&role.name));
        if statement.kind == StatementKind::Sql && created.iter().any(is_one) {
            found.push(format!("GRANT {group} TO {member}{options};"));
        }
    }
    Ok(found)
}

/// The group, the member and the options of a grant of membership; names as they are written.
fn membership(statement: &str) -> Option<(&str, &str, &str)> {
    let (group, rest) = identifier(statement.strip_prefix("GRANT ")?)?;
    let (member, rest) = identifier(rest.strip_prefix(" TO ")?)?;
    let rest = rest.strip_suffix(';')?;
    let options = rest.find(" GRANTED BY ").map_or(rest, |at| &rest[..at]);
    Some((group, member, options))
}

/// The name at the beginning of `text`, with its quotes, and what follows.
fn identifier(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let end = text.find(|c| {
        quoted ^= c == '"';
        !quoted && matches!(c, ' ' | ';')
    })?;
    Some(text.split_at(end))
}

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;
    use lifeboat_core::index::Role;

    use super::{memberships, statements_about};

    #[test]
    fn memberships_of_created_roles_come_back_with_their_options() {
        let globals = "GRANT readers TO app GRANTED BY gone;\n
GRANT \"a TO \"\"b\"\"\" TO app WITH ADMIN OPTION, INHERIT FALSE GRANTED BY \"x; y\";\n
GRANT readers TO other GRANTED BY postgres;\nGRANT app TO other;\nGRANT ALL ON TABLESPACE t TO app;\n";
        let created = [Role { name: "app".into(), login: true, superuser: false }];
        let expect = [
            "GRANT readers TO app;",
            "GRANT \"a TO \"\"b\"\"\" TO app WITH ADMIN OPTION, INHERIT FALSE;",
            "GRANT app TO other;",
        ];
        assert_eq!(memberships(globals.as_bytes(), &created).unwrap(), expect);
    }

    const GLOBALS: &str = "SET default_transaction_read_only = off;\n
CREATE ROLE app;\nALTER ROLE app WITH NOSUPERUSER LOGIN;\nALTER ROLE app SET work_mem TO '8MB';\n
CREATE ROLE app2;\nCREATE ROLE \"Odd Name\";\nALTER ROLE \"Odd Name\" WITH NOLOGIN;\n";

    #[test]
    fn a_role_gets_its_own_statements_and_no_others() {
        let found = statements_about(GLOBALS.as_bytes(), "app").unwrap();
        let expect =
            ["CREATE ROLE app;", "ALTER ROLE app WITH NOSUPERUSER LOGIN;", "ALTER ROLE app SET work_mem TO '8MB';"];
        assert_eq!(found, expect);
        assert_eq!(statements_about(GLOBALS.as_bytes(), "Odd Name").unwrap().len(), 2);
    }

    #[test]
    fn a_role_that_the_backup_does_not_hold_is_an_error() {
        assert_eq!(statements_about(GLOBALS.as_bytes(), "ap").unwrap_err().kind(), Kind::Integrity);
        let latin1 = b"CREATE ROLE \"J\xfcrgen\";\nALTER ROLE \"J\xfcrgen\" WITH LOGIN;\n";
        assert_eq!(statements_about(latin1, "J\u{fc}rgen").unwrap_err().kind(), Kind::Integrity);
        let utf8 = "CREATE ROLE \"J\u{fc}rgen\";\nALTER ROLE \"J\u{fc}rgen\" WITH LOGIN;\n";
        assert_eq!(statements_about(utf8.as_bytes(), "J\u{fc}rgen").unwrap().len(), 2);
    }
}
