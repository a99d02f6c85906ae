//! Extensions that take part in a restore: others that behave alike stand in for them.

use lifeboat_tests::compare::{assert_same_but_settings, definitions};
use lifeboat_tests::foreign::{Shelf, gzip, plain};
use lifeboat_tests::{Backup, Database, Depot, Lifeboat, Major, Outcome, Postgres, Way, every_method, unused_name};

/// Rows of an extension's tables, so long that several sessions load them at once; those that are referred to take the longest.
const ATLAS: &str = "
CREATE EXTENSION lifeboat_atlas;
INSERT INTO atlas.spatial_ref_sys VALUES (900913, 'ours');
CREATE FUNCTION pg_temp.noise(g int, length int) RETURNS text LANGUAGE sql
    AS $$ SELECT string_agg(md5(i::text || g), '') FROM generate_series(1, length) i $$;
INSERT INTO atlas.part_config SELECT 't' || g, pg_temp.noise(g, 2000) FROM generate_series(1, 100) g;
INSERT INTO atlas.a_part_config_sub SELECT 't' || g, pg_temp.noise(g, 1400) FROM generate_series(1, 100) g;
CREATE TABLE places AS SELECT g AS id, 900913 AS srid FROM generate_series(1, 1000) g;
ALTER TABLE places ADD CHECK (atlas.is_known(srid));
";

const ATLAS_ROWS: &str = "
SELECT (SELECT count(*) FROM atlas.spatial_ref_sys), (SELECT srtext FROM atlas.spatial_ref_sys WHERE srid = 900913),
       (SELECT md5(string_agg(p::text, '' ORDER BY parent_table)) FROM atlas.part_config p),
       (SELECT md5(string_agg(s::text, '' ORDER BY sub_parent)) FROM atlas.a_part_config_sub s)";

/// A database like the one that a restore loads rows into.
fn with_atlas<'s>(server: &'s Postgres, sql: &str) -> Database<'s> {
    let database = server.database("atlas_there");
    database.psql(&format!("CREATE EXTENSION lifeboat_atlas; {sql}"));
    database
}

every_method!(
    rows_that_users_added_to_an_extension_come_back_in_the_order_of_its_keys,
    timescaledb_is_told_where_a_restore_begins_and_ends,
);

fn rows_that_users_added_to_an_extension_come_back_in_the_order_of_its_keys(way: Way) {
    let (depot, server) = (Depot::file().by(way), Postgres::shared(Major::V15));
    let original = server.database("atlas");
    original.psql(ATLAS);
    depot.backup(&original);

    let restored = depot.restore(server, &[]);
    assert_same_but_settings(&original, &restored);
    assert_eq!(restored.psql(ATLAS_ROWS), original.psql(ATLAS_ROWS));

    let rows = with_atlas(server, "CREATE TABLE places (id int, srid int)");
    depot.restore_command(server, &rows.name).arg("--data-only").run().expect(0);
    assert_eq!(rows.psql(ATLAS_ROWS), original.psql(ATLAS_ROWS));
    assert_eq!(rows.psql("SELECT count(*) FROM places"), "1000");

    // The table needs what the extension has, and not the rows that were added to it.
    let part = with_atlas(server, "INSERT INTO atlas.spatial_ref_sys VALUES (900913, 'theirs')");
    depot.restore_command(server, &part.name).args(["--table", "places"]).run().expect(0);
    assert_eq!(part.psql("SELECT count(*) FROM places"), "1000");
    assert_eq!(part.psql("SELECT srtext FROM atlas.spatial_ref_sys WHERE srid = 900913"), "theirs");

    // Who may create extensions has done so before.
    let prepared = with_atlas(server, "");
    depot.restore_command(server, &prepared.name).run().expect(0);
    assert_eq!(prepared.psql(ATLAS_ROWS), original.psql(ATLAS_ROWS));
}

