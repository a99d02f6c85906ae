use lifeboat_core::codec::{ByteRange, Fingerprint, Sha256};
use lifeboat_core::index::{Content, Index, Range, Relation, Rows, Section};
use proptest::prelude::*;

use super::{BATCH_TABLES, SHORT_SQL_BYTES, Tables, Work};
use crate::restore::pieces::Pieces;
use crate::restore::schedule::{Next, Schedule};
use crate::restore::sections::Sections;
use crate::restore::standing::Standing;

/// An index of tables `t0`, `t1`, … whose rows lie in ranges of these lengths.
fn index(tables: &[Vec<u64>]) -> Index {
    let mut index = Index::default();
    let mut offset = 0;
    for (relation, lengths) in tables.iter().enumerate() {
        for length in lengths {
            let fingerprint = Fingerprint { rows: *length, bytes: *length, sum: 0 };
            let content = Content::Rows(Rows { relation, opens: true, closes: true, fingerprint });
            let bytes = ByteRange { offset, length: *length, sha256: Sha256::of(b""), sql_bytes: *length };
            index.ranges.push(Range { object: 0, bytes, content });
            offset += length;
        }
        let bytes = lengths.iter().sum();
        index.relations.push(Relation {
            oid: None,
            schema: "public".into(),
            name: format!("t{relation}"),
            kind: None,
            columns: Vec::new(),
            condition: None,
            fingerprint: Fingerprint { rows: bytes, bytes, sum: 0 },
        });
    }
    index
}

/// The jobs in the order in which one session does them: the tables whose rows are loaded, or the statement.
fn order(index: &Index, statements: &[String]) -> (Vec<String>, Vec<usize>) {
    order_with(index, statements, &[])
}

/// The same, with these tables to be analyzed.
fn order_with(index: &Index, statements: &[String], analyzed: &[usize]) -> (Vec<String>, Vec<usize>) {
    let analyzed = analyzed.iter().copied();
    let standing: Vec<_> = statements.iter().map(|statement| Standing::of(statement)).collect();
    let sections = Sections::of(index);
    let (jobs, rest) = Tables::of(index).first_phase(&sections.rows, sections.values.sql_bytes(), &standing, analyzed);
    let (mut schedule, mut order) = (Schedule::new(jobs), Vec::new());
    while let Next::Do(id, work) = schedule.next() {
        order.push(match work {
            Work::Rows(span) => {
                let tables = span.ranges.iter().filter_map(|range| range.relation());
                tables.map(|table| format!("t{table}")).collect::<Vec<_>>().join(" ")
            }
            Work::Values => "values".into(),
            Work::Build(place) => statements[place].clone(),
            Work::Analyze(table) => format!("analyze t{table}"),
        });
        schedule.done(id);
    }
    (order, rest)
}

fn on(table: usize, method: &str, expression: &str) -> String {
    format!("CREATE INDEX i ON public.t{table} USING {method} ({expression});")
}

fn key(table: usize) -> String {
    format!("ALTER TABLE ONLY public.t{table}\n    ADD CONSTRAINT k PRIMARY KEY (id);")
}

#[test]
fn each_tables_indexes_follow_its_rows_and_the_longest_way_comes_first() {
    let index = index(&[vec![60 << 20], vec![40 << 20], vec![90 << 20]]);
    let statements = [on(0, "btree", "a"), on(1, "gin", "a"), key(2)];
    let (order, rest) = order(&index, &statements);
    let expect = ["t1", "t2", "CREATE INDEX i ON public.t1 USING gin (a);", "t0", &statements[2], &statements[0]];
    assert_eq!((order, rest), (expect.map(str::to_owned).to_vec(), Vec::new()));
}

#[test]
fn a_function_of_the_database_may_read_every_table() {
    let index = index(&[vec![60 << 20], vec![30 << 20]]);
    let (order, _) = order(&index, &[on(0, "gin", "public.f(a)"), on(1, "btree", "lower(a)")]);
    assert_eq!(order, ["t0", "t1", &on(0, "gin", "public.f(a)"), &on(1, "btree", "lower(a)")].map(str::to_owned));
}

#[test]
fn what_is_for_partitioned_unknown_or_two_tables_waits_for_its_place() {
    let mut index = index(&[vec![10], vec![]]);
    index.relations[1].kind = Some("p".into());
    let reference = "ALTER TABLE ONLY public.t0 ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.t1(id);".to_owned();
    let statements = [on(1, "btree", "a"), reference, on(0, "btree", "a"), on(7, "btree", "a"), "SELECT 1;".to_owned()];
    let (order, rest) = order(&index, &statements);
    assert_eq!((order, rest), (vec!["t0".to_owned(), on(0, "btree", "a")], vec![0, 1, 3, 4]));
}

