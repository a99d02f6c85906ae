//! A shop that is in use, and one backup of it.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Result, Scope, ScopedJoinHandle};

use lifeboat_tests::compare::{contents, definitions, settings};
use lifeboat_tests::servers::postgres::{Options, PASSWORD};
use lifeboat_tests::session::{Held, wait_for};
use lifeboat_tests::{Database, Depot, Lifeboat, Major, Outcome, Postgres, Running, Way};

/// A live database with properties of its own, its backup, and everything that is called like it.
pub(crate) struct Shop {
    pub(crate) database: Database<'static>,
    pub(crate) depot: Depot,
    /// The rows that the backup holds.
    pub(crate) dumped: BTreeMap<String, String>,
    pub(crate) definitions: BTreeMap<String, String>,
    /// The backup.
    pub(crate) backup: String,
}

impl Shop {
    /// Rows were lost since the backup, others written, and settings changed.
    pub(crate) fn new(major: Major) -> Shop {
        Shop::backed_up(major).in_use()
    }

    /// What happens to one since it was backed up.
    pub(crate) fn in_use(self) -> Shop {
        let name = &self.database.name;
        self.database.psql(&format!(
            "DELETE FROM items WHERE id > 10; INSERT INTO written VALUES ('since the backup'); UPDATE version SET v = 'live';
             DROP TABLE lost; ALTER DATABASE {name} SET work_mem TO '7MB'; ALTER DATABASE {name} CONNECTION LIMIT 77;
             COMMENT ON DATABASE {name} IS 'the \"live\" one''s';
             ALTER ROLE plain IN DATABASE {name} SET search_path TO app, \"Odd, Schema\", public;
             REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; GRANT CONNECT, TEMPORARY ON DATABASE {name} TO plain"
        ));
        self
    }

    /// As it was backed up.
    pub(crate) fn backed_up(major: Major) -> Shop {
        Shop::backed_up_with(major, "")
    }

    fn backed_up_with(major: Major, more: &str) -> Shop {
        // Of one server sealed, of the other one as it is.
        Shop::at(Postgres::shared(major), major == Major::V18, more)
    }

    /// The same at a server of the test's own.
    pub(crate) fn on_its_own_server() -> Shop {
        Shop::on_a_server_with(&[])
    }

