//! Stock tools alone give everything back: a stock S3 client, gunzip and psql.

use std::io::Write as _;
use std::process::{Command, Stdio};

use lifeboat_tests::compare::assert_same_but_settings;
use lifeboat_tests::{Database, Major, fixtures};

use crate::depot::Depot;

/// What the `gunzip` of the system makes of concatenated objects.
pub(crate) fn gunzipped(bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new("gunzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success());
    output.stdout
}

#[track_caller]
pub(crate) fn assert_psql_makes_it_of(script: &[u8], original: &Database<'_>) {
    let copy = original.server.database("by_hand");
    let output = copy.feed(script);
    assert!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
    assert_same_but_settings(original, &copy);
}

/// The names of the script's objects, read from the manifest as plain JSON.
pub(crate) fn script_objects(manifest: &[u8]) -> Vec<String> {
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    let objects = manifest["script"].as_array().unwrap();
    objects.iter().map(|object| object["name"].as_str().unwrap().to_owned()).collect()
}

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