/// So many chunks that their list is long.
const METRICS: &str = "
CREATE EXTENSION timescaledb VERSION '2.14.2';
CREATE TABLE metrics (at timestamptz NOT NULL, value int);
INSERT INTO metrics SELECT now() + g * interval '1 minute', g FROM generate_series(1, 5000) g;
SELECT create_hypertable('metrics');
CREATE TABLE plain AS SELECT generate_series(1, 10) AS id;
BEGIN; SET LOCAL timescaledb.at_work = 'on';
INSERT INTO _timescaledb_catalog.hypertable SELECT g, repeat(md5(g::text), 2)::name FROM generate_series(100, 90000) g;
INSERT INTO _timescaledb_catalog.chunk SELECT g, g, repeat(md5(g::text), 2)::name FROM generate_series(100, 80000) g;
COMMIT;
";

const METRICS_ROWS: &str = "
SELECT (SELECT count(*) FROM metrics), (SELECT count(*) FROM ONLY metrics),
       (SELECT count(*) FROM _timescaledb_catalog.hypertable), (SELECT count(*) FROM _timescaledb_catalog.chunk),
       (SELECT string_agg(key || '=' || value, ',' ORDER BY key) FROM _timescaledb_catalog.metadata WHERE key <> 'uuid'),
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')";

const SETTINGS_AND_TOLD: &str = "
SELECT (SELECT count(*) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
        WHERE d.datname = current_database()),
       (SELECT string_agg(what, ',' ORDER BY number) FROM _timescaledb_internal.told)";

fn timescaledb_is_told_where_a_restore_begins_and_ends(way: Way) {
    let (depot, server) = (Depot::file(), Postgres::shared(Major::V15));
    let original = server.database("metrics");
    original.psql(METRICS);
    // COPY of a hypertable finds no rows: by itself the other method is taken.
    let backup = Backup::of(&depot.backup_command(&original).run().expect(0));
    assert_eq!(backup.result["method"], "stream");
    if way.method == "parallel" {
        let refused = depot.backup_command(&original).args(["--method", "parallel"]).run();
        assert!(refused.code() != 0 && refused.text().contains("timescaledb"), "{}", refused.text());
    }

    let restored = depot.restore(server, &[]);
    assert_eq!(definitions(&restored), definitions(&original));
    assert_eq!(restored.psql(METRICS_ROWS), original.psql(METRICS_ROWS));
    assert_eq!(restored.psql(SETTINGS_AND_TOLD), "0|stop,start");
    drop(restored);

    // The table is empty in itself: to restore it alone would look like success.
    let part = server.database("metrics_part");
    for options in [["--table", "metrics"], ["--schema", "public"]] {
        let refused = depot.restore_command(server, &part.name).args(options).run().expect(40);
        assert!(refused.text().contains("public.metrics is a hypertable of TimescaleDB"), "{}", refused.text());
        assert!(refused.text().contains("copy the rows from there"), "{}", refused.text());
    }
    depot.restore_command(server, &part.name).args(["--table", "plain"]).run().expect(0);
    assert_eq!(part.psql("SELECT count(*) FROM plain"), "10");

    let replace = depot.restore_command(server, &original.name).args(["--replace", "--yes", "--no-safety-backup"]);
    let before = original.psql(METRICS_ROWS);
    original.psql("TRUNCATE _timescaledb_internal._hyper_1_1_chunk");
    replace.env("LIFEBOAT_TOOLS_DIR", &server.installation.bin).run().expect(0);
    assert_eq!(original.psql(METRICS_ROWS), before);
    assert_eq!(original.psql(SETTINGS_AND_TOLD), "0|stop,start");
    server.drop_databases_like(&format!("{}_replaced_", original.name));
}

const FEW_METRICS: &str = "
CREATE EXTENSION timescaledb VERSION '2.14.2';
CREATE TABLE metrics (at timestamptz NOT NULL, value int);
INSERT INTO metrics SELECT now() + g * interval '1 minute', g FROM generate_series(1, 300) g;
SELECT create_hypertable('metrics');
";

