//! A restore by its schedule: few requests, indexes while rows are loaded, and an end at once when something fails.

use lifeboat_tests::compare::{assert_same, assert_same_contents};
use lifeboat_tests::{
    Database, Depot, Identity, Major, Postgres, Proxy, Seaweed, Way, every_method, every_way, unused_name,
};
use rustix::process::Signal;

use lifeboat_tests::session::wait_for;

every_way!(five_hundred_small_tables_take_few_requests);
every_method!(what_needs_a_key_or_rows_of_another_table_comes_back, one_session_is_enough);

fn five_hundred_small_tables_take_few_requests(way: Way) {
    let original = Postgres::shared(Major::V15).database("small");
    original.psql(
        "DO $$ BEGIN FOR i IN 1..500 LOOP
            EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, text text)', 'table ' || i);
            EXECUTE format('INSERT INTO %I SELECT n, md5(n::text) FROM generate_series(1, %s) AS n', 'table ' || i, i % 7);
         END LOOP; END $$",
    );
    let depot = Depot::s3().by(way);
    depot.backup(&original);
    let (proxy, restored) = (Proxy::before(Seaweed::shared()), original.server.adopt(&unused_name("small")));
    let restore = depot.restore_command(original.server, &restored.name).args(["--create", "--jobs", "2"]);
    restore.envs(proxy.environment(Identity::Admin)).run().expect(0);
    let requests = proxy.operations().into_iter().filter(|operation| *operation == "GetObject").count();
    assert!(requests < 20, "{requests} requests");
    assert_same(&original, &restored);
}

/// What stands on rows and cannot run in any order.
const TANGLED: &str = "
CREATE TABLE person (id int PRIMARY KEY, name text);
INSERT INTO person SELECT n, 'name ' || n FROM generate_series(1, 2000) AS n;
CREATE VIEW grouped AS SELECT id, name FROM person GROUP BY id;
CREATE MATERIALIZED VIEW counted AS SELECT id, name, count(*) AS count FROM person GROUP BY id;
CREATE UNIQUE INDEX ON counted (id);
-- A function that needs the key of a table, and an index that needs the function.
CREATE FUNCTION keyed(int) RETURNS text LANGUAGE sql IMMUTABLE
    BEGIN ATOMIC SELECT name FROM person WHERE id = $1 GROUP BY id; END;
