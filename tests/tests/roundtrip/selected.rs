//! Parts of a backup: tables, schemas and rows alone, into databases that have others and into new ones.

use lifeboat_tests::session::Held;
use lifeboat_tests::{
    Database, Depot, Identity, Major, Outcome, Postgres, Proxy, Seaweed, Way, every_method, every_way, fixtures,
    unused_name, zstd,
};
use serde_json::Value;

every_way!(schemas_come_into_a_new_database);
zstd!(parallel, sealed: schemas_come_into_a_new_database, rows_alone_come_into_empty_tables_in_the_order_of_their_foreign_keys);
every_method!(
    sequences_whose_names_differ_by_quotes_alone_keep_their_values,
    rows_alone_come_into_empty_tables_in_the_order_of_their_foreign_keys,
    a_partition_comes_alone_if_its_rows_do
);

/// The database of `borders.sql` on the shared server.
fn borders(major: Major) -> Database<'static> {
    let database = Postgres::shared(major).database("borders");
    database.load(&fixtures::sql("borders.sql"));
    database
}

/// The lines that stock pg_dump prints of a part, in the order of the alphabet: its own depends on oids.
fn dump(database: &Database<'_>, part: &[&str]) -> Vec<String> {
    let dump = String::from_utf8(database.pg_dump(part)).unwrap();
    let lines = dump.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

#[track_caller]
fn assert_same_dump(actual: &[String], expected: &[String]) {
    let missing: Vec<_> = expected.iter().filter(|line| !actual.contains(line)).collect();
    let extra: Vec<_> = actual.iter().filter(|line| !expected.contains(line)).collect();
    assert!(actual == expected, "missing: {missing:#?}\nextra: {extra:#?}");
}

fn restore(depot: &Depot, into: &Database<'_>, options: &[&str]) -> Outcome {
    depot.restore_command(into.server, &into.name).args(options).run()
}

fn left_out(outcome: &Outcome) -> Vec<Value> {
    outcome.result()["left_out"].as_array().unwrap().clone()
}

/// Makes what was left out of a table, by the statements that the result has for it.
fn make_what_was_left_out(database: &Database<'_>, outcome: &Outcome, of: &str) {
    for left_out in left_out(outcome) {
        let (what, statement) = (left_out["what"].as_str().unwrap(), left_out["statement"].as_str().unwrap());
        if what.contains(of) && !what.starts_with("publication") {
            database.psql(statement);
        }
    }
}

/// Everything of a database but what belongs to one table, by oids: nothing may come, go or be made anew.
fn others(database: &Database<'_>) -> String {
    database.psql(
        "SELECT string_agg(o::text, ' ' ORDER BY o) FROM (
             SELECT 'c' || oid || ' ' || relacl::text || relnatts || relhastriggers FROM pg_class
             WHERE oid >= 16384 AND relname !~ 'orders' AND relnamespace <> 'pg_toast'::regnamespace
             UNION ALL SELECT 'p' || oid FROM pg_proc WHERE oid >= 16384
             UNION ALL SELECT 't' || oid FROM pg_type WHERE oid >= 16384 AND typname !~ 'orders'
             UNION ALL SELECT 'n' || oid FROM pg_namespace WHERE oid >= 16384
             UNION ALL SELECT 'd' || objoid || description FROM pg_description WHERE classoid = 'pg_type'::regclass) AS o (o)",
    )
}

fn lose_a_table_and_get_it_back(major: Major) {
    let (depot, database) = (Depot::file(), borders(major));
    depot.backup(&database);
    let of_table = ["--table=sales.orders"];
    let before = dump(&database, &of_table);
    database.psql("ALTER TABLE sales.items DROP CONSTRAINT items_order_id_fkey; DROP TABLE sales.orders CASCADE");
    let others_before = others(&database);

    let outcome = restore(&depot, &database, &["--table", "sales.orders"]).expect(0);
    assert_eq!(outcome.result()["rows"], 300);
    assert_eq!(outcome.result()["without_rows"], serde_json::json!([]));
    let used = outcome.result()["used"].to_string();
    assert!(used.contains("domain kit.positive") && used.contains("sequence kit.numbers"), "{used}");
    assert_eq!(others(&database), others_before);
    assert_eq!(database.psql("SELECT nextval('sales.orders_id_seq')"), "301");

    database.psql("SELECT setval('sales.orders_id_seq', 300)");
    make_what_was_left_out(&database, &outcome, " sales.orders ");
    assert_same_dump(&dump(&database, &of_table), &before);

    let again = restore(&depot, &database, &["--table", "sales.orders"]).expect(40);
    let told = again.text();
    assert!(told.contains("these exist already: sales.orders, sales.orders_id_seq"), "{told}");
    assert!(told.contains("--data-only"), "{told}");
}

