//! What a restored database would do by itself, or ask of other servers: nothing of it happens in a drill.

use std::os::unix::fs::PermissionsExt as _;

use lifeboat_tests::{Major, Postgres, Way};

use crate::world::{World, not_passed};

#[test]
fn a_drill_asks_nothing_of_the_servers_that_the_backup_leads_to() {
    let world = World::new(Major::V15, Way { method: "parallel", compression: "gzip", sealed: false });
    let server = Postgres::shared(Major::V15);
    let (remote, shop) = (server.database("remote"), world.shop());
    remote.psql("CREATE TABLE prices AS SELECT 1 AS sku, 2 AS price");
    let open = world.folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    let stopped = open.join("stopped");
    let (host, port, far) = (server.socket_dir().display(), server.port(), &remote.name);
    shop.psql(&format!(
        "CREATE EXTENSION postgres_fdw;
         CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{host}', port '{port}', dbname '{far}');
         CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'postgres', password 'hunter2');
         CREATE FOREIGN TABLE prices (sku int, price int) SERVER far;
         CREATE MATERIALIZED VIEW seen AS SELECT * FROM prices;
         CREATE UNIQUE INDEX ON seen (sku);
         CREATE MATERIALIZED VIEW again AS SELECT * FROM seen;
         CREATE MATERIALIZED VIEW own AS SELECT count(*) FROM orders;
         CREATE SUBSCRIPTION s CONNECTION 'host={host} port={port} dbname={far}' PUBLICATION p
             WITH (connect = false, slot_name = NONE);
         CREATE SCHEMA _timescaledb_functions;
         CREATE FUNCTION _timescaledb_functions.stop_background_workers() RETURNS bool LANGUAGE plpgsql
             AS $$ BEGIN COPY (SELECT 1) TO '{}'; RETURN true; END $$;",
        stopped.display()
    ));
    world.depot.backup(&shop);
    let sessions =
        || server.psql("postgres", &format!("SELECT sessions FROM pg_stat_database WHERE datname = '{far}'"));
    let before = sessions();

    let report = world.drilled("", 0);
    assert_eq!(not_passed(&report), Vec::<String>::new(), "{report:#}");
    assert_eq!(sessions(), before, "somebody was asked");
    assert!(stopped.exists(), "workers of TimescaleDB were not stopped");
    let open = report["not_proven"].to_string();
    for left_out in
        ["user_mappings PUBLIC SERVER far", "materialized_views public.again, materialized_views public.seen"]
    {
        assert!(open.contains(left_out), "{left_out} is not in {open}");
    }
    assert!(!open.contains("materialized_views public.own"), "{open}");
}
