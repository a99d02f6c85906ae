//! Selections from real schema archives of Postgres 15 and 18; `fixtures/selection` says how they were made.

use std::collections::BTreeSet;

use lifeboat_core::{Kind, Result};

use super::choose::{Chosen, choose, described};
use super::definition::Definitions;
use super::kind::pass;
use super::name::Selection;
use super::toc::{self, Toc};
use crate::script::{StatementKind, Statements, is_session_setting};

struct Archive {
    bytes: Vec<u8>,
    script: Vec<u8>,
}

fn archives() -> [Archive; 2] {
    let gunzipped = |compressed_bytes: &[u8]| lifeboat_core::codec::gunzip(compressed_bytes).unwrap();
    let archive = |bytes, script| Archive { bytes: gunzipped(bytes), script: gunzipped(script) };
    [
        archive(
            include_bytes!("../../../../../fixtures/selection/schema-15.dump.gz"),
            include_bytes!("../../../../../fixtures/selection/schema-15.sql.gz"),
        ),
        archive(
            include_bytes!("../../../../../fixtures/selection/schema-18.dump.gz"),
            include_bytes!("../../../../../fixtures/selection/schema-18.sql.gz"),
        ),
    ]
}

fn utf8(text: &[u8]) -> Result<String> {
    Ok(String::from_utf8(text.to_vec()).unwrap())
}

fn read(archive: &Archive) -> Toc {
    toc::read(&archive.bytes, &mut utf8).unwrap()
}

fn selection(schemas: &[&str], tables: &[&str]) -> Selection {
    Selection {
        schemas: schemas.iter().map(|name| name.parse().unwrap()).collect(),
        tables: tables.iter().map(|name| name.parse().unwrap()).collect(),
        data_only: false,
    }
}

/// What both archives agree on.
fn chosen(schemas: &[&str], tables: &[&str]) -> Restored {
    let [old, new] = archives().map(|archive| {
        let toc = read(&archive);
        Restored::of(&toc, &choose(&toc, &selection(schemas, tables)).unwrap())
    });
    assert_eq!(old, new);
    old
}

/// A choice by names.
#[derive(Debug, PartialEq)]
struct Restored {
    included: BTreeSet<String>,
    bare: BTreeSet<String>,
    left_out: BTreeSet<(String, String)>,
}

impl Restored {
    fn of(toc: &Toc, chosen: &Chosen) -> Self {
        // pg_dump quotes names within a comment's or a privilege's tag, and no others.
        let name = |at: &usize| described(&toc.entries[*at]).replace('"', "");
        let bare = |at: &&usize| !chosen.is_whole(toc, **at);
        Self {
            included: chosen.included.iter().map(name).collect(),
            bare: chosen.included.iter().filter(bare).map(name).collect(),
            left_out: chosen.left_out.iter().map(|left| (left.what.clone(), left.why.clone())).collect(),
        }
    }

    #[track_caller]
    fn includes(&self, names: &[&str]) {
        for name in names {
            assert!(self.included.contains(*name), "{name} in {:#?}", self.included);
        }
    }

    #[track_caller]
    fn leaves_out(&self, expect: &[(&str, &str)]) {
        let expect: BTreeSet<_> = expect.iter().map(|(what, why)| ((*what).to_owned(), (*why).to_owned())).collect();
        assert_eq!(self.left_out, expect);
    }
}

const NOT_SELECTED: &str = "it is not selected";
const PUBLICATION: &str = "publications are not part of a selection";

fn refers(to: &str) -> String {
    format!("it refers to {to}, which is not selected")
}

#[test]
fn every_entry_becomes_the_statements_that_pg_restore_prints() {
    for archive in archives() {
        let toc = read(&archive);
        let mut entries: Vec<_> = toc.entries.iter().collect();
        entries.sort_by_key(|entry| pass(&entry.kind));
        entries.retain(|entry| entry.kind != "DATABASE");
        let mut definitions = Definitions::new(false);
        let ours: String = entries.iter().flat_map(|entry| definitions.of(entry)).map(|sql| sql + "\n").collect();
        for (ours, theirs) in statements(ours.as_bytes()).iter().zip(statements(&archive.script)) {
            assert_eq!(*ours, theirs);
        }
        assert_eq!(statements(ours.as_bytes()).len(), statements(&archive.script).len());
        let set = |name: &str| ours.matches(&format!("SET default_{name} =")).count();
        assert_eq!((set("tablespace"), set("table_access_method")), (1, 1));
    }
}