#[test]
fn what_is_built_on_a_table_comes_before_its_statistics_and_foreign_keys() {
    let index = index(&[vec![60 << 20], vec![SHORT_SQL_BYTES], vec![10]]);
    let reference = |table, other| {
        format!("ALTER TABLE ONLY public.t{table} ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.t{other}(id);")
    };
    let statements = [reference(2, 0), reference(2, 2), on(0, "gin", "a"), key(0), key(2)];
    let (order, rest) = order_with(&index, &statements, &[0, 1, 2]);
    let at = |job: &str| order.iter().position(|other| other == job).unwrap_or_else(|| panic!("{job} in {order:?}"));
    let [to_large, to_itself, gin, large_key, small_key] = statements.each_ref().map(|statement| at(statement));
    assert!(gin.max(large_key) < at("analyze t0").min(to_large) && small_key < to_large.min(to_itself), "{order:?}");
    // A small table is analyzed with others at the end.
    assert_eq!((order.len(), rest), (2 + statements.len() + 1, Vec::new()), "{order:?}");
}

#[test]
fn a_foreign_key_to_its_own_table_locks_it_once() {
    let index = index(&[vec![10]]);
    let own = Standing::of("ALTER TABLE ONLY public.t0 ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.t0(id);");
    let job = Tables::of(&index).foreign_key_job(0, own.on_rows.as_ref().unwrap());
    assert_eq!(job.holds.len(), 1);
}

#[test]
fn short_ranges_are_loaded_together_and_long_ones_alone() {
    let long = SHORT_SQL_BYTES + 1;
    let mut tables = vec![vec![10]; BATCH_TABLES + 1];
    tables.push(vec![long, long]);
    tables.push(vec![5]);
    let index = index(&tables);
    let sections = Sections::of(&index);
    let lengths: Vec<_> = super::batches(&sections.rows).iter().map(|span| span.ranges.len()).collect();
    assert_eq!(lengths, [BATCH_TABLES, 1, 1, 1, 1]);
}

#[test]
fn values_run_while_rows_are_loaded_and_what_only_copies_never() {
    let mut index = index(&[vec![10]]);
    let sql = |section, only_copy, offset| Range {
        object: 0,
        bytes: ByteRange { offset, length: 1, sha256: Sha256::of(b""), sql_bytes: 7 },
        content: Content::Sql { section, only_copy },
    };
    index.ranges.insert(0, sql(Section::PreData, false, 0));
    index.ranges.push(sql(Section::Data, true, 11));
    index.ranges.push(sql(Section::Data, false, 12));
    index.ranges.push(sql(Section::PostData, false, 13));
    // A view that needs a primary key: a definition by its own account, behind what stands on rows.
    index.ranges.push(sql(Section::PreData, false, 14));
    let sections = Sections::of(&index);
    let lengths = [&sections.definitions, &sections.values, &sections.on_rows].map(Pieces::sql_bytes);
    assert_eq!((lengths, sections.rows.len(), sections.unneeded_bytes), ([7, 7, 14], 1, 7));
    assert_eq!(order(&index, &[]).0, ["t0", "values"]);
}

proptest! {
    /// Whatever the tables and statements: all rows are loaded once, each statement runs once or waits for its place, and
    /// none before the rows it needs.
    #[test]
    fn every_row_and_every_statement_has_its_turn(
        tables in prop::collection::vec(prop::collection::vec(1..(SHORT_SQL_BYTES * 3), 0..4), 1..12),
        builds in prop::collection::vec((0..14usize, 0..4u8), 0..30),
    ) {
        let index = index(&tables);
        let statements: Vec<_> = builds.iter().map(|(table, what)| match what {
            0 => key(*table),
            1 => on(*table, "btree", "public.f(a)"),
            2 => on(*table, "gist", "a"),
            _ => format!("ALTER TABLE public.t{table} ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.t0(id);"),
        }).collect();
        let (order, rest) = order(&index, &statements);
        let loads: Vec<_> = order.iter().flat_map(|job| job.split(' ')).filter(|job| job.starts_with('t')).collect();
        prop_assert_eq!(loads.len(), index.ranges.len());
        let built = order.iter().filter(|job| job.starts_with(['C', 'A'])).count();
        prop_assert_eq!(built + rest.len(), statements.len());
        for (at, job) in order.iter().enumerate() {
            let Some(place) = statements.iter().position(|statement| statement == job) else { continue };
            let later: Vec<_> = order[at..].iter().flat_map(|job| job.split(' ')).collect();
            let own = format!("t{}", builds[place].0);
            prop_assert!(!later.contains(&own.as_str()), "{} before {}", job, own);
            let any = later.iter().any(|job| job.starts_with('t') && *job != "t");
            prop_assert!(builds[place].1 != 1 || !any, "{} before rows", job);
            let sides = [builds[place].0, 0];
            let builds_on = |statement: &String| sides.iter().any(|table| *statement == key(*table));
            prop_assert!(builds[place].1 != 3 || !order[at..].iter().any(builds_on), "{} before a key", job);
        }
        for place in rest {
            prop_assert!(builds[place].0 >= tables.len());
        }
    }
}
