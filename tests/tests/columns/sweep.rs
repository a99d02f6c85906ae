//! The sweep over tables of every kind.

use lifeboat_core::Kind;
use lifeboat_rotate::sweep::{Order, SweepOptions};
use lifeboat_tests::Major;

use crate::world::{NEW, OLD, World, same, small};

#[test]
fn every_value_ends_under_the_new_key_whatever_names_its_row() {
    for (major, columns) in [
        (Major::V15, "id bigint PRIMARY KEY, value text"),
        (Major::V18, "id text PRIMARY KEY, value varchar(200) NOT NULL"),
        (Major::V18, "id numeric UNIQUE NOT NULL, value text"),
        (Major::V15, "id int, value text"),
    ] {
        let (world, plain) = World::with_rows(major, columns, 1500);
        let summary = world.run(&small()).unwrap();
        assert!(summary.is_clean(), "{columns}: {summary:?}");
        assert_eq!(summary.targets[0].counts.rotated, 1500, "{columns}");
        assert_eq!(summary.targets[0].counts.total(), 1500, "{columns}");
        same(&world.opened(NEW), &plain, columns);
        assert!(world.opened(OLD).is_empty(), "{columns}");
    }
}

#[test]
fn both_orders_see_every_row() {
    for order in [Order::Key, Order::Place] {
        let (world, plain) = World::with_rows(Major::V15, "id text COLLATE \"en-x-icu\" PRIMARY KEY, value text", 3000);
        let summary = world.run(&SweepOptions { order: Some(order), ..small() }).unwrap();
        assert_eq!(summary.targets[0].counts.rotated, 3000, "{order:?}");
        same(&world.opened(NEW), &plain, &format!("{order:?}"));
        assert_eq!(summary.targets[0].passes, 2, "{order:?}: the second finds nothing to write");
    }
}

#[test]
fn a_second_run_writes_nothing() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 300);
    world.run(&small()).unwrap();
    let before = world.database.psql("SELECT md5(string_agg(value, '' ORDER BY id)) FROM secrets");
    let summary = world.run(&small()).unwrap();
    assert!(summary.is_clean());
    assert_eq!(world.database.psql("SELECT md5(string_agg(value, '' ORDER BY id)) FROM secrets"), before);
    same(&world.opened(NEW), &plain, "plaintexts");
}

#[test]
fn a_dry_run_opens_everything_and_writes_nothing() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 300);
    let summary = world.run(&SweepOptions { dry_run: true, ..small() }).unwrap();
    assert_eq!(summary.targets[0].counts.rotated, 300);
    same(&world.opened(OLD), &plain, "plaintexts");
    assert_eq!(world.database.psql("SELECT to_regnamespace('lifeboat_rotate') IS NULL"), "t");
}

#[test]
fn keys_that_open_nothing_write_nothing() {
    let (mut world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 100);
    world.target.keys = crate::world::keys(crate::world::OTHER, NEW);
    let error = world.run(&small()).unwrap_err();
    assert_eq!(error.kind(), Kind::WrongKey);
    assert!(error.chain().contains(" failed authentication"), "{}", error.chain());
    same(&world.opened(OLD), &plain, "plaintexts");
    assert_eq!(world.database.psql("SELECT to_regnamespace('lifeboat_rotate') IS NULL"), "t");
}

#[test]
fn plaintext_in_the_first_rows_does_not_make_a_key_wrong() {
    for (already, columns) in [(OLD, "id int PRIMARY KEY, value text"), (NEW, "id int, value text")] {
        let world = World::new(Major::V18, columns);
        world.database.psql("INSERT INTO secrets SELECT n, 'typed ' || n FROM generate_series(100000, 101999) n");
        let plain = crate::world::plain(300);
        world.fill(already, &plain);
        let plan = world.plan();
        assert_eq!(plan.refusals().count(), 0, "{plan:?}");
        let summary = world.run(&small()).unwrap();
        assert_eq!((summary.targets[0].counts.opened(), summary.targets[0].counts.plaintext), (300, 2000), "{columns}");
        same(&world.opened(NEW), &plain, columns);
    }
}

#[test]
fn what_has_been_rotated_proves_the_keys_for_what_was_written_since() {
    let (world, plain) = World::with_rows(Major::V18, "id int PRIMARY KEY, value text", 100);
    world.run_to_the_end(&small());
    world.database.psql("UPDATE secrets SET value = 'typed'");
    let summary = world.run(&small()).unwrap();
    assert_eq!(summary.targets[0].counts.plaintext, 100, "{summary:?}");
    assert_eq!(world.plan().refusals().count(), 0);
    assert!(world.opened(NEW).is_empty() && plain.len() == 100);
}
