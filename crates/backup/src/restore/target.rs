//! The database that is restored into: created under a temporary name, or there and empty.

use lifeboat_core::index::Source;
use lifeboat_core::{Error, Job, Kind, Result};
use tokio_util::sync::CancellationToken;

use super::in_force::InForce;
pub(super) use super::maintenance::{drop_database, drop_statement};
use super::naming::Naming;
use super::preflight::{Preflight, maintenance};
use super::{RestoreOptions, with_rights_hint};
use crate::archive::Archive;
use crate::postgres::{
    ConnectOptions, ConnectionSettings, DirectSession, Session, connect, quote_ident, quote_literal, sqlstate,
    sqlstate_of,
};

/// Where rows go, and how it ends.
pub(super) struct Target {
    /// The database to connect to while restoring.
    pub(super) settings: ConnectionSettings,
    is_created: bool,
    /// The name it gets at the end, where that is not the one it has.
    final_name: Option<String>,
    /// What its sessions would begin with, had it its settings already.
    pub(super) in_force: InForce,
    how: ConnectOptions,
}

impl Target {
    pub(super) async fn prepare(
        archive: &Archive,
        wanted: &ConnectionSettings,
        options: &RestoreOptions,
        preflight: &Preflight,
        job: &Job,
    ) -> Result<Self> {
        let how = ConnectOptions { retry: options.connect_retry.clone(), cancel: job.cancel.clone() };
        if !options.create {
            let settings = wanted.clone();
            // One that was there has settings of its own.
            return Ok(Self { settings, is_created: false, final_name: None, in_force: InForce::default(), how });
        }
        let stand_in = options.stand_in.as_ref();
        let final_name = stand_in.is_none().then(|| wanted.dbname.clone());
        let temporary =
            if stand_in.is_some() { wanted.dbname.clone() } else { temporary_name(&wanted.dbname, archive) };
        let mut session = maintenance(wanted, &how, job).await?;
        job.step(&format!("create the database {temporary}"));
        let source = stand_in.map(|stand_in| &stand_in.source).or(archive.index.source.as_ref());
        let database = options.properties(archive);
        if let (Some(name), None) = (&database.tablespace, &preflight.tablespace) {
            job.warn(&format!("the server has no tablespace {name}: the database goes into the default one"));
        }
        let statement = create_statement(&temporary, source, preflight);
        session
            .execute(&statement)
            .await
            .map_err(|error| not_created(error, &temporary, preflight.server_version_num))?;
        let settings = wanted.with_dbname(&temporary);
        let target = Self { settings, is_created: true, final_name, in_force: InForce::of(database), how };
        if let Some(stand_in) = stand_in {
            let furnished = stand_in.furnish(&mut session, &temporary);
            or_discard(&target, job, async { furnished.await.map_err(with_rights_hint) }).await?;
        }
        session.close().await;
        Ok(target)
    }

    /// A session with the database under restore.
    pub(super) async fn connect(&self, purpose: &str, job: &Job) -> Result<DirectSession> {
        // The job's own: a cancelled run cleans up under another.
        let how = ConnectOptions { cancel: job.cancel.clone(), ..self.how.clone() };
        connect(&self.settings, purpose, &how, &*job.monitor).await
    }

    /// Whether this run created the database.
    pub(super) fn is_created(&self) -> bool {
        self.is_created
    }

    /// A session with another database of its server.
    pub(super) async fn maintenance(&self, job: &Job) -> Result<DirectSession> {
        let how = ConnectOptions { cancel: job.cancel.clone(), ..self.how.clone() };
        maintenance(&self.settings, &how, job).await
    }

    /// Gives a created database its final name. Every session with it must be closed.
    pub(super) async fn publish(&self, job: &Job) -> Result<()> {
        let Some(name) = &self.final_name else { return Ok(()) };
        job.step(&format!("name the database {name}"));
        let mut session = self.maintenance(job).await?;
        // Everything that was committed before is safe when this is, even where the sessions did not wait for the disk.
        session.execute(WAIT_FOR_DISK).await?;
        let naming = Naming::find(&mut session, &self.settings.dbname, name).await?;
        // Nobody is left with a name that is not certain, also when the run is cancelled.
        let uncancelled = Job::new(job.monitor.clone(), CancellationToken::new());
        let how = ConnectOptions { cancel: uncancelled.cancel.clone(), ..self.how.clone() };
        let renamed = naming.apply(&mut session, &how, &uncancelled).await;
        session.close().await;
        renamed.map_err(|error| error.while_doing(format!("name the database {name}")))
    }

    /// Drops a database that this run created; one that was there is left to the caller.
    pub(super) async fn discard(&self, job: &Job) {
        if !self.is_created() {
            return;
        }
        let name = &self.settings.dbname;
        // A cancelled run cleans up too.
        let job = Job::new(job.monitor.clone(), CancellationToken::new());
        let dropped = async {
            let mut session = self.maintenance(&job).await?;
            drop_database(&mut session, name, &job).await
        };
        if let Err(error) = dropped.await {
            job.warn(&format!("could not drop the unfinished database {name}: {}", error.chain()));
        }
    }
}

/// A restore that was killed leaves its database; whether another one is still at work in it, only the operator knows.
fn not_created(error: Error, temporary: &str, version_num: u32) -> Error {
    let is_there = sqlstate_of(&error) == Some(sqlstate::DUPLICATE_DATABASE);
    let error = error.while_doing(format!("create the database {temporary}"));
    if !is_there {
        return error;
    }
    let drop = drop_statement(temporary, version_num);
    Error::new(Kind::Policy, "restore beside an earlier restore of this backup that did not end")
        .hint(format!("if it is not running any more, drop what it left: {drop}"))
        .caused_by(error)
}