/// The statements without the session's settings; pg_restore quotes only the names that need it.
fn statements(script: &[u8]) -> Vec<String> {
    let statements = Statements::new(script).map(Result::unwrap);
    let sql = statements.filter(|statement| statement.kind == StatementKind::Sql).map(|statement| statement.body());
    sql.filter(|body| !is_session_setting(body)).map(normal).collect()
}

/// Up to 16, pg_restore gives an owner to everything with columns by ALTER TABLE.
fn normal(statement: &[u8]) -> String {
    let statement = utf8(statement).unwrap().replace('"', "");
    let relations = ["ALTER SEQUENCE", "ALTER VIEW", "ALTER MATERIALIZED VIEW"];
    match relations.iter().find_map(|begin| statement.strip_prefix(begin)) {
        Some(rest) if rest.contains(" OWNER TO ") => format!("ALTER TABLE{rest}"),
        _ => statement,
    }
}

#[test]
fn a_table_comes_with_its_parts_and_what_it_needs() {
    let restored = chosen(&[], &["sales.orders"]);
    let expect = "
        acl kit.FUNCTION usual_mood()|acl sales.COLUMN orders.id|acl sales.COLUMN orders.note
        |acl SCHEMA sales|acl sales.SEQUENCE orders_id_seq|check constraint|comment sales.COLUMN orders.note
        |comment sales.INDEX orders_note|comment sales.POLICY readers ON orders|comment SCHEMA sales
        |comment sales.TABLE orders|comment sales.TRIGGER stamp ON orders|constraint sales.orders orders_pkey
        |default sales.orders id|domain kit.positive|fk constraint sales.orders orders_parent_fkey
        |function kit.plain(text)|function kit.stamp()|index sales.orders_note|index sales.orders_words
        |policy sales.orders readers|row security sales.orders|rule sales.orders no_deletes|schema kit|schema sales
        |sequence kit.numbers|sequence owned by sales.orders_id_seq|sequence sales.orders_id_seq
        |statistics sales.orders_statistics|table sales.orders|text search configuration kit.search
        |trigger sales.orders stamp";
    let absent = ["acl kit.FUNCTION usual_mood()", "check constraint"];
    let expect: BTreeSet<_> =
        expect.split('|').map(|name| name.trim().to_owned()).filter(|name| !absent.contains(&name.as_str())).collect();
    assert_eq!(restored.included, expect);
    assert_eq!(restored.bare, BTreeSet::new());
    restored.leaves_out(&[
        ("fk constraint sales.items items_order_id_fkey", &refers("sales.items")),
        ("fk constraint sales.orders orders_customer_fkey", &refers("sales.customers")),
        ("function sales.order_count()", NOT_SELECTED),
        ("materialized view sales.amounts", NOT_SELECTED),
        ("policy sales.orders of_customers", &refers("sales.customers")),
        ("publication table sales.some_tables orders", PUBLICATION),
        ("view sales.totals", &refers("sales.customers")),
        ("view reports.everything", &refers("stock.products")),
    ]);
}

#[test]
fn foreign_keys_among_selected_tables_stay() {
    let restored = chosen(&[], &["sales.orders", "sales.customers", "sales.items", "stock.products"]);
    restored.includes(&[
        "extension hstore",
        "fk constraint sales.items items_order_id_fkey",
        "fk constraint sales.items items_product_fkey",
        "fk constraint sales.orders orders_customer_fkey",
        "policy sales.orders of_customers",
        "sequence sales.customers_id_seq",
        "type kit.span",
        "function kit.span_length(integer, integer)",
        "function kit.usual_mood()",
        "acl kit.FUNCTION usual_mood()",
    ]);
    assert!(!restored.included.contains("sequence kit.unused_numbers"));
    assert!(!restored.left_out.iter().any(|(what, _)| what.starts_with("fk constraint sales")));
    assert!(
        restored.left_out.contains(&("fk constraint stock.movements of_a_product".into(), refers("stock.movements")))
    );
    let child = "table lonely.special_products".to_owned();
    assert!(restored.left_out.contains(&(child, NOT_SELECTED.into())), "{:#?}", restored.left_out);
}