CREATE TABLE a_visit (id int PRIMARY KEY, person int REFERENCES person, next int REFERENCES a_visit);
INSERT INTO a_visit SELECT n, n % 2000 + 1, n FROM generate_series(1, 500) AS n;
CREATE INDEX by_key ON a_visit (keyed(person));
-- Here the server cannot know that the function reads another table, whose rows come later.
CREATE FUNCTION looked_up(int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    $$ BEGIN RETURN (SELECT name FROM public.person WHERE id = $1); END $$;
CREATE INDEX by_name ON a_visit (looked_up(person));
CREATE TABLE part (id int, at date, person int REFERENCES person, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE INDEX ON part (person);
INSERT INTO part SELECT n, date '2020-01-01' + n, n FROM generate_series(1, 700) AS n;
CREATE TABLE refers (id int, at date, FOREIGN KEY (id, at) REFERENCES part);
ALTER TABLE person CLUSTER ON person_pkey;
COMMENT ON CONSTRAINT person_pkey ON person IS 'a comment on what comes early';
-- Large enough to be analyzed as soon as its indexes are there, which is too early for some of its statistics.
CREATE TABLE long AS SELECT n AS id, repeat(md5(n::text), 8) AS text, n % 2000 + 1 AS person FROM generate_series(1, 20000) AS n;
ALTER TABLE long ADD PRIMARY KEY (id), ADD FOREIGN KEY (person) REFERENCES person;
CREATE INDEX by_length ON long (length(text));
CREATE STATISTICS several ON id, person FROM long";

fn what_needs_a_key_or_rows_of_another_table_comes_back(way: Way) {
    let depot = Depot::s3().by(way);
    for major in Major::ALL {
        let original = Postgres::shared(major).database("tangled");
        original.psql(TANGLED);
        depot.backup(&original);
        let restored = depot.restore(original.server, &[]);
        assert_same(&original, &restored);
        let by_name = "SET enable_seqscan = off; SELECT count(*) FROM a_visit WHERE looked_up(person) = 'name 7'";
        assert_eq!(restored.psql(by_name).lines().last(), Some("1"));
        let pages = "SELECT relallvisible > 200 FROM pg_class WHERE relname = 'long'";
        assert_eq!(restored.psql(pages), "t", "its rows are frozen");
        let analyzed = "SELECT count(DISTINCT tablename) FROM pg_stats WHERE schemaname = 'public'";
        assert_eq!(restored.psql(analyzed), "10", "tables, the partitioned one, a view, three indexes");
        assert_eq!(restored.psql("SELECT count(*) FROM pg_stats_ext WHERE statistics_name = 'several'"), "1");
    }
}

/// Tables of which one has an index that can be built nowhere but at the source, by this statement.
fn with_an_index_that(does: &str) -> Database<'static> {
    let original = Postgres::shared(Major::V15).database("source");
    original.psql(&format!(
        "CREATE FUNCTION only_here(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
            $$ BEGIN IF current_database() NOT LIKE 'source%' THEN {does}; END IF; RETURN $1; END $$;
         CREATE TABLE filled (id int PRIMARY KEY, text text);
         INSERT INTO filled SELECT n, md5(n::text) FROM generate_series(1, 1000) AS n;
         CREATE TABLE unlucky (id int PRIMARY KEY);
         INSERT INTO unlucky VALUES (1), (2);
         CREATE INDEX of_no_use ON unlucky (only_here(id))",
    ));
    original
}

#[test]
fn an_index_that_cannot_be_built_ends_the_restore_and_is_named() {
    let original = with_an_index_that("RAISE 'not in this house'");
    let depot = Depot::file();
    depot.backup(&original);
    let server = original.server;
    let name = unused_name("unlucky");
    let created = depot.restore_command(server, &name).arg("--create").run().expect(20);
    let said = "restore index public.of_no_use: ";
    assert!(created.text().contains(said) && created.text().contains("not in this house"), "{}", created.text());
    assert_eq!(server.databases_like(&name), "");

    let empty = server.database("unlucky");
    let filled = depot.restore_command(server, &empty.name).run().expect(20);
    assert!(filled.text().contains(said), "{}", filled.text());
    assert_eq!(empty.psql("SELECT (SELECT count(*) FROM filled), (SELECT count(*) FROM unlucky)"), "0|0");
}

#[test]
fn a_signal_ends_an_index_build_on_the_server() {
    let original = with_an_index_that("PERFORM pg_sleep(60); PERFORM nextval('public.built'::regclass)");
    // What it counts stays counted, whatever is rolled back.
    original.psql("CREATE SEQUENCE built");
    let depot = Depot::file();
    depot.backup(&original);
    let empty = original.server.database("endless");
    let running = depot.restore_command(original.server, &empty.name).spawn();
    wait_for(
        &empty,
        "SELECT count(*) > 0 FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'active' AND query LIKE 'CREATE INDEX%of_no_use%'",
    );
    running.signal(Signal::TERM);
    running.wait().expect(143);
    wait_for(
        &empty,
        "SELECT count(*) = 0 FROM pg_stat_activity
         WHERE datname = current_database() AND application_name LIKE 'lifeboat%'",
    );
    assert_eq!(empty.psql("SELECT (SELECT count(*) FROM filled), (SELECT count(*) FROM unlucky)"), "0|0");
    assert_eq!(empty.psql("SELECT is_called FROM built"), "f", "the build was waited for");
}

#[test]
fn long_rows_of_an_extensions_table_leave_those_it_brings() {
    let original = Postgres::shared(Major::V15).database("probe");
    original.psql(
        "CREATE SCHEMA probe; CREATE EXTENSION lifeboat_probe SCHEMA probe;
         INSERT INTO probe.setting SELECT 'setting ' || n, repeat(md5(n::text), 8) FROM generate_series(1, 8000) AS n",
    );
    let depot = Depot::file();
    depot.backup(&original);
    assert_same_contents(&original, &depot.restore(original.server, &[]));
}

fn one_session_is_enough(way: Way) {
    let original = Postgres::shared(Major::V18).database("tangled");
    original.psql(TANGLED);
    let depot = Depot::file().by(way);
    depot.backup(&original);
    let restored = original.server.adopt(&unused_name("one"));
    depot.restore_command(original.server, &restored.name).args(["--create", "--jobs", "1"]).run().expect(0);
    assert_same(&original, &restored);
}