#[test]
fn a_lost_table_comes_back_into_the_database_that_lost_it_on_15() {
    lose_a_table_and_get_it_back(Major::V15);
}

#[test]
fn a_lost_table_comes_back_into_the_database_that_lost_it_on_18() {
    lose_a_table_and_get_it_back(Major::V18);
}

fn schemas_come_into_a_new_database(way: Way) {
    let (depot, original) = (Depot::file().by(way), borders(Major::V15));
    depot.backup(&original);
    let schemas = ["sales", "stock", "archive", "kit"];
    let created = original.server.adopt(&unused_name("part"));
    let selected = schemas.iter().flat_map(|schema| ["--schema", schema]);
    let command = depot.restore_command(original.server, &created.name).arg("--create").args(selected);
    let outcome = command.run().expect(0);
    let parts = schemas.map(|schema| format!("--schema={schema}"));
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    assert_same_dump(&dump(&created, &parts), &dump(&original, &parts));
    let left: Vec<_> = left_out(&outcome).iter().map(|left| left["what"].as_str().unwrap().to_owned()).collect();
    let publication = ["publication table sales.some_tables orders", "publication table stock.some_tables products"];
    assert_eq!(left, ["table lonely.special_products", "view reports.everything", publication[0], publication[1]]);
    assert_eq!(created.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'lonely'"), "0");
}

#[test]
fn a_schema_comes_into_an_empty_database_without_what_refers_out_of_it() {
    let (depot, original) = (Depot::file(), borders(Major::V18));
    depot.backup(&original);
    let empty = original.server.database("empty");
    let options = ["--schema", "sales", "--table", "lonely.special_products"];
    let plan = restore(&depot, &empty, &[&options[..], &["--dry-run"]].concat()).expect(0).result()["plan"].clone();
    assert_eq!((&plan["rows"], &plan["tables"]), (&606.into(), &4.into()));
    assert_eq!(empty.psql("SELECT count(*) FROM pg_class WHERE oid >= 16384"), "0");

    let outcome = restore(&depot, &empty, &options).expect(0);
    assert_eq!(plan["left_out"], outcome.result()["left_out"]);
    assert_eq!(outcome.result()["without_rows"], serde_json::json!(["table stock.products"]));
    assert_eq!(empty.psql("SELECT count(*), (SELECT count(*) FROM ONLY stock.products) FROM stock.products"), "6|0");
    let tables = "SELECT string_agg(oid::regclass::text, ' ' ORDER BY oid::regclass::text)
                  FROM pg_class WHERE relkind IN ('r', 'v', 'm') AND oid >= 16384";
    let expect =
        "lonely.special_products sales.amounts sales.customers sales.items sales.orders sales.totals stock.products";
    assert_eq!(empty.psql(tables), expect);
    assert_eq!(
        empty.psql("SELECT sum(amount) FROM sales.amounts"),
        original.psql("SELECT sum(amount) FROM sales.amounts")
    );
    assert_eq!(empty.psql("SELECT nextval('kit.numbers')"), "1300");
    let keys = "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE contype = 'f'";
    assert_eq!(empty.psql(keys), "items_order_id_fkey orders_customer_fkey orders_parent_fkey");
    assert!(left_out(&outcome).iter().any(|left| left["what"] == "fk constraint sales.items items_product_fkey"
        && left["why"] == "it refers to stock.products, which is not selected"));
}

#[test]
fn a_failure_leaves_a_database_as_it_was() {
    let (depot, database) = (Depot::file(), borders(Major::V15));
    depot.backup(&database);
    database.psql(
        "DROP TABLE sales.orders CASCADE; DROP SEQUENCE kit.numbers; DROP FUNCTION kit.stamp;
         CREATE VIEW sales.orders_note AS SELECT 'an index of the table has this name' AS why",
    );
    let before = dump(&database, &[]);
    let outcome = restore(&depot, &database, &["--table", "sales.orders"]).expect(20);
    assert!(outcome.text().contains("restore index sales.orders_note"), "{}", outcome.text());
    assert_same_dump(&dump(&database, &[]), &before);
    database.wait_until_let_go();
}

#[test]
fn names_that_select_nothing_are_refused_with_what_is_near() {
    let (depot, database) = (Depot::file(), borders(Major::V15));
    depot.backup(&database);
    let outcome = restore(&depot, &database, &["--table", "sales.order", "--schema", "lonley"]).expect(2);
    let told = outcome.text();
    assert!(told.contains("there is no table sales.order; there is no schema lonley"), "{told}");
    assert!(told.contains("sales.orders") && told.contains("lonely"), "{told}");
    restore(&depot, &database, &["--table", "a b"]).expect(2);
    restore(&depot, &database, &["--data-only", "--table", "reports.everything"]).expect(2);
}

fn a_partition_comes_alone_if_its_rows_do(way: Way) {
    let (depot, original) = (Depot::file().by(way), borders(Major::V15));
    depot.backup(&original);
    let empty = original.server.database("empty");
    let told = restore(&depot, &empty, &["--table", "stock.by_mood_0"]).expect(2).text();
    assert!(told.contains("its rows are stored with those of stock.by_mood"), "{told}");
    restore(&depot, &empty, &["--table", "stock.by_mood", "--table", "archive.movements_2025_all"]).expect(0);
    for query in ["SELECT count(*) FROM stock.by_mood", "SELECT count(*) FROM archive.movements_2025_all"] {
        assert_eq!(empty.psql(query), original.psql(query));
    }
}

#[test]
fn quoted_names_select_one_table_of_two_that_look_alike() {
    let (depot, original) = (Depot::file(), borders(Major::V15));
    depot.backup(&original);
    let empty = original.server.database("empty");
    let schema = "\"Odd \"\"Schema\"\"; Type: x\"";
    let (broken, whole) =
        (format!("{schema}.\"Table.\nwith \"\"all\"\"\""), format!("{schema}.\"Table. with \"\"all\"\"\""));
    restore(&depot, &empty, &["--table", &broken, "--table", "\"Größe\""]).expect(0);
    assert_eq!(empty.psql(&format!("SELECT count(*), max(t::text), max(\"Id; \") FROM {broken}")), "5|a|5");
    assert_eq!(empty.psql("SELECT \"日本\" FROM public.\"Größe\""), "ja");
    restore(&depot, &empty, &["--table", &whole]).expect(0);
    assert_eq!(empty.psql(&format!("SELECT x FROM {whole}")), "42");
}

/// An empty copy of the original's definitions.
fn without_rows(original: &Database<'static>) -> Database<'static> {
    let copy = original.server.database("empty");
    let fed = copy.feed(&original.pg_dump(&["--schema-only"]));
    assert!(fed.status.success(), "{}", String::from_utf8_lossy(&fed.stderr));
    copy
}

fn rows_alone_come_into_empty_tables_in_the_order_of_their_foreign_keys(way: Way) {
    let (depot, original) = (Depot::file().by(way), borders(Major::V15));
    depot.backup(&original);
    let copy = without_rows(&original);
    let outcome = restore(&depot, &copy, &["--data-only"]).expect(0);
    assert_eq!(outcome.result()["left_out"], serde_json::json!([]));
    copy.psql("REFRESH MATERIALIZED VIEW sales.amounts");
    assert_same_dump(&dump(&copy, &["--data-only"]), &dump(&original, &["--data-only"]));

    let some = without_rows(&original);
    restore(&depot, &some, &["--data-only", "--schema", "sales"]).expect(20);
    assert_eq!(some.psql("SELECT count(*) FROM sales.customers"), "0");
    // Who has written and stays in the transaction keeps neither the restore waiting for ever nor others behind it.
    let held = Held::new(&some, "BEGIN; LOCK TABLE stock.products IN ROW EXCLUSIVE MODE");
    let outcome = restore(&depot, &some, &["--data-only", "--schema", "sales", "--table", "stock.products"]).expect(75);
    assert!(outcome.text().contains("keep writers out of"), "{}", outcome.text());
    held.release();
    restore(&depot, &some, &["--data-only", "--schema", "sales", "--table", "stock.products"]).expect(0);
    let part = ["--data-only", "--schema=sales", "--table=stock.products"];
    assert_same_dump(&dump(&some, &part[..2]), &dump(&original, &part[..2]));
    assert_eq!(some.psql("SELECT nextval('kit.numbers'), nextval('sales.orders_id_seq')"), "1000|301");
}

fn sequences_whose_names_differ_by_quotes_alone_keep_their_values(way: Way) {
    let (depot, original) = (Depot::file().by(way), Postgres::shared(Major::V15).database("quotes"));
    original.psql(
        "CREATE SCHEMA a; CREATE SCHEMA \"a.b\"; CREATE SEQUENCE a.\"b.c\"; CREATE SEQUENCE \"a.b\".c;
         SELECT setval('a.\"b.c\"', 7), setval('\"a.b\".c', 900)",
    );
    depot.backup(&original);
    let values = "SELECT nextval('a.\"b.c\"'), nextval('\"a.b\".c')";
    let created = original.server.adopt(&unused_name("quotes"));
    restore(&depot, &created, &["--create", "--schema", "a", "--schema", "\"a.b\""]).expect(0);
    assert_eq!(created.psql(values), "8|901");
    original.psql("SELECT setval('a.\"b.c\"', 1), setval('\"a.b\".c', 1)");
    restore(&depot, &original, &["--data-only", "--schema", "a", "--schema", "\"a.b\""]).expect(0);
    assert_eq!(original.psql(values), "8|901");
}

#[test]
fn rows_alone_are_refused_where_they_would_not_fit() {
    let (depot, original) = (Depot::file(), borders(Major::V15));
    depot.backup(&original);
    let copy = without_rows(&original);
    copy.psql(
        "INSERT INTO stock.products (id) VALUES (7); ALTER TABLE sales.customers DROP COLUMN mood;
         ALTER TABLE public.\"Größe\" RENAME TO renamed;
         ALTER TABLE lonely.chicken ALTER CONSTRAINT from_an_egg NOT DEFERRABLE",
    );
    let before = dump(&copy, &[]);
    let told = restore(&depot, &copy, &["--data-only"]).expect(40).text();
    let reasons =
        ["stock.products is not empty", "sales.customers has no column mood", "there is no table public.\\\"Größe\\\""];
    for reason in reasons {
        assert!(told.contains(reason), "{reason} in {told}");
    }
    let told = restore(&depot, &copy, &["--data-only", "--schema", "lonely"]).expect(40).text();
    assert!(told.contains("in a circle, by foreign keys of lonely.chicken, lonely.egg"), "{told}");
    assert_same_dump(&dump(&copy, &[]), &before);
}

#[test]
fn one_schema_of_fifty_fetches_only_its_part() {
    let (depot, original) = (Depot::s3(), Postgres::shared(Major::V15).database("tenants"));
    original.psql(
        "SELECT format('CREATE SCHEMA tenant_%s; CREATE TABLE tenant_%1$s.things (id serial PRIMARY KEY, noise text);
                        INSERT INTO tenant_%1$s.things (noise) SELECT md5(i::text) FROM generate_series(1, 3000) i', n)
         FROM generate_series(1, 50) n \\gexec",
    );
    let backup = depot.backup(&original);
    let script: u64 = depot.manifest(&backup).script.iter().map(|object| object.length).sum();
    let created = original.server.adopt(&unused_name("tenant"));
    let proxy = Proxy::before(Seaweed::shared());
    let command = depot.restore_command(original.server, &created.name).args(["--create", "--schema", "tenant_33"]);
    command.envs(proxy.environment(Identity::Admin)).run().expect(0);
    let of_script: Vec<_> = proxy.calls().into_iter().filter(|call| call.key().contains("sql.gz")).collect();
    let fetched: u64 = of_script.iter().map(|call| call.response_bytes).sum();
    assert!(of_script.len() <= 2 && fetched * 40 < script, "{fetched} of {script} by {} calls", of_script.len());
    assert_same_dump(&dump(&created, &["--schema=tenant_33"]), &dump(&original, &["--schema=tenant_33"]));
}
