//! Roles that may do little, and servers that have few connections left.

use lifeboat_tests::servers::postgres::{Options, PASSWORD};
use lifeboat_tests::session::{Busy, Held, wait_for};
use lifeboat_tests::{Backup, Database, Depot, Fault, Identity, Lifeboat, Major, Postgres, Proxy, Seaweed, When};

use crate::world::{add_busy_tables, assert_no_backup, depot, go_on, held, over_two, stopped_when};

fn server(settings: &[(&'static str, &str)]) -> Postgres {
    let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let server = Postgres::start(Major::V15, &Options { settings, ..Options::default() });
    server.psql("postgres", &format!("CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data"));
    server
}

fn tables(server: &Postgres) -> Database<'_> {
    let database = server.database("roles");
    database.psql(
        "CREATE TABLE bulk AS SELECT g AS id, repeat(md5(g::text), 10) AS text FROM generate_series(1, 150000) g;
         CREATE TABLE small AS SELECT generate_series(1, 10) AS id; CREATE TABLE other AS SELECT 1 AS id",
    );
    database
}

fn as_reader(depot: &Depot, database: &Database<'_>) -> Lifeboat {
    over_two(depot, database).env("DATABASE_URL", dsn(database))
}

fn dsn(database: &Database<'_>) -> String {
    database.server.dsn_as("reader", PASSWORD, &database.name)
}

#[test]
fn time_limits_of_the_role_are_lifted() {
    let server = server(&[]);
    let (depot, database) = (depot(), tables(&server));
    // To lift the first takes a statement, which a busy host does not always run within 1 ms; the copy of a table takes longer by far.
    for (limit, time) in
        [("statement_timeout", "40ms"), ("idle_in_transaction_session_timeout", "1ms"), ("lock_timeout", "1ms")]
    {
        database.psql(&format!("ALTER ROLE reader SET {limit} = '{time}'"));
    }
    let outcome = as_reader(&depot, &database).run().expect(0);
    assert_eq!(held(&depot, &outcome).len(), 3);
}

/// What others do, and since when, is hidden from most roles: that a change waits is not.
#[test]
fn a_role_that_sees_nobody_s_activity_gives_way_to_a_change_of_a_table() {
    let server = server(&[]);
    let (depot, database) = (depot(), tables(&server));
    let proxy = Proxy::before(Seaweed::shared());
    proxy.on(When::call(|call| call.path.contains("schema.dump")), Fault::Hang);
    let backup = as_reader(&depot, &database).args(["--yield-to-ddl", "3s", "--parts-in-flight", "1"]);
    let running = backup.envs(proxy.environment(Identity::Writer)).spawn();
    wait_for(&database, "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'other'::regclass AND granted");
    let change = Busy::new(&database, "ALTER TABLE other ADD COLUMN more int");
    let outcome = running.wait().expect(75);
    change.join();
    assert!(outcome.text().contains("to change public.other, which this dump reads"), "{}", outcome.text());
}

#[test]
fn a_table_that_the_role_may_not_read_ends_the_backup() {
    let server = server(&[]);
    let (depot, database) = (depot(), tables(&server));
    database.psql("REVOKE pg_read_all_data FROM reader; GRANT SELECT ON bulk, small TO reader");
    let outcome = as_reader(&depot, &database).run().expect(20);
    assert!(outcome.text().contains("permission denied for table other"), "{}", outcome.text());
    assert!(outcome.text().contains("pg_read_all_data"), "{}", outcome.text());
    assert_no_backup(&depot);
}

#[test]
fn a_table_whose_rows_are_hidden_by_policies_ends_the_backup() {
    let server = server(&[]);
    let (depot, database) = (depot(), server.database("policies"));
    database.psql(
        "CREATE TABLE hidden AS SELECT generate_series(1, 50000) AS id; CREATE TABLE small AS SELECT 1 AS id;
         ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; CREATE POLICY half ON hidden USING (id % 2 = 0)",
    );
    let outcome = as_reader(&depot, &database).run().expect(20);
    assert!(outcome.text().contains("hidden"), "{}", outcome.text());
    assert!(outcome.text().contains("row-level security"), "{}", outcome.text());
    assert_no_backup(&depot);
}

#[test]
fn fewer_connections_dump_where_the_role_may_have_few() {
    let server = server(&[]);
    let database = tables(&server);
    for (limit, method) in [(4, "stream"), (5, "parallel"), (6, "parallel")] {
        database.psql(&format!("ALTER ROLE reader CONNECTION LIMIT {limit}"));
        // Sessions of the run before may take a moment to end.
        wait_for(&database, "SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'reader'");
        let depot = depot();
        let outcome = as_reader(&depot, &database).args(["--method", "auto"]).run().expect(0);
        assert_eq!(Backup::of(&outcome).result["method"], method, "{limit}");
        let told = if limit == 4 {
            "use the method stream: the server, the database or the role has no connections left for it"
        } else {
            &format!("dump the rows over {} connections", limit - 4)
        };
        assert!(outcome.text().contains(told), "{limit}: {}", outcome.text());
    }
}

/// Most roles do not see of what kind the sessions of others are; they count all the same.
#[test]
fn connections_that_others_hold_are_counted() {
    let server = server(&[("max_connections", "12"), ("superuser_reserved_connections", "2")]);
    let (depot, database) = (depot(), tables(&server));
    // Of ten connections four are free, and one is the leader's: none is left for rows.
    let others: Vec<_> = (0..6).map(|_| Held::new(&database, "BEGIN")).collect();
    let outcome = as_reader(&depot, &database).args(["--method", "auto"]).run().expect(0);
    assert_eq!(Backup::of(&outcome).result["method"], "stream", "{}", outcome.text());
    others.into_iter().for_each(Held::release);
}

/// The connections were there when they were counted.
#[test]
fn connections_that_others_take_meanwhile_are_done_without() {
    let server = server(&[("max_connections", "16"), ("superuser_reserved_connections", "2")]);
    let (depot, database) = (depot(), server.database("taken"));
    add_busy_tables(&database);
    let command = depot.backup_command(&database).args(["--jobs", "6"]).env("DATABASE_URL", dsn(&database));
    let counted = "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'lifeboat/schema'";
    let running = stopped_when(counted, &database, command);
    // Sixteen, without two for superusers, the leader's and pg_dump's.
    let others: Vec<_> = (0..8).map(|_| Held::new(&database, "BEGIN")).collect();
    let outcome = go_on(running).expect(0);
    assert!(outcome.text().contains("of 6 connections: connect to"), "{}", outcome.text());
    others.into_iter().for_each(Held::release);
}
