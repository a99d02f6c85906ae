//! Extensions that are told of a restore: a drill tells them too, and proves their rows.

use lifeboat_tests::{Major, Postgres, Way};

use crate::world::{World, not_passed};

#[test]
fn a_backup_with_timescaledb_is_drilled_in_the_version_that_it_was_taken_of() {
    let world = World::new(Major::V15, Way { method: "stream", compression: "gzip", sealed: false });
    let database = Postgres::shared(Major::V15).database("metrics");
    database.psql(
        "CREATE EXTENSION timescaledb VERSION '2.14.2'; CREATE TABLE metrics AS SELECT generate_series(1, 5000) AS value;
         SELECT create_hypertable('metrics')",
    );
    world.depot.backup(&database);
    let is_old = "SELECT extversion = '2.14.2' FROM pg_extension WHERE extname = 'timescaledb'";
    let assert = format!("[[drill.assert]]\nname = \"version\"\nsql = \"{is_old}\"\nexpect = \"true\"");
    let report = world.drilled(&assert, 0);
    assert_eq!(not_passed(&report), Vec::<String>::new(), "{report:#}");
}
