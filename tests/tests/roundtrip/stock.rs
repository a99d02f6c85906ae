//! Stock tools alone give everything back: a stock S3 client, gunzip and psql.

use lifeboat_tests::stock::{assert_psql_makes_it_of, gunzipped, script_objects};
use lifeboat_tests::{Major, fixtures};

use crate::depot::Depot;

#[test]
fn a_stock_client_gunzip_and_psql_give_the_database_back_on_15() {
    gives_it_back_with_stock_tools(Major::V15);
}

#[test]
fn a_stock_client_gunzip_and_psql_give_the_database_back_on_18() {
    gives_it_back_with_stock_tools(Major::V18);
}

fn gives_it_back_with_stock_tools(major: Major) {
    let depot = Depot::s3();
    let original = fixtures::hard(major);
    let backup = depot.backup(&original);
    let fetch = |name: &str| depot.bucket().fetch_with_aws(&format!("prod/{}", backup.object(name)));
    let objects: Vec<u8> = script_objects(&fetch("manifest.json")).iter().flat_map(|name| fetch(name)).collect();
    assert_psql_makes_it_of(&gunzipped(&objects), &original);
}

#[test]
fn what_cat_prints_psql_restores() {
    let depot = Depot::file();
    let original = fixtures::hard(Major::V18);
    depot.backup(&original);
    let output = depot.lifeboat("cat").arg("shop/latest").command().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_psql_makes_it_of(&output.stdout, &original);
}

#[test]
fn what_download_fetches_needs_no_lifeboat() {
    let depot = Depot::s3();
    let original = fixtures::hard(Major::V15);
    depot.backup(&original);
    let (_keep, to) = Depot::scratch_folder();
    depot.lifeboat("download").args(["shop/latest", "--to"]).arg(&to).run().expect(0);
    let read = |name: &str| std::fs::read(to.join(name)).unwrap();
    let objects: Vec<u8> = script_objects(&read("manifest.json")).iter().flat_map(|name| read(name)).collect();
    assert_psql_makes_it_of(&gunzipped(&objects), &original);
}
