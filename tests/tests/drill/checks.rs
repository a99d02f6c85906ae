//! What was restored is what was backed up: an untouched database passes, and whatever is changed in it is found and named.

use std::time::Duration;

use lifeboat_backup::MissingRoles;
use lifeboat_core::drill::Proven;
use lifeboat_drill::Verdict;
use lifeboat_drill::check::{CheckOptions, RowsOptions};
use lifeboat_tests::session::wait_for;
use lifeboat_tests::{Database, Major, Postgres, Way, every_method, fixtures};

use crate::restored::{How, Restored, named, not_passed, settings};

// What was sealed has been opened when this looks at it; run.rs has whole drills of both.
every_method!(an_untouched_database_passes_on_15, an_untouched_database_passes_on_18);

const PLAIN: Way = Way { method: "stream", sealed: false, compression: "gzip" };
const SEALED: Way = Way { method: "parallel", sealed: true, compression: "gzip" };

fn an_untouched_database_passes_on_15(way: Way) {
    passes(way, Major::V15);
}

fn an_untouched_database_passes_on_18(way: Way) {
    passes(way, Major::V18);
}

fn passes(way: Way, major: Major) {
    let restored = Restored::of(&fixtures::hard(major), way, major);
    let checked = restored.check(&restored.database, &How::default());
    assert_eq!(not_passed(&checked.reports), [""; 0], "{:#?}", checked.reports);
    assert_eq!(checked.rows_proven, Proven::All);
    assert!(checked.tables.iter().all(|table| table.proven));
    let rows: u64 = checked.tables.iter().map(|table| table.rows).sum();
    assert_eq!((rows, checked.tables.len()), (restored.archive.index.rows(), restored.archive.index.relations.len()));
    let open: Vec<_> = checked.not_proven.iter().map(|open| open.what.as_str()).collect();
    assert!(open.iter().any(|what| what.contains("large objects")), "{open:?}");
    assert!(open.iter().all(|what| !what.contains("definitions")), "{open:?}");
}

#[test]
fn a_backup_of_15_that_is_rehearsed_on_18_passes_and_says_that_definitions_were_compared_by_name() {
    let restored = Restored::of(&fixtures::hard(Major::V15), SEALED, Major::V18);
    let checked = restored.check(&restored.database, &How::default());
    assert_eq!(not_passed(&checked.reports), [""; 0], "{:#?}", checked.reports);
    assert!(checked.not_proven.iter().any(|open| open.why.contains("compared by name")), "{:?}", checked.not_proven);
    let proves = &named(&checked.reports, "catalog").proves;
    assert!(proves.contains("by name") && !proves.contains("defined as it was"), "{proves}");

    let tampered = restored.copy();
    tampered.psql("DROP INDEX gin_index");
    let checked = restored.check(&tampered, &How::default());
    assert_eq!(not_passed(&checked.reports), ["catalog"], "{:#?}", checked.reports);
}

/// What is done to the restored database, the check that says no, and what it says.
const TAMPERED: &[(&str, &str, &str)] = &[
    (
        "SET session_replication_role = replica; DELETE FROM products WHERE sku = 'SKU-00007'",
        "rows",
        "public.products: 1 row is missing: 499 instead of 500 rows",
    ),
    (
        "CREATE TABLE twin AS SELECT * FROM items LIMIT 1; ALTER TABLE items DROP CONSTRAINT items_pkey; \
      INSERT INTO items SELECT * FROM twin; DROP TABLE twin",
        "rows",
        "public.items: 1 row is too many: 24,001 instead of 24,000 rows",
    ),
    (
        "UPDATE customers SET name = 'Eve' || substr(name, 4) WHERE id = 7",
        "rows",
        "public.customers: 4,000 rows as dumped, but not the same",
    ),
    (
        "UPDATE products SET title = title || ' ' WHERE sku = 'SKU-00007'",
        "rows",
        "public.products: 500 rows as dumped, but not the same: their text is 1 byte longer",
    ),
    ("DROP TABLE items CASCADE", "rows", "public.items: there is no such table"),
    ("ALTER TABLE products RENAME title TO called", "rows", "public.products: its columns are others"),
    ("DROP INDEX open_orders", "catalog", "indexes public.open_orders: missing in the restored database"),
    ("ALTER TABLE orders DISABLE TRIGGER orders_changed", "catalog", "triggers public.orders.orders_changed: it was"),
    (
        "DROP POLICY own_orders ON orders",
        "catalog",
        "policies public.orders.own_orders: missing in the restored database",
    ),
    ("ALTER TABLE orders DISABLE ROW LEVEL SECURITY", "catalog", "relations public.orders: it was"),
    ("ALTER TABLE products ALTER price TYPE numeric(12, 2)", "catalog", "columns public.products.price: it was"),
    ("GRANT SELECT ON customers TO PUBLIC", "catalog", "privileges table public.customers: not in the backup"),
    (
        "SELECT setval('customers_id_seq', 3999)",
        "sequences",
        "public.customers_id_seq was set back: it is at 3999, and the backup has it at 4000",
    ),
    ("SELECT setval('customers_id_seq', 4000, false)", "sequences", "public.customers_id_seq was set back"),
    ("DROP EXTENSION hstore", "extensions", "hstore"),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'open_orders'::regclass",
        "validity",
        "public.open_orders: the index is not valid",
    ),
    (
        "UPDATE pg_constraint SET convalidated = false WHERE conname = 'items_sku_fkey'",
        "validity",
        "public.items.items_sku_fkey: the constraint is not proven of all rows",
    ),
    (
        "ALTER TABLE items DISABLE TRIGGER ALL",
        "validity",
        "public.items.items_sku_fkey: the triggers of the foreign key are disabled",
    ),
];

