//! Tables with encrypted values, two keys, and what every value was at first.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::monitor::Silent;
use lifeboat_core::{Job, Result};
use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::KeyFormat;
use lifeboat_rotate::sweep::{
    self, Finalized, KeyPair, KeySource, Limits, Mode, Plan, Status, Summary, SweepOptions, Target, Verification,
};
use lifeboat_tests::{Database, Major, Postgres, run};
use tokio_util::sync::CancellationToken;

pub(crate) const OLD: &str = "the old secret of the application";
pub(crate) const NEW: &str = "the new secret of the application";
pub(crate) const OTHER: &str = "the secret of another application";

/// What every value of a table was at first, by its key.
pub(crate) type Plain = BTreeMap<String, String>;

/// A table `secrets (id, value)` in a database of its own.
pub(crate) struct World<'s> {
    pub(crate) database: Database<'s>,
    pub(crate) target: Target,
}

impl World<'static> {
    /// `columns` are those of the table `secrets`; one of them is `id`, one `value`.
    pub(crate) fn new(major: Major, columns: &str) -> World<'static> {
        World::on(Postgres::shared(major), columns)
    }

    /// One with so many rows under the old key.
    pub(crate) fn with_rows(major: Major, columns: &str, count: usize) -> (World<'static>, Plain) {
        let world = World::new(major, columns);
        let plain = plain(count);
        world.fill(OLD, &plain);
        (world, plain)
    }
}

impl<'s> World<'s> {
    /// On a server of the test's own.
    pub(crate) fn on(server: &'s Postgres, columns: &str) -> World<'s> {
        let database = server.database("columns");
        database.psql(&format!("CREATE TABLE secrets ({columns})"));
        World { database, target: target("secrets", "value") }
    }

    /// Adds rows under a key.
    pub(crate) fn fill(&self, secret: &str, plain: &Plain) {
        let keyring = keyring(&self.target, secret);
        let mut script = String::from("COPY secrets (id, value) FROM stdin;\n");
        for (id, text) in plain {
            writeln!(script, "{id}\t{}", encrypted(&keyring, text)).unwrap();
        }
        script.push_str("\\.\n");
        assert!(self.database.feed(script.as_bytes()).status.success());
    }

    /// One value, as it is stored.
    pub(crate) fn encrypted(&self, secret: &str, text: &str) -> String {
        encrypted(&keyring(&self.target, secret), text)
    }

    pub(crate) fn settings(&self) -> ConnectionSettings {
        settings(&self.database.dsn())
    }

    pub(crate) fn run(&self, options: &SweepOptions) -> Result<Summary> {
        run(sweep::run(&self.settings(), self.targets(), options, &job()))
    }

    pub(crate) fn targets(&self) -> &[Target] {
        std::slice::from_ref(&self.target)
    }

    pub(crate) fn verify(&self, options: &SweepOptions) -> Verification {
        run(sweep::verify(&self.settings(), self.targets(), options, &job())).unwrap()
    }

    pub(crate) fn finalize(&self, options: &SweepOptions) -> Result<Finalized> {
        run(sweep::finalize(&self.settings(), self.targets(), options, &job()))
    }

    pub(crate) fn rollback(&self, options: &SweepOptions) -> Result<Summary> {
        run(sweep::rollback(&self.settings(), self.targets(), options, &job()))
    }

    pub(crate) fn plan(&self) -> Plan {
        run(sweep::plan(&self.settings(), self.targets(), &SweepOptions::default(), &job())).unwrap()
    }

    pub(crate) fn status(&self) -> Status {
        run(sweep::status(&self.settings(), &job())).unwrap()
    }

    /// Runs until every value is under the new key: with nobody writing, that is the end.
    pub(crate) fn run_to_the_end(&self, options: &SweepOptions) {
        let summary = self.run(options).unwrap();
        assert!(summary.is_clean(), "{summary:?}");
        assert!(self.verify(options).passed());
    }

    /// Every value that a key alone opens, by its row's key.
    pub(crate) fn opened(&self, secret: &str) -> Plain {
        let [opened] = self.opened_by([secret]);
        opened
    }

    /// The same for several keys, at one moment: what a killed run has told the server to do, it still does.
    pub(crate) fn opened_by<const N: usize>(&self, secrets: [&str; N]) -> [Plain; N] {
        let rows = self.database.psql("SELECT id || E'\\t' || value FROM secrets WHERE value IS NOT NULL");
        secrets.map(|secret| {
            let keyring = keyring(&self.target, secret);
            let open = |line: &str| {
                let (id, value) = line.split_once('\t').unwrap();
                let opened = keyring.open(&[Some(value.as_bytes())], b"").ok()?;
                Some((id.to_owned(), String::from_utf8(opened.plaintext().to_vec()).unwrap()))
            };
            rows.lines().filter_map(open).collect()
        })
    }
}

/// Small batches, so that a table has many of them.
pub(crate) fn small() -> SweepOptions {
    SweepOptions { batch_rows: Some(97), limits: inconsiderate(), ..SweepOptions::default() }
}

/// All sessions work at once, whatever else happens in the server.
pub(crate) fn inconsiderate() -> Limits {
    Limits { shared_batch_time: Duration::ZERO, ..Limits::default() }
}

/// Small ones in another mode.
pub(crate) fn mode(mode: Mode) -> SweepOptions {
    SweepOptions { mode: Some(mode), ..small() }
}

/// What is prepared is put in place.
pub(crate) fn cut_over() -> SweepOptions {
    SweepOptions { cut_over: true, ..mode(Mode::Staged) }
}

/// Asserts that rows hold what they should, and names the first that does not.
pub(crate) fn same(found: &Plain, expected: &Plain, case: &str) {
    let differs = |id: &&String| found.get(*id) != expected.get(*id);
    let first = found.keys().chain(expected.keys()).find(differs);
    let shown = first.map(|id| (id, found.get(id), expected.get(id)));
    assert_eq!(shown, None, "{case}: row, what it holds, what it should hold");
}

/// So many plaintexts.
pub(crate) fn plain(count: usize) -> Plain {
    (0..count).map(|n| (n.to_string(), format!("secret of {n}"))).collect()
}

/// A column of texts `base64(iv tag ct)` from the old to the new key.
pub(crate) fn target(table: &str, column: &str) -> Target {
    Target {
        table: table.parse().unwrap(),
        column: Some(column.to_owned()),
        layout: "base64(iv tag ct)".parse().unwrap(),
        key_columns: None,
        aad: "".parse().unwrap(),
        keys: keys(OLD, NEW),
    }
}

pub(crate) fn keys(old: &str, new: &str) -> Arc<KeyPair> {
    Arc::new(KeyPair { old: source(old), new: source(new) })
}

pub(crate) fn source(secret: &str) -> KeySource {
    KeySource { secret: secret.to_owned().into(), format: KeyFormat::Sha256, id: None }
}

pub(crate) fn keyring(target: &Target, secret: &str) -> Keyring {
    Keyring::new(target.layout.clone(), source(secret).derive().unwrap()).unwrap()
}

pub(crate) fn encrypted(keyring: &Keyring, text: &str) -> String {
    keyring.encrypt(text.as_bytes(), b"").unwrap().text().unwrap().to_owned()
}

pub(crate) fn settings(dsn: &str) -> ConnectionSettings {
    ConnectionSettings::parse(dsn, &|_| None).unwrap()
}

pub(crate) fn job() -> Job {
    Job::new(Arc::new(Silent), CancellationToken::new())
}
