//! Servers whose provider keeps the superuser: passwords of roles cannot be read, nor can some databases and functions; what the
//! provider made belongs to it.

use std::path::Path;

use crate::drilled;
use lifeboat_tests::compare::contents;
use lifeboat_tests::foreign::{Shelf, gzip, plain};
use lifeboat_tests::servers::postgres::{Options, PASSWORD};
use lifeboat_tests::{Backup, Database, Depot, Lifeboat, Major, Outcome, Postgres, Way, every_method};

/// As providers set up a server: their superuser, a role that has some of its rights, a customer in it, a database of their own.
const PROVIDER: &str = "
CREATE ROLE rdsadmin SUPERUSER LOGIN;
CREATE ROLE rds_superuser;
GRANT pg_monitor, pg_signal_backend TO rds_superuser WITH ADMIN OPTION;
CREATE ROLE master LOGIN CREATEDB CREATEROLE PASSWORD '$PASSWORD' IN ROLE rds_superuser;
CREATE ROLE app LOGIN PASSWORD '$PASSWORD'; GRANT app TO master;
CREATE DATABASE rdsadmin OWNER rdsadmin;
REVOKE ALL ON DATABASE rdsadmin FROM PUBLIC;
REVOKE ALL ON DATABASE template1 FROM PUBLIC;
$CLOSED;
";

/// What the customer may not ask, in each database.
const CLOSED: &str = "
REVOKE EXECUTE ON FUNCTION pg_control_system(), pg_control_checkpoint(), pg_control_init(), pg_control_recovery() FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION pg_read_file(text), pg_read_file(text, bigint, bigint), pg_stat_file(text) FROM PUBLIC;
REVOKE SELECT ON pg_user_mapping, pg_shadow, pg_authid, pg_hba_file_rules, pg_file_settings FROM PUBLIC
";

const SHOP: &str = "
CREATE EXTENSION pgcrypto;
CREATE EXTENSION lifeboat_atlas;
SET ROLE app;
CREATE TABLE orders (id bigserial PRIMARY KEY, note text);
INSERT INTO orders (note) SELECT md5(g::text) FROM generate_series(1, 20000) g;
CREATE VIEW recent AS SELECT * FROM orders WHERE id > 19000;
SELECT lo_from_bytea(0, 'a large object');
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_them ON orders USING (true);
SET ROLE master;
CREATE TABLE settings AS SELECT 'dark' AS theme;
GRANT SELECT ON settings TO app;
";

struct Managed {
    server: Postgres,
}

impl Managed {
    fn new() -> Managed {
        let server = Postgres::start(Major::V15, &Options { without_roles: true, ..Options::default() });
        server.psql("postgres", &PROVIDER.replace("$PASSWORD", PASSWORD).replace("$CLOSED", CLOSED));
        Managed { server }
    }

    /// A database of the customer, in which the provider has made the extensions.
    fn shop(&self) -> Database<'_> {
        let shop = self.empty("shop");
        shop.psql(SHOP);
        shop
    }

    fn empty(&self, prefix: &str) -> Database<'_> {
        let database = self.server.database(prefix);
        database
            .psql(&format!("ALTER DATABASE {} OWNER TO master; GRANT CREATE ON SCHEMA public TO app", database.name));
        database.psql(CLOSED);
        database
    }

    fn dsn(&self, database: &str) -> String {
        self.server.dsn_as("master", PASSWORD, database)
    }

    fn backup(&self, depot: &Depot, shop: &Database<'_>) -> Lifeboat {
        depot.backup_command(shop).env("DATABASE_URL", self.dsn(&shop.name))
    }

    fn restore(&self, depot: &Depot, into: &str, options: &[&str]) -> Outcome {
        depot.restore_command(&self.server, into).args(options).env("TARGET_URL", self.dsn(into)).run()
    }
}

/// What is told beside the steps.
fn warnings(outcome: &Outcome) -> Vec<String> {
    let told = outcome.records().into_iter().filter(|record| record["schema"] == "lifeboat/warning/v1");
    told.map(|record| record.to_string()).collect()
}

every_method!(a_customer_without_a_superuser_backs_up_restores_and_drills);