/// Some versions leave the setting in the database behind a restore, and it is not what tells this one to end.
#[test]
fn a_setting_of_timescaledb_in_the_backup_does_not_end_its_restore() {
    let (depot, server) = (Depot::file(), Postgres::shared(Major::V15));
    let original = server.database("metrics");
    original.psql(FEW_METRICS);
    original.psql(&format!("ALTER DATABASE {} SET timescaledb.restoring TO 'off'", original.name));
    depot.backup(&original);

    let restored = depot.restore(server, &[]);
    assert_eq!(restored.psql(METRICS_ROWS), original.psql(METRICS_ROWS));
    assert_eq!(restored.psql(SETTINGS_AND_TOLD), "1|stop,start");
    assert_eq!(restored.psql("SHOW timescaledb.restoring"), "off");
}

/// What a provider made for its customer.
fn with_timescaledb<'s>(server: &'s Postgres, version: &str) -> Database<'s> {
    let database = server.database("timescaledb_there");
    database.psql(&format!("CREATE EXTENSION timescaledb VERSION '{version}'"));
    database
}

#[test]
fn a_database_with_another_version_of_timescaledb_is_refused() {
    let (depot, server) = (Depot::file(), Postgres::shared(Major::V15));
    let original = server.database("metrics");
    original.psql(FEW_METRICS);
    depot.backup(&original);

    let newer = with_timescaledb(server, "2.15.0");
    let refused = depot.restore_command(server, &newer.name).run().expect(40);
    let told = refused.last_record()["error"].to_string();
    assert!(told.contains("the backup is of timescaledb 2.14.2 and the database has 2.15.0"), "{}", refused.text());
    assert_eq!(newer.psql("SELECT to_regclass('metrics')"), "");

    let same = with_timescaledb(server, "2.14.2");
    depot.restore_command(server, &same.name).run().expect(0);
    assert_eq!(same.psql(METRICS_ROWS), original.psql(METRICS_ROWS));
    assert_eq!(same.psql(SETTINGS_AND_TOLD), "0|stop,start");
}

/// pg_dump leaves the version out: nobody can refuse the wrong one, and it must be known before.
#[test]
fn a_file_with_timescaledb_is_restored_by_its_version_and_its_operator_told_which_that_would_be() {
    let (depot, server, shelf) = (Depot::file(), Postgres::shared(Major::V15), Shelf::new());
    let original = server.database("metrics");
    original.psql(FEW_METRICS);
    let file = shelf.put("metrics.sql.gz", &gzip(&plain(&original)));
    let restore = |name: &str, options: &[&str]| -> Outcome {
        let command = Lifeboat::new().args(["restore", "--json", "--into", "env:TARGET_URL", "--from"]).arg(&file);
        command.args(options).env("TARGET_URL", server.dsn(name)).run()
    };
    let other = restore(&unused_name("metrics_new"), &["--create"]).expect(20);
    assert!(other.text().contains("restored into that one only: 2.15.0 would be created"), "{}", other.text());
    assert!(other.text().contains("TimescaleDB is restored by the version that was backed up"), "{}", other.text());

    let same = with_timescaledb(server, "2.14.2");
    let restored = restore(&same.name, &[]).expect(0);
    assert!(restored.text().contains("restored into that one only: 2.14.2 is there"), "{}", restored.text());
    assert_eq!(same.psql(METRICS_ROWS), original.psql(METRICS_ROWS));
    assert_eq!(same.psql(SETTINGS_AND_TOLD), "0|stop,start");

    let import = depot.lifeboat("import").arg(&file).args(["--name", "metrics", "--taken-at", "mtime", "--json"]);
    let imported = import.run().expect(0);
    let warnings = imported.result()["backups"][0]["warnings"].to_string();
    assert!(warnings.contains("of which version of TimescaleDB"), "{warnings}");
}
