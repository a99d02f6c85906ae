//! A backup that was restored by the library, ready to be checked and tampered with.

use std::collections::BTreeMap;
use std::sync::Arc;

use lifeboat_backup::archive::{Archive, find};
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{BackupOptions, MissingRoles, Reach, RestoreOptions, RestoreSummary, Source, backup, restore};
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::monitor::Silent;
use lifeboat_core::store::{self, Store};
use lifeboat_drill::Verdict;
use lifeboat_drill::check::{CheckOptions, Checked, Subject, check_all};
use lifeboat_drill::report::CheckReport;
use lifeboat_drill::report::DrillReport;
use lifeboat_tests::keyring::{NOVEMBER, ring};
use lifeboat_tests::made::job;
use lifeboat_tests::{Database, Depot, Major, NAME, Postgres, Way, run, unused_name};
use tempfile::TempDir;

/// A store, a backup in it, and the database that it was restored into.
pub(crate) struct Restored {
    depot: Arc<Depot>,
    store: Store,
    pub(crate) archive: Archive,
    pub(crate) database: Database<'static>,
    pub(crate) summary: RestoreSummary,
}

/// What a database is checked by.
#[derive(Default)]
pub(crate) struct How<'a> {
    pub(crate) options: CheckOptions,
    pub(crate) earlier: Option<&'a Archive>,
    pub(crate) drills: Vec<DrillReport>,
    pub(crate) roles: MissingRoles,
}

impl Restored {
    /// Backs `source` up in this way, and restores it on a server of this version.
    pub(crate) fn of(source: &Database<'_>, way: Way, on: Major) -> Restored {
        let depot = Depot::file().by(way);
        let environment: BTreeMap<_, _> =
            depot.environment.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let store = store::create(&depot.url.parse().unwrap(), &environment).unwrap();
        Restored::within(Arc::new(depot), store, source, way, on)
    }

    /// Backs `source` up into the same store, and restores that backup.
    pub(crate) fn next(&self, source: &Database<'_>, way: Way, on: Major) -> Restored {
        Restored::within(Arc::clone(&self.depot), self.store.clone(), source, way, on)
    }

    fn within(depot: Arc<Depot>, store: Store, source: &Database<'_>, way: Way, on: Major) -> Restored {
        let archive = backed_up(source, &store, way);
        let database = Postgres::shared(on).adopt(&unused_name("drilled"));
        let options = RestoreOptions { create: true, keys: keys(way), ..RestoreOptions::default() };
        let reference = archive.path.to_string().parse().unwrap();
        let target = settings(&database);
        let restoring = restore(&store, &reference, &target, &options, Arc::new(Silent));
        let summary = run(restoring).unwrap();
        Restored { depot, store, archive, database, summary }
    }

    /// Checks `target`, which is the restored database or a copy of it.
    pub(crate) fn check(&self, target: &Database<'_>, how: &How<'_>) -> Checked {
        self.checked(&settings(target), how)
    }

    pub(crate) fn checked(&self, target: &ConnectionSettings, how: &How<'_>) -> Checked {
        run(async { check_all(&self.subject(target, how), &job()).await }).unwrap()
    }

    pub(crate) fn subject<'a>(&'a self, target: &'a ConnectionSettings, how: &'a How<'_>) -> Subject<'a> {
        Subject {
            store: &self.store,
            archive: &self.archive,
            earlier: Ok(how.earlier),
            drills: &how.drills,
            restored: &self.summary,
            roles: how.roles,
            inert: false,
            target,
            options: &how.options,
            started: self.archive.manifest.finished,
        }
    }

    /// A copy of the restored database, to tamper with.
    pub(crate) fn copy(&self) -> Database<'static> {
        let copy = self.database.server.adopt(&unused_name("tampered"));
        let sql = format!("CREATE DATABASE {} TEMPLATE {}", copy.name, self.database.name);
        self.database.server.psql("postgres", &sql);
        copy
    }
}

/// Backs up into `store` and opens the backup.
fn backed_up(source: &Database<'_>, store: &Store, way: Way) -> Archive {
    let state = TempDir::new().unwrap();
    let reach =
        Reach::Direct { settings: Box::new(settings(source)), tools_dir: Some(source.server.installation.bin.clone()) };
    let source = Source::new(NAME.parse().unwrap(), reach);
    let options = BackupOptions {
        method: way.choice(),
        seal: way.seal(),
        compression: way.compression(),
        ..BackupOptions::new(state.path())
    };
    let id = run(backup(&source, store, &options, Arc::new(Silent))).unwrap().id;
    let reference = format!("{NAME}/{id}").parse().unwrap();
    run(async { find(store, &keys(way), &job(), &reference).await }).unwrap()
}

pub(crate) fn settings(database: &Database<'_>) -> ConnectionSettings {
    ConnectionSettings::parse(&database.dsn(), &|_: &str| None).unwrap()
}

fn keys(way: Way) -> OpenKeys {
    if way.sealed { ring(&[NOVEMBER]).open_keys(true) } else { OpenKeys::default() }
}

/// The report of the check of this name.
#[track_caller]
pub(crate) fn named<'a>(reports: &'a [CheckReport], name: &str) -> &'a CheckReport {
    reports.iter().find(|report| report.name == name).unwrap_or_else(|| panic!("{name} is not among {reports:#?}"))
}

/// The checks that did not pass, by name.
pub(crate) fn not_passed(reports: &[CheckReport]) -> Vec<&str> {
    let others = reports.iter().filter(|report| report.outcome != Verdict::Passed);
    others.map(|report| report.name.as_str()).collect()
}