fn a_customer_without_a_superuser_backs_up_restores_and_drills(way: Way) {
    let (managed, depot) = (Managed::new(), Depot::file().by(way));
    let shop = managed.shop();
    // No role reads every large object.
    let of_the_provider = shop.psql("SELECT lo_from_bytea(0, 'of the provider')");
    let refused = managed.backup(&depot, &shop).run().expect(20);
    assert!(refused.text().contains("GRANT SELECT ON LARGE OBJECT"), "{}", refused.text());
    shop.psql(&format!("SELECT lo_unlink({of_the_provider})"));

    let outcome = managed.backup(&depot, &shop).run().expect(0);
    let backup = Backup::of(&outcome);
    assert_eq!(warnings(&outcome), Vec::<String>::new());
    assert!(outcome.stdout.contains("dump the roles, without their passwords"), "{}", outcome.stdout);
    let roles = String::from_utf8(lifeboat_core::codec::gunzip(&depot.gzip_bytes(&backup, "globals.sql.gz")).unwrap());
    let roles = roles.unwrap();
    assert!(roles.contains("CREATE ROLE app;") && !roles.contains("PASSWORD") && !roles.contains("SCRAM"), "{roles}");

    // The customer may not create the extension that only a superuser may, and is told of it before it fails.
    let created = format!("{}_created", shop.name);
    let refused = managed.restore(&depot, &created, &["--create"]).expect(20);
    assert!(refused.text().contains("lifeboat_atlas"), "{}", refused.text());
    assert!(refused.text().contains("create the extension"), "{}", refused.text());
    assert!(!managed.server.has_database(&created));
    // Where the provider has made it, its comment is the provider's.
    let target = managed.empty("target");
    target.psql("CREATE EXTENSION pgcrypto; CREATE EXTENSION lifeboat_atlas");
    let restored = managed.restore(&depot, &target.name, &[]).expect(0);
    let told = warnings(&restored);
    assert!(told[0].contains("Postgres itself would not let it create"), "{told:?}");
    assert!(told.len() == 2 && told[1].contains("left out privileges on what comes with Postgres"), "{told:?}");
    assert_eq!(contents(&target), contents(&shop));
    assert_eq!(target.psql("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'"), "app");

    // On the host that drills, the customer has a Postgres of its own.
    drilled(&managed.server, &depot);
}

#[test]
fn a_file_of_another_program_is_restored_where_the_provider_has_made_its_extensions() {
    let (managed, shelf) = (Managed::new(), Shelf::new());
    let shop = managed.shop();
    let file = shelf.put("shop.sql.gz", &gzip(&plain(&shop)));
    let restore = |target: &Database<'_>| {
        let command = Lifeboat::new().args(["restore", "--json", "--into", "env:TARGET_URL", "--from"]).arg(&file);
        command.env("TARGET_URL", managed.dsn(&target.name))
    };
    let target = managed.empty("target");
    target.psql("CREATE EXTENSION pgcrypto; CREATE EXTENSION lifeboat_atlas");
    let planned = restore(&target).arg("--dry-run").run().expect(0);
    assert!(!planned.text().contains("it would be refused"), "{}", planned.text());
    restore(&target).run().expect(0);
    assert_eq!(contents(&target), contents(&shop));

    // One that the dump lacks is somebody's, and the database another one than was meant.
    let others = managed.empty("others");
    others.psql("CREATE EXTENSION pgcrypto; CREATE EXTENSION lifeboat_atlas; CREATE EXTENSION hstore");
    let refused = restore(&others).run().expect(40);
    assert!(refused.text().contains("is not empty: it has 1 object"), "{}", refused.text());
}

#[test]
fn roles_that_may_not_be_read_are_left_out_and_said_to_be() {
    let (managed, depot) = (Managed::new(), Depot::file());
    let shop = managed.empty("shop");
    shop.psql(
        "CREATE TABLE t AS SELECT 1 AS x; ALTER TABLE t OWNER TO app; REVOKE SELECT ON pg_auth_members FROM PUBLIC",
    );
    let outcome = managed.backup(&depot, &shop).run().expect(0);
    let told = "the backup holds no roles: master may not read pg_auth_members";
    assert!(warnings(&outcome)[0].contains(told), "{}", outcome.stdout);
    let backup = Backup::of(&outcome);
    assert!(depot.manifest(&backup).objects().all(|object| !object.name.starts_with("globals")));
    depot.lifeboat("verify").arg("shop/latest").run().expect(0);
    shop.psql("DROP TABLE t; GRANT SELECT ON pg_auth_members TO PUBLIC");
    managed.restore(&depot, &shop.name, &[]).expect(0);
    assert_eq!(shop.psql("SELECT x FROM t"), "1");
    let refused =
        depot.restore_command(Postgres::shared(Major::V18), "nowhere").args(["--create", "--roles", "create"]);
    let refused = refused.run();
    assert!(refused.text().contains("use --roles stub or --roles skip"), "{}", refused.text());
}

const CONFIG: &str = "
[[database]]
name = \"shop\"
url = \"env:SHOP_URL\"

[[database]]
name = \"admin\"
url = \"env:ADMIN_URL\"
";

#[test]
fn the_provider_s_own_database_does_not_stop_the_others() {
    let (managed, depot) = (Managed::new(), Depot::file());
    let shop = managed.empty("shop");
    shop.psql("CREATE TABLE t AS SELECT 1 AS x; ALTER TABLE t OWNER TO app");
    let config = depot.path("lifeboat.toml");
    std::fs::write(&config, CONFIG).unwrap();
    let backup = depot.lifeboat("backup").args([Path::new("--config"), &config]).arg("--json");
    let backup = backup.env("SHOP_URL", managed.dsn(&shop.name)).env("ADMIN_URL", managed.dsn("rdsadmin"));
    let outcome = backup.env("LIFEBOAT_TOOLS_DIR", &managed.server.installation.bin).run().expect(3);
    let result = outcome.result();
    assert_eq!(result["backups"][0]["database"], "shop");
    assert_eq!(result["failed"][0]["database"], "admin");
    let told = &result["failed"][0]["error"];
    assert!(told.as_str().unwrap().contains("permission denied for database \"rdsadmin\""), "{told}");
    assert!(outcome.stderr.contains("hint: grant the role CONNECT"), "{}", outcome.stderr);
}