    /// The same with these settings of the server.
    pub(crate) fn on_a_server_with(more: &[(&'static str, &str)]) -> Shop {
        // As servers are that keep what they commit.
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let settings = std::iter::once(("synchronous_commit", "on".to_owned())).chain(more).collect();
        let server = Postgres::start(Major::V15, &Options { settings, ..Options::default() });
        // It ends with the process.
        Shop::at(Box::leak(Box::new(server)), false, "")
    }

    fn at(server: &'static Postgres, sealed: bool, more: &str) -> Shop {
        let database = server.database("live");
        database.psql(&format!(
            "CREATE TABLE items AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 20000) AS i;
             ALTER TABLE items ADD PRIMARY KEY (id); CREATE INDEX ON items (text);
             CREATE TABLE written (what text); CREATE TABLE lost AS SELECT generate_series(1, 100) AS id;
             CREATE TABLE version AS SELECT 'backup'::text AS v;
             CREATE SEQUENCE numbers START 500; SELECT nextval('numbers');
             ALTER DATABASE {0} SET statement_timeout TO '9min'; COMMENT ON DATABASE {0} IS 'as dumped'; {more}",
            database.name
        ));
        let way = Way { method: "parallel", sealed, compression: "gzip" };
        let depot = Depot::file().by(way);
        let backup = depot.backup(&database).id;
        Shop { dumped: contents(&database), definitions: definitions(&database), database, depot, backup }
    }

    /// One like [`Shop::new`] whose rows take seconds to load: what happens meanwhile happens in time.
    pub(crate) fn slow(major: Major) -> Shop {
        Shop::backed_up_with(major, SLOW).in_use()
    }

    /// Runs it until it has begun to restore.
    pub(crate) fn restoring(&self, command: Lifeboat) -> Running {
        let running = command.spawn();
        let name = &self.database.name;
        let began = format!("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname LIKE '{name}_replacing_%'");
        wait_for(&postgres(self.database.server), &began);
        running
    }

    /// `lifeboat restore shop/latest --replace`, not run yet.
    pub(crate) fn replace(&self, options: &[&str]) -> Lifeboat {
        self.replace_by("shop/latest", options)
    }

    /// The same by another backup.
    pub(crate) fn replace_by(&self, backup: &str, options: &[&str]) -> Lifeboat {
        self.on_live("restore").arg(backup).arg("--replace").args(options)
    }

    /// `lifeboat restore --undo-replace`, not run yet.
    pub(crate) fn undo(&self, options: &[&str]) -> Lifeboat {
        self.on_live("restore").arg("--undo-replace").args(options)
    }

    /// A command on the live database, not run yet.
    pub(crate) fn on_live(&self, verb: &str) -> Lifeboat {
        let server = self.database.server;
        let into = self.depot.lifeboat(verb).args(["--into", "env:LIVE_URL", "--jobs", "2"]);
        into.env("LIVE_URL", self.database.dsn()).env("LIFEBOAT_TOOLS_DIR", &server.installation.bin)
    }

    /// The databases called like the live one, but for itself.
    pub(crate) fn others(&self) -> Vec<String> {
        let all = self.database.server.databases_like(&self.database.name);
        all.lines().filter(|name| *name != self.database.name).map(str::to_owned).collect()
    }

    /// Those that ended runs kept.
    pub(crate) fn kept(&self) -> Vec<String> {
        self.others().into_iter().filter(|name| name.contains("_replaced_")).collect()
    }

    /// Fails the test unless the live database holds what was dumped, and nothing else.
    #[track_caller]
    pub(crate) fn assert_restored(&self) {
        assert_eq!(contents(&self.database), self.dumped);
        assert_eq!(definitions(&self.database), self.definitions);
    }

    /// What belongs to the live database itself.
    pub(crate) fn settings(&self) -> BTreeMap<String, String> {
        settings(&self.database)
    }

    /// The same, and how many may connect.
    pub(crate) fn settings_and_limit(&self) -> (BTreeMap<String, String>, String) {
        let limit = "SELECT datconnlimit FROM pg_database WHERE datname = current_database()";
        (self.settings(), self.database.psql(limit))
    }

    /// A database beside the live one, to look into.
    pub(crate) fn inside(&self, name: &str) -> ManuallyDrop<Database<'static>> {
        ManuallyDrop::new(self.database.server.adopt(name))
    }

    /// Drops what ended runs kept.
    pub(crate) fn drop_kept(&self) {
        self.kept().iter().for_each(|name| drop(self.database.server.adopt(name)));
    }

    /// The database that has the name.
    pub(crate) fn oid(&self) -> String {
        self.database.psql("SELECT oid FROM pg_database WHERE datname = current_database()")
    }

    /// Watches the name until told to stop: exactly one database has it, at each moment that a session can see.
    pub(crate) fn watch<'a>(&'a self, scope: &'a Scope<'a, '_>) -> Watch<'a> {
        let (server, name) = (self.database.server, &self.database.name);
        let watch = format!(
            "DO $$ DECLARE looks int := 0; BEGIN LOOP
                 IF (SELECT count(*) FROM pg_database WHERE datname = '{name}') <> 1 THEN RAISE 'not exactly one has the name'; END IF;
                 looks := looks + 1;
                 EXIT WHEN EXISTS (SELECT FROM pg_class WHERE relname = 'stop_{name}');
                 IF looks % 10 = 0 THEN PERFORM pg_sleep(0.001); END IF;
             END LOOP; END $$"
        );
        let watching = scope.spawn(move || server.psql("postgres", &watch));
        Watch { shop: self, watching: Some(watching) }
    }

    /// Watches the name while `work` is done.
    pub(crate) fn watched(&self, work: impl FnOnce()) {
        std::thread::scope(|scope| {
            let watch = self.watch(scope);
            work();
            watch.end();
        });
    }

    /// So many clients that connect anew for each statement, as a pool does whose sessions are ended: they read, and write. What
    /// they read is of one whole database or of the other.
    pub(crate) fn clients<'a>(&'a self, scope: &'a Scope<'a, '_>, count: usize, may_read: &'a [&str]) -> Clients<'a> {
        let stop = Arc::new(AtomicBool::new(false));
        let client = || {
            let stop = stop.clone();
            scope.spawn(move || self.client(&stop, may_read))
        };
        Clients { clients: (0..count).map(|_| client()).collect(), stop }
    }

    fn client(&self, stop: &AtomicBool, may_read: &[&str]) -> u64 {
        let mut done = 0;
        while !stop.load(Ordering::Relaxed) {
            let ask = "INSERT INTO written VALUES ('by a client'); SELECT v, (SELECT count(*) FROM items) FROM version";
            let output = self.database.server.try_psql(&self.database.name, ask);
            if output.status.success() {
                let read = String::from_utf8(output.stdout).unwrap();
                assert!(may_read.contains(&read.trim()), "a client read {read:?}");
                done += 1;
                continue;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let expected =
                ["does not exist", "terminating connection", "connection to server was lost", "server closed"];
            assert!(expected.iter().any(|words| said.contains(words)), "{said}");
        }
        done
    }
}