/// The final name and the backup's random digits, within the 63 bytes of a name.
pub(super) fn temporary_name(name: &str, archive: &Archive) -> String {
    let id = archive.path.id.as_str();
    suffixed(name, &format!("{RESTORING}{}", &id[id.len() - ID_DIGITS..]))
}

/// Whether `database` has the name that one has for as long as it is restored, to be called `name` in the end.
pub(super) fn is_unfinished(database: &str, name: &str) -> bool {
    let Some((_, digits)) = database.rsplit_once(RESTORING) else { return false };
    let is_id = digits.len() == ID_DIGITS && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id && database == suffixed(name, &format!("{RESTORING}{digits}"))
}

/// As much of a name as leaves room for the suffix within the bytes that a name may have.
pub(super) fn suffixed(name: &str, suffix: &str) -> String {
    let mut kept = name.len().min(NAME_BYTES_MAX - suffix.len());
    while !name.is_char_boundary(kept) {
        kept -= 1;
    }
    format!("{}{suffix}", &name[..kept])
}

fn create_statement(name: &str, source: Option<&Source>, preflight: &Preflight) -> String {
    let mut statement = format!("CREATE DATABASE {} TEMPLATE template0", quote_ident(name));
    if let Some(tablespace) = &preflight.tablespace {
        statement.push_str(&format!(" TABLESPACE {}", quote_ident(tablespace)));
    }
    let encoding = || preflight.encoding.iter().map(|encoding| ("ENCODING", encoding.as_str())).collect();
    for (option, value) in source.map_or_else(encoding, |source| locale_options(source, preflight.server_version_num)) {
        statement.push_str(&format!(" {option} {}", quote_literal(value)));
    }
    statement
}

/// Encoding and locale of a source, as far as a server of this version knows them: the options of CREATE DATABASE, which those of
/// initdb are called after.
#[must_use]
pub fn locale_options(source: &Source, server_version_num: u32) -> Vec<(&'static str, &str)> {
    let mut options: Vec<(&'static str, &str)> =
        vec![("ENCODING", &source.encoding), ("LC_COLLATE", &source.collate), ("LC_CTYPE", &source.ctype)];
    match (source.locale_provider.as_str(), &source.locale) {
        ("icu", Some(locale)) if server_version_num >= 150_000 => {
            options.extend([("LOCALE_PROVIDER", "icu"), ("ICU_LOCALE", locale)]);
            let rules = source.icu_rules.as_deref().filter(|_| server_version_num >= 160_000);
            options.extend(rules.map(|rules| ("ICU_RULES", rules)));
        }
        ("builtin", Some(locale)) if server_version_num >= 170_000 => {
            options.extend([("LOCALE_PROVIDER", "builtin"), ("BUILTIN_LOCALE", locale)]);
        }
        _ if server_version_num >= 150_000 => options.push(("LOCALE_PROVIDER", "libc")),
        _ => {}
    }
    options
}

/// Runs `work` and discards what was created when it fails.
pub(super) async fn or_discard<T>(target: &Target, job: &Job, work: impl Future<Output = Result<T>>) -> Result<T> {
    let result = work.await;
    if result.is_err() {
        job.step("clean up");
        target.discard(job).await;
    }
    result
}

pub(super) const NAME_BYTES_MAX: usize = 63;
/// Of a session that commits what must be safe: so is then everything that was committed before.
pub(super) const WAIT_FOR_DISK: &str = "SELECT pg_catalog.set_config('synchronous_commit', 'local', false) \
                             WHERE pg_catalog.current_setting('synchronous_commit') = 'off'";
const RESTORING: &str = "_restoring_";
/// The random digits of a backup's id.
const ID_DIGITS: usize = 6;

#[cfg(test)]
mod tests {
    use lifeboat_core::index::Source;

    use super::{Preflight, create_statement, is_unfinished};

    fn icu_source() -> Source {
        Source {
            system_identifier: None,
            server_version: "18.0".into(),
            server_version_num: 180_000,
            database: "shop".into(),
            encoding: "UTF8".into(),
            locale_provider: "icu".into(),
            collate: "C".into(),
            ctype: "C".into(),
            locale: Some("und".into()),
            icu_rules: Some("&V << 'w' <<< W".into()),
            collation_version: None,
            size_bytes: 0,
            lsn: "0/0".into(),
            standby: false,
            snapshot: String::new(),
            snapshot_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn rules_of_an_icu_locale_are_given_to_servers_that_know_them() {
        let statement = |server_version_num| {
            let tablespace = Some("fast \"disk".to_owned());
            let preflight = Preflight { server_version_num, tablespace, ..Preflight::default() };
            create_statement("shop", Some(&icu_source()), &preflight)
        };
        let known_to_all = "CREATE DATABASE \"shop\" TEMPLATE template0 TABLESPACE \"fast \"\"disk\" ENCODING 'UTF8' \
            LC_COLLATE 'C' LC_CTYPE 'C' LOCALE_PROVIDER 'icu' ICU_LOCALE 'und'";
        assert_eq!(statement(150_018), known_to_all);
        assert_eq!(statement(180_000), format!("{known_to_all} ICU_RULES '&V << ''w'' <<< W'"));
    }

    #[test]
    fn an_unfinished_database_is_told_by_its_name() {
        let long = "o".repeat(63);
        assert!(is_unfinished("shop_restoring_7f3a9c", "shop"));
        assert!(is_unfinished(&format!("{}_restoring_7f3a9c", &long[..46]), &long));
        for other in
            ["shop", "shop_restoring_7f3a9", "shop_restoring_7F3A9C", "shop2_restoring_7f3a9c", "shop_restoring_drill1"]
        {
            assert!(!is_unfinished(other, "shop"), "{other}");
        }
    }
}
