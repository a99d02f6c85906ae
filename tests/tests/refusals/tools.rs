//! pg_dump that is not there, or of another release.

use lifeboat_tests::Major;
use lifeboat_tests::servers::installation::Installation;
use tempfile::TempDir;

use crate::shop::{Shop, assert_refused};

#[test]
fn a_folder_without_pg_dump_is_refused_and_says_what_to_install() {
    let shop = Shop::new(Major::V15);
    let empty = TempDir::new().unwrap();
    let outcome = shop.backup().env("LIFEBOAT_TOOLS_DIR", empty.path()).run();
    assert_refused(outcome, 21, &["find pg_dump of PostgreSQL 15", "none was found", "postgresql-client-15"]);
    assert_eq!(shop.store.objects_of_backups(), [""; 0]);
}

#[test]
fn tools_of_a_later_release_are_refused_for_an_older_server() {
    let shop = Shop::new(Major::V15);
    let outcome = shop.backup().env("LIFEBOAT_TOOLS_DIR", &Installation::of(Major::V18).bin).run();
    assert_refused(outcome, 21, &["find pg_dump of PostgreSQL 15", "found pg_dump (PostgreSQL) 18"]);
    assert_eq!(shop.store.objects_of_backups(), [""; 0]);
}

#[test]
fn tools_of_an_earlier_release_are_refused_for_a_newer_server() {
    let shop = Shop::new(Major::V18);
    let outcome = shop.backup().env("LIFEBOAT_TOOLS_DIR", &Installation::of(Major::V15).bin).run();
    assert_refused(outcome, 21, &["find pg_dump of PostgreSQL 18", "found pg_dump (PostgreSQL) 15"]);
}

#[test]
fn a_pg_dump_that_does_not_run_is_none() {
    let shop = Shop::new(Major::V15);
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("pg_dump"), "not a program").unwrap();
    let outcome = shop.backup().env("LIFEBOAT_TOOLS_DIR", folder.path()).run();
    assert_refused(outcome, 21, &["none was found"]);
}
