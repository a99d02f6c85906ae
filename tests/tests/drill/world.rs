//! A backup and what drills it.

use std::os::unix::fs::PermissionsExt as _;

use lifeboat_tests::places::processes;
use lifeboat_tests::{Database, Depot, Lifeboat, Major, Outcome, Postgres, Way};
use serde_json::Value;
use tempfile::TempDir;

/// A store with backups, and a folder in which drills make their clusters.
pub(crate) struct World {
    pub(crate) depot: Depot,
    pub(crate) folder: TempDir,
    clusters: std::path::PathBuf,
    major: Major,
}

impl World {
    /// A store in a folder; its backups are of a server of this version.
    pub(crate) fn new(major: Major, way: Way) -> World {
        World::of(Depot::file().by(way), major)
    }

    pub(crate) fn of(depot: Depot, major: Major) -> World {
        let folder = TempDir::new().unwrap();
        // The clusters' own user has to get there.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let clusters = folder.path().join("drills");
        World { depot, folder, clusters, major }
    }

    /// With clusters in a folder whose name is too long for a socket.
    pub(crate) fn in_a_long_folder(mut self) -> World {
        self.clusters = self.folder.path().join("x".repeat(100));
        self
    }

    /// A database with something of every kind that the checks look at.
    pub(crate) fn shop(&self) -> Database<'static> {
        let database = Postgres::shared(self.major).database("drilled");
        database.psql(SHOP);
        database
    }

    /// A configuration for drills: `[drill]` with these lines.
    pub(crate) fn configured(&self, lines: &str) -> String {
        let path = self.folder.path().join("lifeboat.toml");
        let dir = self.clusters().display().to_string();
        std::fs::write(&path, format!("[drill]\ndir = \"{dir}\"\n{lines}\n")).unwrap();
        path.display().to_string()
    }

    /// Where clusters are made.
    pub(crate) fn clusters(&self) -> &std::path::Path {
        &self.clusters
    }

    /// `lifeboat drill …` with this configuration, not run yet.
    pub(crate) fn drill(&self, verb: &str, lines: &str) -> Lifeboat {
        let installation = &Postgres::shared(self.major).installation;
        let lifeboat = self.depot.lifeboat("drill").arg(verb).args(["--config", &self.configured(lines)]);
        lifeboat.env("LIFEBOAT_TOOLS_DIR", &installation.bin)
    }

    /// Drills the latest backup; gives the report.
    #[track_caller]
    pub(crate) fn drilled(&self, lines: &str, code: i32) -> Value {
        report(&self.drill("run", lines).args(["shop/latest", "--json"]).run().expect(code))
    }

    /// What is left of drills: their folders, and processes that work in them, bear their mark, or name this world's folder.
    pub(crate) fn left(&self) -> Vec<String> {
        let folders = std::fs::read_dir(self.clusters()).into_iter().flatten().flatten();
        let mut left: Vec<_> = folders.map(|entry| entry.path().display().to_string()).collect();
        left.extend(naming(&self.folder.path().display().to_string()));
        left.extend(processes(self.folder.path()).into_iter().map(|(pid, what)| format!("{pid} {what}")));
        left
    }
}

/// The report in a drill's result.
#[track_caller]
pub(crate) fn report(outcome: &Outcome) -> Value {
    let mut result = outcome.result();
    assert_eq!(result["verdict"], result["report"]["verdict"], "{result}");
    result["report"].take()
}

/// The checks that did not pass, by name.
pub(crate) fn not_passed(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["outcome"] != "passed")
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Command lines that name this folder.
fn naming(folder: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(folder)).collect()
}

const SHOP: &str = "
CREATE TABLE customers (id bigserial PRIMARY KEY, name text NOT NULL, seen timestamptz NOT NULL DEFAULT now());
CREATE TABLE orders (id bigserial PRIMARY KEY, customer bigint NOT NULL REFERENCES customers, amount numeric(10, 2) CHECK (amount > 0));
CREATE INDEX orders_by_customer ON orders (customer);
INSERT INTO customers (name) SELECT 'customer ' || i FROM generate_series(1, 500) i;
INSERT INTO orders (customer, amount) SELECT i % 500 + 1, i FROM generate_series(1, 4000) i;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER noted BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION noted();
ALTER TABLE customers ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON customers USING (name = current_user);
CREATE VIEW rich AS SELECT customer, sum(amount) FROM orders GROUP BY 1;
";