/// The small shop, with what it has none of.
fn shop(major: Major) -> Database<'static> {
    let shop = fixtures::small(major);
    shop.psql(
        "CREATE EXTENSION hstore;
         ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own_orders ON orders USING (customer_id = 1);",
    );
    shop
}

fn every_change_is_found_and_named(major: Major, way: Way) {
    let restored = Restored::of(&shop(major), way, major);
    let checked = restored.check(&restored.database, &How::default());
    assert_eq!(not_passed(&checked.reports), [""; 0], "{:#?}", checked.reports);
    let mut missed = Vec::new();
    for (change, check, says) in TAMPERED {
        let tampered = restored.copy();
        tampered.psql(change);
        let checked = restored.check(&tampered, &How::default());
        let report = named(&checked.reports, check);
        let is_named = report.findings.iter().chain([&report.summary]).any(|finding| finding.contains(says));
        let is_all = checked.rows_proven == Proven::All;
        if report.outcome != Verdict::Failed || !is_named || is_all == (*check == "rows") {
            missed.push(format!("{change}: {says}: {:#?}", checked.reports));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn every_change_is_found_and_named_on_15() {
    every_change_is_found_and_named(Major::V15, PLAIN);
}

#[test]
fn every_change_is_found_and_named_on_18() {
    every_change_is_found_and_named(Major::V18, SEALED);
}

#[test]
fn a_missing_policy_is_found_where_owners_and_privileges_were_left_out_too() {
    let restored = Restored::of(&shop(Major::V15), PLAIN, Major::V15);
    let skipped = || How { roles: MissingRoles::Skip, ..How::default() };
    let tampered = restored.copy();
    tampered.psql("ALTER POLICY own_orders ON orders TO pg_monitor");
    assert_eq!(not_passed(&restored.check(&tampered, &skipped()).reports), ["catalog"]);
    tampered.psql("DROP POLICY own_orders ON orders");
    let checked = restored.check(&tampered, &skipped());
    assert_eq!(not_passed(&checked.reports), ["catalog"], "{:#?}", checked.reports);
}

#[test]
fn a_number_that_a_row_has_already_is_told_and_no_failure() {
    let shop = shop(Major::V15);
    shop.psql("SELECT setval('customers_id_seq', 100)");
    let restored = Restored::of(&shop, PLAIN, Major::V15);
    let checked = restored.check(&restored.database, &How::default());
    let sequences = named(&checked.reports, "sequences");
    assert_eq!(sequences.outcome, Verdict::Passed);
    let told = "warning: public.customers_id_seq gives out 101 next, and customers.id has 4000 already";
    assert_eq!(sequences.findings, [told]);
}

#[test]
fn a_large_table_is_read_in_parts_by_several_sessions_and_each_part_counts() {
    let large = Postgres::shared(Major::V18).database("large");
    // Wider than what a session reads in one piece.
    large.psql(
        "CREATE TABLE wide (id int, text text);
         ALTER TABLE wide ALTER text SET STORAGE plain;
         INSERT INTO wide SELECT i, repeat(md5(i::text), 60) FROM generate_series(1, 40000) i;
         DELETE FROM wide WHERE id % 7 = 0",
    );
    let restored = Restored::of(&large, PLAIN, Major::V18);
    assert!(large.psql("SELECT pg_relation_size('wide') > 64 << 20") == "t", "it is cut");
    let how = || How { options: CheckOptions { jobs: 3, ..CheckOptions::default() }, ..How::default() };
    let checked = restored.check(&restored.database, &how());
    assert_eq!((not_passed(&checked.reports), checked.rows_proven), (vec![], Proven::All), "{:#?}", checked.reports);
    restored.database.psql("DELETE FROM wide WHERE id = 39999");
    assert_eq!(not_passed(&restored.check(&restored.database, &how()).reports), ["rows"]);
}

#[test]
fn what_there_is_no_time_for_is_named_and_a_drill_without_any_proof_is_inconclusive() {
    let restored = Restored::of(&shop(Major::V15), PLAIN, Major::V15);
    let rows = |within| RowsOptions { budget: Some(Duration::ZERO), within };
    let how =
        |within| How { options: CheckOptions { rows: rows(within), ..CheckOptions::default() }, ..How::default() };
    let checked = restored.check(&restored.database, &how(None));
    assert_eq!(checked.rows_proven, Proven::None);
    let rows_check = named(&checked.reports, "rows");
    assert_eq!(rows_check.outcome, Verdict::Inconclusive);
    assert!(rows_check.summary.ends_with("give more of it (`budget` in [drill], --budget)"), "{rows_check:?}");
    let named_tables = "the rows of public.customers, public.items, public.orders, public.products";
    let open = checked.not_proven.iter().find(|open| open.what.starts_with("the rows of")).unwrap();
    let mut tables: Vec<_> = open.what.trim_start_matches("the rows of ").split(", ").collect();
    tables.sort_unstable();
    assert_eq!(format!("the rows of {}", tables.join(", ")), named_tables);

    // Whatever the budget: every drill has to prove every table.
    let checked = restored.check(&restored.database, &how(Some(1)));
    assert_eq!(checked.rows_proven, Proven::All);
}

#[test]
fn a_backup_without_a_catalog_proves_less_and_says_so() {
    let mut restored = Restored::of(&shop(Major::V15), PLAIN, Major::V15);
    restored.archive.manifest.attachments.retain(|object| !object.name.starts_with("catalog"));
    let checked = restored.check(&restored.database, &How::default());
    assert_eq!(not_passed(&checked.reports), [""; 0], "{:#?}", checked.reports);
    assert!(checked.reports.iter().all(|report| report.name != "catalog"));
    let open = checked.not_proven.iter().any(|open| open.what == "the definitions of all objects");
    assert!(open, "{:?}", checked.not_proven);
}

#[test]
fn an_old_snapshot_fails_where_the_operator_says_what_is_old() {
    let restored = Restored::of(&shop(Major::V15), PLAIN, Major::V15);
    for (rpo, outcome) in [(0, Verdict::Failed), (3600, Verdict::Passed)] {
        let options = CheckOptions { rpo: Some(Duration::from_secs(rpo)), ..CheckOptions::default() };
        let mut later = How { options, ..How::default() };
        let target = settings(&restored.database);
        later.options.jobs = 1;
        let subject = lifeboat_drill::check::Subject {
            started: restored.archive.manifest.snapshot + jiff::SignedDuration::from_mins(2),
            ..restored.subject(&target, &later)
        };
        let checked = lifeboat_tests::run(async {
            lifeboat_drill::check::check_all(&subject, &lifeboat_tests::made::job()).await
        });
        assert_eq!(named(&checked.unwrap().reports, "freshness").outcome, outcome);
    }
}

#[test]
fn a_server_that_is_lost_in_the_middle_is_never_a_yes() {
    let mut restored = Restored::of(&shop(Major::V15), PLAIN, Major::V15);
    // Keeps the comparison of this table waiting until the database is gone.
    let orders = restored.archive.index.relations.iter_mut().find(|relation| relation.name == "orders").unwrap();
    orders.condition = Some("WHERE pg_catalog.pg_sleep(20) IS NOT NULL".to_owned());
    let (lost, server) = (restored.copy(), restored.database.server);
    let checked = std::thread::scope(|scope| {
        let checking = scope.spawn(|| restored.check(&lost, &How::default()));
        wait_for(
            &restored.database,
            &format!(
                "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'PgSleep'",
                lost.name
            ),
        );
        server.psql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", lost.name));
        checking.join().unwrap()
    });
    for name in ["rows", "catalog", "sequences", "validity", "extensions"] {
        assert_eq!(named(&checked.reports, name).outcome, Verdict::Inconclusive, "{name}: {:#?}", checked.reports);
    }
    assert_ne!(checked.rows_proven, Proven::All);
    assert!(checked.not_proven.iter().any(|open| open.what == "the rows of public.orders"), "{:?}", checked.not_proven);
}
