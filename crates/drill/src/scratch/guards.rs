//! What keeps a drill away from production: asked of every server that we did not start ourselves, before anything is
//! written.

use std::net::IpAddr;

use lifeboat_backup::postgres::{ConnectionSettings, DirectSession, Endpoint, Host, Session, quote_literal, rows};
use lifeboat_backup::restore::user_objects;
use lifeboat_core::{Error, Kind, Result, counted};
use serde::Deserialize;

use super::needs::Needs;
use super::refused;

/// What a server says of itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Standing {
    pub(super) version: String,
    /// Whether we are a superuser there.
    #[serde(default)]
    pub(super) superuser: bool,
    /// Whether we may create databases there.
    #[serde(default)]
    pub(super) creates_databases: bool,
    /// Who we are there.
    #[serde(default)]
    pub(super) role: String,
    recovering: bool,
    /// Servers and programs that follow it.
    followers: u64,
    /// Whether it has a database of the source's name.
    has_source: bool,
    /// `None` where the role may not read it.
    identifier: Option<String>,
}

/// Refuses a server that is, or looks like, production: by what it says of itself, and by its address, which must be that of none
/// of the servers in `production`. What could not be compared is in the answer.
///
/// # Errors
/// [`Kind::Policy`] with the reason.
pub(super) async fn refuse_production(
    session: &mut DirectSession,
    needs: &Needs,
    production: &[ConnectionSettings],
) -> Result<(Standing, Vec<String>)> {
    let here = session.settings().hosts[0].clone();
    for settings in production {
        if is_among(&here, &settings.hosts).await {
            let why = format!("it is the server of {}, which is configured to be backed up", settings.dbname);
            return Err(refused(session.via(), &why).hint(NAME_ANOTHER));
        }
    }
    let standing = read(session, needs).await?;
    let notes = judge(&standing, needs, session.via())?;
    Ok((standing, notes))
}

/// The settings for the one of several servers that was looked at: another one is not known to be no production.
pub(super) fn reached(settings: &ConnectionSettings, session: &DirectSession) -> ConnectionSettings {
    let here = &session.settings().hosts[0];
    let is_here = |host: &&Host| (&host.endpoint, host.port) == (&here.endpoint, here.port);
    match settings.hosts.iter().find(is_here) {
        Some(host) => settings.pinned_to(host.clone()),
        None => session.settings().with_dbname(&settings.dbname),
    }
}

/// Refuses a database in which anything lies already.
///
/// # Errors
/// [`Kind::Policy`].
pub(super) async fn refuse_not_empty(session: &mut DirectSession) -> Result<()> {
    let objects = user_objects(session).await?;
    if objects == 0 {
        return Ok(());
    }
    let why = format!("it is not empty: it has {}", counted(objects, "object"));
    Err(refused(session.via(), &why).hint("let the command make a database of its own each time"))
}

/// Whether one of these is the server that was reached. A name that cannot be resolved here leads nowhere from here.
async fn is_among(here: &Host, hosts: &[Host]) -> bool {
    for host in hosts.iter().filter(|host| host.port == here.port) {
        if host.endpoint == here.endpoint {
            return true;
        }
        let (ours, theirs) = (addresses(here).await, addresses(host).await);
        if ours.iter().any(|address| theirs.contains(address)) {
            return true;
        }
    }
    false
}

/// All loopback addresses are one.
async fn addresses(host: &Host) -> Vec<IpAddr> {
    let loopback = |address: IpAddr| if address.is_loopback() { LOOPBACK } else { address };
    match (&host.endpoint, host.address) {
        (_, Some(address)) => vec![loopback(address)],
        (Endpoint::Name(name), None) => {
            let found = tokio::net::lookup_host((name.as_str(), host.port)).await;
            found.map(|found| found.map(|found| loopback(found.ip())).collect()).unwrap_or_default()
        }
        (Endpoint::Socket(_), None) => Vec::new(),
    }
}