#[test]
fn a_schema_comes_whole_but_for_what_refers_out_of_it() {
    let restored = chosen(&["sales"], &[]);
    restored.includes(&[
        "schema sales",
        "table sales.customers",
        "table sales.items",
        "function sales.order_count()",
        "view sales.totals",
        "rule sales.totals _RETURN",
        "materialized view sales.amounts",
        "materialized view data sales.amounts",
        "index sales.amounts_customer_idx",
        "default acl sales.DEFAULT PRIVILEGES FOR TABLES",
        "type kit.mood",
        "comment kit.TYPE mood",
    ]);
    assert_eq!(restored.bare, BTreeSet::new());
    restored.leaves_out(&[
        ("fk constraint sales.items items_product_fkey", &refers("stock.products")),
        ("function kit.customer_count()", NOT_SELECTED),
        ("function sales.product_count()", &refers("stock.products")),
        ("publication table sales.some_tables orders", PUBLICATION),
        ("view reports.everything", &refers("stock.products")),
        ("view sales.sold", &refers("stock.products")),
        ("view sales.sold_often", &refers("sales.sold")),
    ]);
}

#[test]
fn partitions_come_with_their_table_wherever_they_are() {
    let restored = chosen(&[], &["stock.movements"]);
    restored.includes(&[
        "table archive.movements_2025",
        "table archive.movements_2025_all",
        "table stock.movements_2026",
        "table attach archive.movements_2025_all",
        "index attach archive.movements_2025_all_pkey",
        "schema archive",
    ]);
    restored.leaves_out(&[("fk constraint stock.movements of_a_product", &refers("stock.products"))]);
}

#[test]
fn a_partition_alone_stands_by_itself() {
    let restored = chosen(&[], &["archive.movements_2025_all"]);
    let expect = [
        "constraint archive.movements_2025_all movements_2025_all_pkey",
        "index archive.movements_2025_all_change_idx",
        "schema archive",
        "table archive.movements_2025_all",
    ];
    assert_eq!(restored.included, expect.map(str::to_owned).into());
    restored.leaves_out(&[("table attach archive.movements_2025_all", &refers("archive.movements_2025"))]);
}

#[test]
fn a_table_that_is_only_needed_comes_without_parts() {
    let restored = chosen(&[], &["lonely.special_products"]);
    assert_eq!(restored.bare, BTreeSet::from(["table stock.products".to_owned()]));
    assert!(!restored.included.contains("constraint stock.products products_pkey"));
    let view = chosen(&[], &["sales.sold"]);
    view.includes(&["view sales.sold", "table sales.items", "table stock.products"]);
    assert_eq!(view.bare.len(), 2);
}

#[test]
fn tables_whose_names_differ_in_a_newline_are_told_apart() {
    for archive in archives() {
        let toc = read(&archive);
        let name = "\"Odd \"\"Schema\"\"; Type: x\".\"Table.\nwith \"\"all\"\"\"";
        let chosen = choose(&toc, &selection(&[], &[name])).unwrap();
        let tables: Vec<_> =
            chosen.included.iter().map(|at| &toc.entries[*at]).filter(|entry| entry.kind == "TABLE").collect();
        assert_eq!(tables.len(), 1);
        assert!(tables[0].tag.contains('\n'));
        let restored = Restored::of(&toc, &chosen);
        restored.includes(&["type Odd Schema; Type: x.a type; Schema: y"]);
        assert!(restored.included.iter().any(|name| name.starts_with("sequence owned by")));
    }
}

#[test]
fn a_name_that_selects_nothing_is_refused_with_what_is_near() {
    let [archive, _] = archives();
    let toc = read(&archive);
    let refused = |schemas: &[&str], tables: &[&str]| {
        let error = choose(&toc, &selection(schemas, tables)).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        (error.to_string(), error.help().unwrap_or_default().to_owned())
    };
    let (text, help) = refused(&["sale"], &["sales.order", "public.orders"]);
    assert!(text.contains("no table sales.order; ") && text.contains("no schema sale"), "{text}");
    assert_eq!(help, "there is sales.orders, sales.sold, sales");
    assert_eq!(refused(&[], &["\"größe\""]).1, "there is public.\"Größe\"");
    assert!(refused(&[], &["nothing.like_this_at_all"]).1.contains("lifeboat show"));
    assert!(choose(&toc, &selection(&[], &["orders"])).is_ok(), "only one table is called so");
}

#[test]
fn an_archive_that_is_cut_anywhere_is_refused() {
    let [archive, _] = archives();
    for length in (0..archive.bytes.len()).step_by(61) {
        let error = toc::read(&archive.bytes[..length], &mut utf8).unwrap_err();
        assert_eq!(error.kind(), Kind::Integrity, "{length}");
    }
    let mut newer = archive.bytes.clone();
    newer[6] = 17;
    assert_eq!(toc::read(&newer, &mut utf8).unwrap_err().kind(), Kind::Config);
    assert_eq!(toc::encoding(&archive.bytes).unwrap(), "UTF8");
}