/// A table whose only row takes seconds to load.
pub(crate) const SLOW: &str =
    "CREATE TABLE slow (id int CHECK (pg_sleep(2)::text IS NOT NULL)); INSERT INTO slow VALUES (1)";

/// What looks at the name all the time; ends with the test that failed, too.
pub(crate) struct Watch<'a> {
    shop: &'a Shop,
    watching: Option<ScopedJoinHandle<'a, String>>,
}

impl Watch<'_> {
    /// Ends it; it must have seen one database each time.
    pub(crate) fn end(mut self) {
        self.stop().expect("ended once").expect("exactly one database had the name");
    }

    fn stop(&mut self) -> Option<Result<String>> {
        let watching = self.watching.take()?;
        let (server, stop) = (self.shop.database.server, format!("public.stop_{}", self.shop.database.name));
        server.try_psql("postgres", &format!("CREATE TABLE {stop} ()"));
        let seen = watching.join();
        server.try_psql("postgres", &format!("DROP TABLE {stop}"));
        Some(seen)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        drop(self.stop());
    }
}

/// Clients that go on until they are told to stop; they end with the test that failed, too.
pub(crate) struct Clients<'a> {
    clients: Vec<ScopedJoinHandle<'a, u64>>,
    stop: Arc<AtomicBool>,
}

impl Clients<'_> {
    /// Ends them; how many transactions they did.
    pub(crate) fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.drain(..).map(|client| client.join().unwrap()).sum()
    }
}

impl Drop for Clients<'_> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.database.server.drop_databases_like(&self.database.name);
    }
}

/// Whether the swap of this shop waits for somebody who changes something of the database.
pub(crate) fn swap_waits(shop: &Shop) -> String {
    waits(&format!("ALTER DATABASE \"{}\" RENAME", shop.database.name))
}

/// Whether a run waits within such a statement for somebody else.
pub(crate) fn waits(statement: &str) -> String {
    format!("SELECT count(*) > 0 FROM pg_stat_activity WHERE {} AND wait_event_type = 'Lock'", at(statement))
}

/// Which sessions are those of runs within such a statement.
pub(crate) fn at(statement: &str) -> String {
    format!("query LIKE '%{statement}%' AND application_name LIKE 'lifeboat/%'")
}

/// The server goes on with a statement whose client is dead.
pub(crate) fn wait_until_let_go(shop: &Shop) {
    let name = &shop.database.name;
    let busy = format!(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE 'lifeboat/%'
         AND (datname LIKE '{name}%' OR query LIKE '%{name}%') AND pid <> pg_backend_pid()"
    );
    wait_for(&postgres(shop.database.server), &busy);
}

/// Somebody who changes something of the database and has not committed it: it cannot be renamed meanwhile.
pub(crate) fn being_changed(shop: &Shop, change: &str) -> Held {
    Held::new(&postgres(shop.database.server), &format!("BEGIN; {change}"))
}

/// The server's own database: not to be dropped.
pub(crate) fn postgres(server: &Postgres) -> ManuallyDrop<Database<'_>> {
    ManuallyDrop::new(server.adopt("postgres"))
}

/// The rows of a database that is to stay.
pub(crate) fn contents_of(server: &Postgres, name: &str) -> BTreeMap<String, String> {
    contents(&ManuallyDrop::new(server.adopt(name)))
}

/// A run that ended so, and told no password.
#[track_caller]
pub(crate) fn ended(outcome: Outcome, code: i32) -> Outcome {
    let outcome = outcome.expect(code);
    assert!(!outcome.text().contains(PASSWORD), "{}", outcome.text());
    outcome
}