fn judge(standing: &Standing, needs: &Needs, target: &str) -> Result<Vec<String>> {
    if standing.recovering {
        return Err(refused(target, "it is a standby of another server").hint(NAME_ANOTHER));
    }
    if standing.followers > 0 {
        let why = format!("{} it, as only production is followed", follow(standing.followers));
        return Err(refused(target, &why).hint(NAME_ANOTHER));
    }
    let source = needs.source.as_ref();
    match (&standing.identifier, source.and_then(|source| source.system_identifier.as_ref())) {
        (Some(here), Some(there)) if here == there => {
            Err(refused(target, "it is the server that the backup was taken of").hint(NAME_ANOTHER))
        }
        (Some(_), Some(_)) => Ok(Vec::new()),
        // Who it is cannot be told: a database of the same name is reason enough to stay away.
        _ if standing.has_source => {
            let why = "it has a database of the source's name, and whether it is the source cannot be told";
            Err(refused(target, why).hint("let the role read pg_control_system(), here and at the source"))
        }
        _ => Ok(vec!["that this server is not the source was told by names only".to_owned()]),
    }
}

fn follow(followers: u64) -> String {
    if followers == 1 { "1 other follows".to_owned() } else { format!("{followers} others follow") }
}

async fn read(session: &mut DirectSession, needs: &Needs) -> Result<Standing> {
    // An error would say it as well, and end the transaction of whoever asks within one.
    let may =
        session.text("SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')").await?;
    let identifier =
        if may.as_deref() == Some("t") { "(SELECT system_identifier::text FROM pg_control_system())" } else { "NULL" };
    let source = needs.source.as_ref().map_or("", |source| source.database.as_str());
    let query = STANDING.replace("%IDENTIFIER%", identifier).replace("%SOURCE%", &quote_literal(source));
    let found = rows(session, &query).await?.pop();
    found.ok_or_else(|| Error::new(Kind::Database, "read what the scratch server is"))
}

const STANDING: &str = "
SELECT current_setting('server_version') AS version,
       current_user::text AS role,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
       (SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user) AS creates_databases,
       pg_is_in_recovery() AS recovering,
       (SELECT count(*) FROM pg_stat_replication) AS followers,
       EXISTS (SELECT FROM pg_database WHERE datname = %SOURCE%) AS has_source,
       %IDENTIFIER%::text AS identifier";
const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const NAME_ANOTHER: &str = "name a server that is not production, or drill in a throwaway cluster";

#[cfg(test)]
mod tests {
    use lifeboat_core::Kind;

    use super::{Standing, judge};
    use crate::scratch::Needs;
    use crate::scratch::cluster::tests::source;

    fn needs(identifier: Option<&str>) -> Needs {
        let mut source = source("libc", None);
        source.system_identifier = identifier.map(str::to_owned);
        Needs { source: Some(source), ..Needs::default() }
    }

    fn refusal(standing: &Standing, identifier: Option<&str>) -> Option<String> {
        let error = judge(standing, &needs(identifier), "u@db:5432/postgres").err()?;
        assert_eq!(error.kind(), Kind::Policy);
        Some(error.to_string())
    }

    #[test]
    fn the_source_a_standby_and_a_server_that_is_followed_are_production() {
        let known = Standing { identifier: Some("1".into()), ..Standing::default() };
        assert_eq!(refusal(&known, Some("2")), None);
        assert!(refusal(&known, Some("1")).unwrap().contains("the server that the backup was taken of"));
        assert!(refusal(&Standing { recovering: true, ..known.clone() }, Some("2")).unwrap().contains("standby"));
        assert!(refusal(&Standing { followers: 2, ..known }, Some("2")).unwrap().contains("2 others follow it"));
    }

    #[test]
    fn where_servers_cannot_be_told_apart_the_name_decides() {
        let unknown = Standing::default();
        let namesake = Standing { has_source: true, ..Standing::default() };
        for (identifier, standing) in [(Some("1"), &unknown), (None, &unknown)] {
            assert_eq!(judge(standing, &needs(identifier), "x").unwrap().len(), 1);
        }
        assert!(refusal(&namesake, Some("1")).unwrap().contains("source's name"));
        let told_apart = Standing { identifier: Some("2".into()), ..namesake };
        assert_eq!(refusal(&told_apart, Some("1")), None);
        assert!(refusal(&told_apart, None).is_some());
    }
}
