//! A database that is reached only through a program such as `docker exec`: no connection of our own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use lifeboat_tests::compare::{assert_same, assert_same_but_settings};
use lifeboat_tests::docker::Docker;
use lifeboat_tests::{Backup, Database, Depot, Lifeboat, Major, NAME, Way, every_seal, fixtures};
use tempfile::TempDir;

/// A program in front of the stand-in for docker.
struct Front {
    folder: TempDir,
    docker: Docker,
}

impl Front {
    /// `commands` run before docker does.
    fn new(database: &Database<'_>, commands: &str) -> Front {
        let front = Front { folder: TempDir::new().unwrap(), docker: Docker::with(database.server) };
        let script = format!(
            "#!/bin/bash\nfolder='{}'\n{commands}\nexec '{}' \"$@\"\n",
            front.folder.path().display(),
            front.docker.program().display()
        );
        fs::write(front.program(), script).unwrap();
        fs::set_permissions(front.program(), fs::Permissions::from_mode(0o755)).unwrap();
        front
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("front")
    }

    /// The backup of `database` by a configuration file with the prefix.
    fn backup(&self, depot: &Depot, database: &Database<'_>) -> Lifeboat {
        let config = self.folder.path().join("lifeboat.toml");
        let text = format!(
            "[[database]]\nname = \"{NAME}\"\ndbname = {:?}\ntools_prefix = [{:?}, \"exec\", \"-i\", \"db\"]\n",
            database.name,
            self.program()
        );
        fs::write(&config, text).unwrap();
        depot.lifeboat("backup").arg("--json").arg("--config").arg(config)
    }
}

const KEEPS_ITS_ENVIRONMENT: &str = "env >>\"$folder/environment\"";

/// As docker ends when the image lacks the program.
const LACKS_PSQL: &str = "for word; do
    if [ \"$word\" = psql ]; then
        echo 'OCI runtime exec failed: exec failed: unable to start container process: exec: \"psql\": executable file not found in $PATH: unknown' >&2
        exit 127
    fi
done";

fn comes_back_through_docker(way: Way, major: Major) {
    let depot = Depot::s3().by(way);
    let original = fixtures::hard(major);
    let front = Front::new(&original, KEEPS_ITS_ENVIRONMENT);
    let outcome = front.backup(&depot, &original).env("PGPASSWORD", "canary-prefix").run().expect(0);
    let backup = Backup::of(&outcome);

    let index = depot.index(&backup);
    assert_eq!(index.source.as_ref().unwrap().database, original.name);
    assert_eq!(index.tools.prefix.as_deref(), front.program().to_str());
    assert!(index.relations.iter().all(|relation| relation.oid.is_some()));
    let manifest = depot.manifest(&backup);
    for name in ["schema.dump.gz", "catalog.json.gz", "globals.sql.gz", "database.sql.gz"] {
        assert!(manifest.attachment(name).is_some(), "{name}");
    }
    assert_same(&original, &depot.restore(original.server, &[]));

    let tools = front.docker.calls().join("\n");
    assert!(["psql", "pg_dump", "pg_dumpall"].iter().all(|tool| tools.contains(tool)), "{tools}");
    let seen =
        fs::read_to_string(front.folder.path().join("environment")).unwrap() + &front.docker.environments() + &tools;
    assert!(seen.contains("PATH=") && !seen.contains("canary"), "{seen}");
}

every_seal!(everything_comes_back_through_docker_on_15, everything_comes_back_through_docker_on_18);

fn everything_comes_back_through_docker_on_15(way: Way) {
    comes_back_through_docker(way, Major::V15);
}

fn everything_comes_back_through_docker_on_18(way: Way) {
    comes_back_through_docker(way, Major::V18);
}

#[test]
fn without_psql_a_backup_still_comes_back_and_says_what_it_lacks() {
    let depot = Depot::s3();
    let original = fixtures::small(Major::V15);
    let front = Front::new(&original, LACKS_PSQL);
    let outcome = front.backup(&depot, &original).run().expect(0);
    let backup = Backup::of(&outcome);

    let index = depot.index(&backup);
    assert!(index.source.is_none());
    assert!(
        index.warnings.iter().any(|w| w.contains("no schema archive") && w.contains("no catalog")),
        "{:?}",
        index.warnings
    );
    assert_eq!(backup.result["warnings"], serde_json::json!(index.warnings));
    let manifest = depot.manifest(&backup);
    assert!(manifest.attachment("schema.dump.gz").is_none() && manifest.attachment("catalog.json.gz").is_none());

    depot.lifeboat("verify").arg("shop/latest").run().expect(0);
    let restored = depot.restore(original.server, &[]);
    assert_same_but_settings(&original, &restored);

    let again = |option: &[&str]| depot.restore_command(restored.server, &restored.name).args(option).run();
    let told = again(&["--table", "orders"]).expect(40).text();
    assert!(told.contains("it has no schema archive"), "{told}");
    restored.psql("TRUNCATE items, orders, customers, products");
    again(&["--data-only"]).expect(0);
    assert_same_but_settings(&original, &restored);
}

#[test]
fn a_container_that_is_not_there_is_an_error_and_no_lesser_backup() {
    let depot = Depot::s3();
    let original = fixtures::small(Major::V15);
    let front = Front::new(&original, "echo 'Error response from daemon: No such container: db' >&2; exit 1");
    let outcome = front.backup(&depot, &original).run();
    assert!(matches!(outcome.code(), 20 | 21), "{outcome:?}");
    assert!(outcome.text().contains("No such container: db"), "{outcome:?}");
    assert!(!depot.bucket().objects().keys().any(|key| key.contains("/backups/")));
}
